//! Reading JSON: errors contain the path but never a value, and raw values keep their text.

mod number;
mod partial;
mod raw;
mod relaxed;
mod same;
mod text;

use std::fmt;

use serde::Deserialize;

pub(crate) use number::Number;
pub(crate) use partial::value_at;
pub use raw::ObjectText;
pub(crate) use raw::{RawObject, is_array};
pub use relaxed::relaxed;
pub(crate) use same::same_value;
pub(crate) use text::{string, unescaped, write_string};

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

/// The text without the byte order mark that editors and .NET write before it. JSON does not allow it.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

/// A text from outside as UTF-8 without a byte order mark. UTF-16 is recognised by its mark.
pub fn decode_text(bytes: Vec<u8>) -> Vec<u8> {
    let units = |read: fn([u8; 2]) -> u16| bytes[2..].as_chunks().0.iter().copied().map(read).collect::<Vec<u16>>();
    match bytes.as_slice() {
        [0xFF, 0xFE, ..] => String::from_utf16_lossy(&units(u16::from_le_bytes)).into_bytes(),
        [0xFE, 0xFF, ..] => String::from_utf16_lossy(&units(u16::from_be_bytes)).into_bytes(),
        text if without_mark(text).len() < text.len() => without_mark(text).to_vec(),
        _ => bytes,
    }
}

/// Reads JSON, with or without a byte order mark. An error contains the path of the mistake, never a value.
pub fn read_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, JsonError> {
    let text = without_mark(text);
    // To know the path at any time costs as much as to read. So it is found in a second reading.
    serde_json::from_slice(text).or_else(|_| read_with_path(text))
}

fn read_with_path<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, JsonError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| JsonError::at(&error))?;
    json.end()
        .map_err(|error| JsonError(format!("more text follows (line {}, column {})", error.line(), error.column())))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(read_json::<u8>("\u{feff}7".as_bytes()), Ok(7));
        let text = "{\"a\":\"é\"}";
        let utf16 = |mark: [u8; 2], write: fn(u16) -> [u8; 2]| {
            mark.into_iter().chain(text.encode_utf16().flat_map(write)).collect::<Vec<u8>>()
        };
        let written = [
            text.as_bytes().to_vec(),
            format!("\u{feff}{text}").into_bytes(),
            utf16([0xFF, 0xFE], u16::to_le_bytes),
            utf16([0xFE, 0xFF], u16::to_be_bytes),
        ];
        for bytes in written {
            assert_eq!(decode_text(bytes), text.as_bytes());
        }
        for short in [&[][..], &[0xFF], &[0xFF, 0xFE], &[0xFE, 0xFF, 0x00]] {
            assert!(decode_text(short.to_vec()).len() <= short.len());
        }
    }
}
