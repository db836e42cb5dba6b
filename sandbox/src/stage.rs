//! The function app's folder as a deployment puts it together.

mod handler;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use self::handler::{BuildProblem, Profile, build_handler};

/// The files beside the binary, as they lie in the repository.
pub const FILES: [&str; 5] = [
    "host.json",
    "journeys.json",
    "poll-events/function.json",
    "process-message/function.json",
    "trigger-journey/function.json",
];

/// The handler's name in the folder.
pub const EXECUTABLE: &str = if cfg!(windows) { "commerce-journeys.exe" } else { "commerce-journeys" };

/// Which journeys are enabled in the staged `journeys.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enabled {
    /// Those that are enabled as it is shipped.
    #[default]
    AsShipped,
    /// All of them.
    All,
}

/// Why the folder could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum StageProblem {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `journeys.json` is not what it should be.
    #[error("journeys.json cannot be edited: {0}")]
    Journeys(String),
}

/// The repository's root: where the files of the app lie.
pub fn repository() -> PathBuf {
    let sandbox = Path::new(env!("CARGO_MANIFEST_DIR"));
    sandbox.parent().unwrap_or(sandbox).to_owned()
}

/// Puts the app together in the folder `into`, in place of whatever was there.
///
/// # Errors
///
/// When a file is missing, cannot be written, or has not the expected shape.
pub fn stage(repository: &Path, binary: Option<&Path>, into: &Path, enabled: Enabled) -> Result<(), StageProblem> {
    copy_files(repository, &FILES, into)?;
    if let Some(binary) = binary {
        let executable = into.join(EXECUTABLE);
        // The same file under another name where that is possible: a debug build is large.
        if fs::hard_link(binary, &executable).is_err() {
            copy(binary, &executable)?;
        }
    }
    match enabled {
        Enabled::AsShipped => Ok(()),
        Enabled::All => enable_all(&into.join("journeys.json")),
    }
}

/// Copies an app's files from `root` to the folder `into`, in place of whatever was there.
///
/// # Errors
///
/// When a file is missing or cannot be written.
pub fn copy_files(root: &Path, files: &[&str], into: &Path) -> Result<(), StageProblem> {
    clear(into)?;
    files.iter().try_for_each(|file| copy(&root.join(file), &into.join(file)))
}

/// A function that is no longer in the repository must not live on here.
fn clear(folder: &Path) -> Result<(), StageProblem> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(problem(folder)(error)),
        _ => fs::create_dir_all(folder).map_err(problem(folder)),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), StageProblem> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(problem(folder))?;
    }
    fs::copy(from, to).map(drop).map_err(problem(from))
}

fn enable_all(path: &Path) -> Result<(), StageProblem> {
    let malformed = |error: serde_json::Error| StageProblem::Journeys(error.to_string());
    let text = fs::read_to_string(path).map_err(problem(path))?;
    let mut file: Value = serde_json::from_str(&text).map_err(malformed)?;
    let journeys = file.get_mut("journeys").and_then(Value::as_array_mut);
    for journey in journeys.ok_or_else(|| StageProblem::Journeys("it has no list of journeys".to_owned()))? {
        journey["enabled"] = Value::Bool(true);
    }
    let text = serde_json::to_string_pretty(&file).map_err(malformed)?;
    fs::write(path, text).map_err(problem(path))
}

fn problem(path: &Path) -> impl FnOnce(io::Error) -> StageProblem {
    let path = path.to_owned();
    move |source| StageProblem::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository of nothing but the app's files, gone when dropped.
    struct Repository(PathBuf);

    impl Repository {
        fn new() -> Self {
            let root = std::env::temp_dir().join(format!("sandbox-stage-{}", uuid::Uuid::new_v4()));
            for file in FILES {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "{}").unwrap();
            }
            let journeys = r#"{"journeys":[{"name":"a","enabled":true},{"name":"b","enabled":false},{"name":"c"}]}"#;
            fs::write(root.join("journeys.json"), journeys).unwrap();
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
    fn the_folder_holds_the_app_and_nothing_of_the_last_one() {
        let repository = Repository::new();
        let app = repository.0.join("app");
        fs::create_dir_all(app.join("gone")).unwrap();
        stage(&repository.0, Some(&repository.0.join("binary")), &app, Enabled::AsShipped).unwrap();
        assert!(!app.join("gone").exists());
        assert!(FILES.iter().all(|file| app.join(file).is_file()));
        assert_eq!(fs::read_to_string(app.join(EXECUTABLE)).unwrap(), "#!");
        assert_eq!(journeys(&app)["journeys"][1]["enabled"], false);
    }

    #[test]
    fn all_journeys_can_be_enabled() {
        let repository = Repository::new();
        let app = repository.0.join("app");
        stage(&repository.0, None, &app, Enabled::All).unwrap();
        let journeys = journeys(&app);
        let journeys = journeys["journeys"].as_array().unwrap();
        assert!(journeys.len() == 3 && journeys.iter().all(|journey| journey["enabled"] == true));
    }

    #[test]
    fn a_missing_file_is_named() {
        let repository = Repository::new();
        fs::remove_file(repository.0.join("host.json")).unwrap();
        let problem = stage(&repository.0, None, &repository.0.join("app"), Enabled::AsShipped).unwrap_err();
        assert!(problem.to_string().contains("host.json"), "{problem}");
    }
}
