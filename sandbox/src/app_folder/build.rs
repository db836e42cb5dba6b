//! Builds the handler with the Cargo that built the sandbox.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

const PACKAGE: &str = "commerce-journeys";

/// The build profile of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Fast to build.
    Dev,
    /// Fast to run.
    Release,
}

impl Profile {
    /// The profile with which this program was compiled.
    pub fn own() -> Self {
        if cfg!(debug_assertions) { Self::Dev } else { Self::Release }
    }
}

/// Why the handler could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo could not be started.
    #[error("cargo cannot be started: {0}")]
    Cargo(io::Error),
    /// The code does not compile.
    #[error("the handler does not compile:\n{0}")]
    Compile(String),
    /// There is no executable in the output of Cargo.
    #[error("cargo built no executable named {PACKAGE}")]
    NoExecutable,
}

/// One line of Cargo's `--message-format=json`, with the fields that are needed here.
#[derive(Deserialize)]
struct CargoMessage {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds the handler of the workspace at `repository` and returns the path of its executable. Cargo's output is only
/// shown if the build fails.
///
/// # Errors
///
/// When Cargo is not installed or fails.
pub async fn build_handler(repository: &Path, profile: Profile) -> Result<PathBuf, BuildError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(repository)
        // Without `--package`: all default members are selected, as with `cargo run`, so that no dependency is compiled again
        // with other features.
        .args(["build", "--bin", PACKAGE, "--message-format=json-render-diagnostics"])
        .args((profile == Profile::Release).then_some("--release"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.map_err(BuildError::Cargo)?;
    if !output.status.success() {
        return Err(BuildError::Compile(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    executable(&String::from_utf8_lossy(&output.stdout)).ok_or(BuildError::NoExecutable)
}

fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<CargoMessage>(line).ok());
    messages.filter(CargoMessage::is_the_handler).find_map(|message| message.executable)
}

impl CargoMessage {
    fn is_the_handler(&self) -> bool {
        let is_bin = |target: &Target| target.name == PACKAGE && target.kind.iter().any(|kind| kind == "bin");
        self.reason == "compiler-artifact" && self.target.as_ref().is_some_and(is_bin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"commerce_journeys","kind":["lib"]},"executable":null}
            not json
            {"reason":"build-script-executed","package_id":"x"}
            {"reason":"compiler-artifact","target":{"name":"commerce-journeys","kind":["bin"]},"executable":"/t/commerce-journeys"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/t/commerce-journeys")));
        assert_eq!(executable(""), None);
    }
}
