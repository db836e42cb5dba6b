//! The sandbox's files: the function app's folder, the handler's log, and the script.

use std::fs::{self, File};
use std::io::{LineWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sandbox::app_folder;
use sandbox::host::{Level, Sink};

use super::Failure;

/// The folder for the sandbox's files.
pub(crate) fn folder() -> PathBuf {
    app_folder::repository().join("target").join("sandbox")
}

/// A path, relative to the current folder if possible.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// Writes the handler's output into a file, line by line.
pub(crate) fn log_to(path: &Path) -> Result<Sink, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", shown(folder)))?;
    }
    let file = File::create(path).map_err(|error| format!("{}: {error}", shown(path)))?;
    let file = Mutex::new(LineWriter::new(file));
    Ok(Arc::new(move |level, line: &str| {
        let mark = match level {
            Level::Information => "",
            Level::Warning => "[stderr, warning] ",
            Level::Error => "[stderr] ",
        };
        // The run continues even if the disk is full.
        let _ = writeln!(file.lock().unwrap_or_else(PoisonError::into_inner), "{mark}{line}");
    }))
}

/// The last lines of a file.
pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The function app's folder, for this process only. It is deleted when dropped.
pub(crate) struct TemporaryAppFolder(pub(crate) PathBuf);

impl TemporaryAppFolder {
    pub(crate) fn new() -> Self {
        Self(folder().join(format!("app-{}", std::process::id())))
    }
}

impl Drop for TemporaryAppFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.0.display(), "the function app's folder could not be deleted");
        }
    }
}
