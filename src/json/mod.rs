//! Reading JSON: errors contain the path but never a value, and raw values keep their text.

mod raw;

use std::fmt;

use serde::Deserialize;

pub(crate) use raw::{RawObject, is_array};

/// The place and the kind of an error in JSON. It quotes no value, because values may be personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl JsonError {
    /// The error at a path, as `serde_path_to_error` found it.
    fn at(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let (path, inner) = (error.path(), error.inner());
        let kind = match inner.classify() {
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Data => "a field is missing or has the wrong type",
            serde_json::error::Category::Io => "it could not be read",
        };
        Self(format!("{kind}, at {path} (line {}, column {})", inner.line(), inner.column()))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads JSON. An error contains the path of the mistake, never a value.
pub fn read_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, JsonError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| JsonError::at(&error))?;
    json.end()
        .map_err(|error| JsonError(format!("more text follows (line {}, column {})", error.line(), error.column())))?;
    Ok(value)
}
