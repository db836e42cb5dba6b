//! Puts the function app's folder together, like a deployment does.

mod build;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shop::CART_WAIT;

pub use self::build::{BuildError, Profile, build_handler};

/// The files beside the executable, with their paths in the repository.
pub const FILES: [&str; 5] = [
    "host.json",
    "journeys.json",
    "poll-events/function.json",
    "process-message/function.json",
    "trigger-journey/function.json",
];

/// The file name of the handler in the folder.
pub const EXECUTABLE: &str = if cfg!(windows) { "commerce-journeys.exe" } else { "commerce-journeys" };

/// Which journeys are enabled in the folder's `journeys.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enabled {
    /// The journeys that are enabled in the shipped file.
    #[default]
    AsShipped,
    /// All of them, with short waits.
    All,
    /// All of them, and the journeys and event types of [`EXAMPLES`].
    WithExamples,
}

/// Journeys for the events of a partner's extension, in the repository.
pub const EXAMPLES: &str = "examples/journeys.json";

/// Why the folder could not be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AppFolderError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// `journeys.json` does not have the expected structure.
    #[error("journeys.json cannot be edited: {0}")]
    Journeys(String),
}

/// The root of the repository, which contains the app's files.
pub fn repository() -> PathBuf {
    let sandbox = Path::new(env!("CARGO_MANIFEST_DIR"));
    sandbox.parent().unwrap_or(sandbox).to_owned()
}

/// Assembles the app in the folder `into`. The previous content of the folder is deleted.
///
/// # Errors
///
/// When a file is missing, cannot be written, or has not the expected shape.
pub fn assemble(repository: &Path, binary: Option<&Path>, into: &Path, enabled: Enabled) -> Result<(), AppFolderError> {
    copy_files(repository, &FILES, into)?;
    if let Some(binary) = binary {
        let executable = into.join(EXECUTABLE);
        // A hard link where possible, because a debug build is large.
        if fs::hard_link(binary, &executable).is_err() {
            copy(binary, &executable)?;
        }
    }
    match enabled {
        Enabled::AsShipped => Ok(()),
        Enabled::All => enable_all(&into.join("journeys.json")),
        Enabled::WithExamples => {
            add_examples(&repository.join(EXAMPLES), &into.join("journeys.json"))?;
            enable_all(&into.join("journeys.json"))
        }
    }
}

/// Copies an app's files from `root` to the folder `into`. The previous content of the folder is deleted.
///
/// # Errors
///
/// When a file is missing or cannot be written.
pub fn copy_files(root: &Path, files: &[&str], into: &Path) -> Result<(), AppFolderError> {
    clear(into)?;
    files.iter().try_for_each(|file| copy(&root.join(file), &into.join(file)))
}

/// Deletes the folder, so that functions which were removed from the repository do not remain.
fn clear(folder: &Path) -> Result<(), AppFolderError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(folder)(error)),
        _ => fs::create_dir_all(folder).map_err(file_error(folder)),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), AppFolderError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(file_error(folder))?;
    }
    fs::copy(from, to).map(drop).map_err(file_error(from))
}

fn malformed(error: serde_json::Error) -> AppFolderError {
    AppFolderError::Journeys(error.to_string())
}

fn read_json(path: &Path) -> Result<Value, AppFolderError> {
    let text = fs::read_to_string(path).map_err(file_error(path))?;
    serde_json::from_str(&text).map_err(malformed)
}

fn write_json(path: &Path, file: &Value) -> Result<(), AppFolderError> {
    let text = serde_json::to_string_pretty(file).map_err(malformed)?;
    fs::write(path, text).map_err(file_error(path))
}

/// Adds the event types and the journeys of one file to another, as a user would copy them.
fn add_examples(examples: &Path, path: &Path) -> Result<(), AppFolderError> {
    let (mut examples, mut file) = (read_json(examples)?, read_json(path)?);
    if let Value::Object(types) = examples["eventTypes"].take() {
        for (name, event_type) in types {
            file["eventTypes"][name] = event_type;
        }
    }
    if let (Some(journeys), Value::Array(more)) = (file["journeys"].as_array_mut(), examples["journeys"].take()) {
        journeys.extend(more);
    }
    write_json(path, &file)
}

fn enable_all(path: &Path) -> Result<(), AppFolderError> {
    let mut file = read_json(path)?;
    let journeys = file.get_mut("journeys").and_then(Value::as_array_mut);
    for journey in journeys.ok_or_else(|| AppFolderError::Journeys("it has no list of journeys".to_owned()))? {
        journey["enabled"] = Value::Bool(true);
        if journey.get("after").is_some() {
            journey["after"] = Value::String(short_wait());
        }
    }
    write_json(path, &file)
}

/// The wait of all journeys that wait. An hour would be too long here.
fn short_wait() -> String {
    format!("00:00:{:02}", CART_WAIT.num_seconds())
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> AppFolderError {
    let path = path.to_owned();
    move |source| AppFolderError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository that contains only the app's files; deleted when dropped.
    struct Repository(PathBuf);

    impl Repository {
        fn new() -> Self {
            let root = std::env::temp_dir().join(format!("sandbox-app-folder-{}", uuid::Uuid::new_v4()));
            for file in FILES {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "{}").unwrap();
            }
            let journeys = r#"{"journeys":[{"name":"a","enabled":true},{"name":"b","enabled":false},{"name":"c"}]}"#;
            fs::write(root.join("journeys.json"), journeys).unwrap();
            fs::create_dir(root.join("examples")).unwrap();
            let examples = r#"{"eventTypes":{"T":{"optional":[]}},"journeys":[{"name":"d","enabled":false}]}"#;
            fs::write(root.join(EXAMPLES), examples).unwrap();
            fs::write(root.join("binary"), "#!").unwrap();
            Self(root)
        }
    }

    impl Drop for Repository {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn journeys(app: &Path) -> Value {
        serde_json::from_str(&fs::read_to_string(app.join("journeys.json")).unwrap()).unwrap()
    }

    #[test]
    fn the_folder_contains_the_app_and_no_old_files() {
        let repository = Repository::new();
        let app = repository.0.join("app");
        fs::create_dir_all(app.join("removed")).unwrap();
        assemble(&repository.0, Some(&repository.0.join("binary")), &app, Enabled::AsShipped).unwrap();
        assert!(!app.join("removed").exists());
        assert!(FILES.iter().all(|file| app.join(file).is_file()));
        assert_eq!(fs::read_to_string(app.join(EXECUTABLE)).unwrap(), "#!");
        assert_eq!(journeys(&app)["journeys"][1]["enabled"], false);
    }

    #[test]
    fn all_journeys_can_be_enabled() {
        let repository = Repository::new();
        let app = repository.0.join("app");
        assemble(&repository.0, None, &app, Enabled::All).unwrap();
        let journeys = journeys(&app);
        let journeys = journeys["journeys"].as_array().unwrap();
        assert!(journeys.len() == 3 && journeys.iter().all(|journey| journey["enabled"] == true));
    }

    #[test]
    fn the_examples_can_be_added() {
        let repository = Repository::new();
        let app = repository.0.join("app");
        assemble(&repository.0, None, &app, Enabled::WithExamples).unwrap();
        let file = journeys(&app);
        let journeys = file["journeys"].as_array().unwrap();
        assert!(journeys.len() == 4 && journeys.iter().all(|journey| journey["enabled"] == true));
        assert_eq!(file["eventTypes"]["T"]["optional"], serde_json::json!([]));
    }

    #[test]
    fn a_missing_file_is_reported() {
        let repository = Repository::new();
        fs::remove_file(repository.0.join("host.json")).unwrap();
        let error = assemble(&repository.0, None, &repository.0.join("app"), Enabled::AsShipped).unwrap_err();
        assert!(error.to_string().contains("host.json"), "{error}");
    }
}
