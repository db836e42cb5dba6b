//! Errors of a function app's configuration files, and reading these files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;

/// App settings: the environment variables of the handler.
pub type Settings = BTreeMap<String, String>;

/// Why an app cannot be hosted.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// A file is not valid JSON of the expected structure.
    #[error("{path}: {source}")]
    Malformed {
        /// The file.
        path: String,
        /// The error.
        source: serde_json::Error,
    },
    /// `host.json` needs something that the host does not support.
    #[error("host.json: {0}")]
    Host(String),
    /// A function needs something that the host does not support.
    #[error("function '{function}': {reason}")]
    Function {
        /// The function's folder.
        function: String,
        /// The error.
        reason: String,
    },
    /// A referenced app setting does not exist.
    #[error("{wanted_by}: the app setting '{name}' does not resolve to a value")]
    MissingSetting {
        /// What refers to the setting.
        wanted_by: String,
        /// The name of the setting.
        name: String,
    },
}

pub(super) fn missing(wanted_by: &str, name: &str) -> AppError {
    AppError::MissingSetting { wanted_by: wanted_by.to_owned(), name: name.to_owned() }
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, AppError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| AppError::Unreadable { path: name.clone(), source })?;
    serde_json::from_str(&text).map_err(|source| AppError::Malformed { path: name, source })
}
