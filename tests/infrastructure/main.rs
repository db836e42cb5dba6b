//! The Bicep files are valid and agree with code, settings and pages; the deployment package runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod access;
mod azd;
mod bicep;
mod compiler;
mod consistency;
mod documents;
#[cfg(target_os = "linux")]
#[cfg(unix)] // runs the shell hooks
mod hooks;
mod lake;
mod names;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[cfg(unix)] // reads the permissions of files
mod package;
mod pages;
mod parameters;
mod settings;
mod snapshots;
mod solution;
mod watching;

use std::fs;
use std::path::{Path, PathBuf};

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the repository.
fn file(path: &str) -> String {
    let path = repository(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
