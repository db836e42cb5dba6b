//! Builds the handler with the Cargo that built the sandbox.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

const PACKAGE: &str = "commerce-journeys";

/// How the handler is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run.
    Release,
}

impl Profile {
    /// The profile with which this program was compiled.
    pub fn own() -> Self {
        if cfg!(debug_assertions) { Self::Dev } else { Self::Release }
    }
}

/// Why there is no handler.
#[derive(Debug, thiserror::Error)]
pub enum BuildProblem {
    /// Cargo could not be started.
    #[error("cargo cannot be started: {0}")]
    Cargo(io::Error),
    /// It does not compile.
    #[error("the handler does not compile:\n{0}")]
    Compile(String),
    /// It compiles, and yet there is no executable.
    #[error("cargo built no executable named {PACKAGE}")]
    NoExecutable,
}

/// One line of Cargo's `--message-format=json`, as far as it matters.
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

/// Builds the handler of the workspace at `repository` and returns where its executable is. Cargo's own output is
/// kept for the error, if there is one.
///
/// # Errors
///
/// When Cargo is not there or fails.
pub async fn build_handler(repository: &Path, profile: Profile) -> Result<PathBuf, BuildProblem> {
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
    let output = command.output().await.map_err(BuildProblem::Cargo)?;
    if !output.status.success() {
        return Err(BuildProblem::Compile(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    executable(&String::from_utf8_lossy(&output.stdout)).ok_or(BuildProblem::NoExecutable)
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
