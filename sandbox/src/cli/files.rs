//! The sandbox's files: the folder of a run, with the function app and the script, and the handler's log.

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

/// The file for the handler's output.
pub(crate) struct HandlerLog {
    pub(crate) path: PathBuf,
    file: File,
}

impl HandlerLog {
    /// Opens the chosen file, or the usual one. If another sandbox writes to that, this one has a file of its own.
    pub(crate) fn open(chosen: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = chosen {
            return Ok(Self { path: path.to_owned(), file: create(path)? });
        }
        let usual = folder().join("handler.log");
        create_parent(&usual)?;
        let file = File::options().create(true).append(true).open(&usual).map_err(|error| at(&usual, &error))?;
        if file.try_lock().is_ok() {
            file.set_len(0).map_err(|error| at(&usual, &error))?;
            return Ok(Self { path: usual, file });
        }
        let own = folder().join(format!("handler-{}.log", std::process::id()));
        Ok(Self { file: create(&own)?, path: own })
    }

    /// Writes the handler's output into the file, line by line.
    pub(crate) fn sink(self) -> Sink {
        let file = Mutex::new(LineWriter::new(self.file));
        Arc::new(move |level, line: &str| {
            let mark = match level {
                Level::Information => "",
                Level::Warning => "[stderr, warning] ",
                Level::Error => "[stderr] ",
            };
            // The run continues even if the disk is full.
            let _ = writeln!(file.lock().unwrap_or_else(PoisonError::into_inner), "{mark}{line}");
        })
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    create_parent(path)?;
    File::create(path).map_err(|error| at(path, &error))
}

fn create_parent(path: &Path) -> Result<(), Failure> {
    path.parent().map_or(Ok(()), |folder| fs::create_dir_all(folder).map_err(|error| at(folder, &error)))
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    format!("{}: {error}", shown(path)).into()
}

/// The last lines of a file.
pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// The folder of one run, with the function app and the script. It is deleted when dropped.
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Locked as long as the process lives, however it ends.
    _lock: File,
}

/// The file that shows whether the process of a folder lives.
const LOCK: &str = "lock";

impl RunFolder {
    /// Creates the folder, and deletes those of processes that were killed.
    pub(crate) fn create() -> Result<Self, Failure> {
        remove_abandoned();
        let path = folder().join(format!("run-{}", std::process::id()));
        let lock = create(&path.join(LOCK))?;
        lock.lock().map_err(|error| at(&path, &error))?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder of the function app.
    pub(crate) fn app(&self) -> PathBuf {
        self.path.join("app")
    }

    /// The script that buys something.
    pub(crate) fn script(&self) -> PathBuf {
        self.path.join("buy.sh")
    }
}

fn remove_abandoned() {
    let runs = fs::read_dir(folder()).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_run = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("run-"));
    for run in runs.filter(is_run) {
        if File::open(run.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            remove(&run);
        }
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, folder = %folder.display(), "the folder of a run could not be deleted");
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        remove(&self.path);
    }
}
