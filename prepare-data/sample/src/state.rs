//! `sample.json`: the options and rounds of a lake, which are all that a further change needs.

use std::{io::ErrorKind, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Options, SampleError, timestamp::Timestamp};

/// Name of the file in the lake's folder.
const STATE_FILE: &str = "sample.json";

/// What a lake was made from and what happened to it since.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) rounds: Vec<Round>,
    /// In microseconds since 1970; set by purging.
    pub(crate) purged_before: Option<Timestamp>,
}

/// One round of change.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) share: f64,
    pub(crate) days: u32,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, rounds: Vec::new(), purged_before: None }
    }

    pub(crate) fn read(folder: &Path) -> Result<Self, SampleError> {
        let path = folder.join(STATE_FILE);
        let text = std::fs::read(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => SampleError::NoLake { folder: folder.to_owned() },
            _ => SampleError::file("read", &path, source),
        })?;
        serde_json::from_slice(&text).map_err(|source| SampleError::State { path, source })
    }

    /// Replaces the file in one step, so that it contains the old state or the new one.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), SampleError> {
        let path = folder.join(STATE_FILE);
        let text =
            serde_json::to_vec_pretty(self).map_err(|source| SampleError::State { path: path.clone(), source })?;
        let next = folder.join(format!("{STATE_FILE}.next"));
        std::fs::write(&next, text).map_err(|source| SampleError::file("write", &next, source))?;
        std::fs::rename(&next, &path).map_err(|source| SampleError::file("replace", &path, source))
    }
}
