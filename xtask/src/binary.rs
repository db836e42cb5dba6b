//! A handler's binary: for Linux on x86-64, and for no newer C library than the platform's.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use object::elf::{ELFDATA2LSB, EM_X86_64, ET_DYN, ET_EXEC, FileHeader64};
use object::read::elf::FileHeader as _;
use object::{Endianness, FileKind};
use serde_json::Value;

use crate::app::App;

/// What a handler is compiled for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A version of the GNU C library, as `2.31`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Glibc(pub u32, pub u32);

impl Glibc {
    /// That of Debian 11. Images of Azure Functions are documented for Debian 11 and 12, and which one Flex Consumption
    /// has for custom handlers is not: this runs on both.
    pub const PLATFORM: Self = Self(2, 31);
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for Glibc {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self(major, minor)),
            _ => Err("is not a version such as 2.31"),
        }
    }
}

/// Why there is no binary to deploy.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// Cargo could not be started.
    #[error("cargo cannot be started: {0}")]
    Cargo(io::Error),
    /// It does not compile, or the linker for the platform is missing.
    #[error(
        "cargo zigbuild has failed. It needs Zig, which links for the platform's C library on any machine:\n  \
         python3 -m venv target/zig && target/zig/bin/pip install --requirement xtask/requirements.txt\n  \
         rustup target add {TARGET}"
    )]
    Build,
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The platform cannot run it.
    #[error("{path} is no 64-bit Linux program for x86-64; leave --binary out to have one built")]
    WrongPlatform {
        /// The file.
        path: PathBuf,
    },
    /// The platform's C library is too old for it.
    #[error(
        "{path} needs glibc {needed}, and the platform is taken to have {limit}; leave --binary out to have one built for it"
    )]
    NewerGlibc {
        /// The file.
        path: PathBuf,
        /// What it needs.
        needed: Glibc,
        /// What there is.
        limit: Glibc,
    },
}

/// Builds an app's handler in the workspace at `repository` with this Cargo profile, linked against the platform's C library
/// whatever this machine is, and returns where it is. Cargo reports its progress on standard error.
///
/// # Errors
///
/// When Cargo or Zig is not there, or the handler does not compile.
pub fn build(repository: &Path, app: App, profile: &str) -> Result<PathBuf, BinaryError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .current_dir(repository)
        .envs(zig(repository))
        .args(["zigbuild", "--locked", "--package", app.name(), "--bin", app.name(), "--profile", profile])
        .args(app.features())
        .args(["--target", &format!("{TARGET}.{}", Glibc::PLATFORM), "--message-format=json-render-diagnostics"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(BinaryError::Cargo)?;
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages, app).filter(|_| output.status.success()).ok_or(BinaryError::Build)
}

/// The variables with which Cargo finds `cargo-zigbuild`, and that finds Zig, in the virtual environment `target/zig`. None
/// without that folder: then both must be on the PATH.
fn zig(repository: &Path) -> Vec<(&'static str, OsString)> {
    let (folder, python) = if cfg!(windows) { ("Scripts", "python.exe") } else { ("bin", "python") };
    let programs = repository.join("target").join("zig").join(folder);
    if !programs.is_dir() {
        return Vec::new();
    }
    let others = env::var_os("PATH").unwrap_or_default();
    let python = ("CARGO_ZIGBUILD_PYTHON_PATH", programs.join(python).into_os_string());
    let path = env::join_paths(iter::once(programs).chain(env::split_paths(&others)));
    path.ok().map(|path| ("PATH", path)).into_iter().chain([python]).collect()
}

/// The handler among Cargo's messages.
fn executable(messages: &str, app: App) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut executables = messages.filter(|message| message["target"]["name"] == app.name());
    executables.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Checks that the platform can run the program at `path`; returns the C library that it needs, if any.
///
/// # Errors
///
/// When it cannot.
pub fn check(path: &Path, limit: Glibc) -> Result<Option<Glibc>, BinaryError> {
    let path = path.to_owned();
    let data = fs::read(&path).map_err(|source| BinaryError::Unreadable { path: path.clone(), source })?;
    let Some(needed) = needed_versions(&data) else { return Err(BinaryError::WrongPlatform { path }) };
    match needed.into_iter().max() {
        Some(needed) if needed > limit => Err(BinaryError::NewerGlibc { path, needed, limit }),
        newest => Ok(newest),
    }
}

/// The versions of the C library's symbols that a program asks for; `None` if it is not for the platform at all.
fn needed_versions(data: &[u8]) -> Option<Vec<Glibc>> {
    if FileKind::parse(data).ok()? != FileKind::Elf64 {
        return None;
    }
    let elf = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = elf.endian().ok()?;
    let is_program = [ET_EXEC, ET_DYN].contains(&elf.e_type(endian));
    if !is_program || elf.e_machine(endian) != EM_X86_64 || elf.e_ident().data != ELFDATA2LSB {
        return None;
    }
    let sections = elf.sections(endian, data).ok()?;
    let mut versions = Vec::new();
    // No such section: a static program, which needs no C library.
    let Some((mut libraries, strings)) = sections.gnu_verneed(endian, data).ok()? else { return Some(versions) };
    let strings = sections.strings(endian, data, strings).ok()?;
    while let Some((_, mut symbols)) = libraries.next().ok()? {
        while let Some(symbol) = symbols.next().ok()? {
            let name = symbol.name(endian, strings).ok()?;
            let version = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_");
            versions.extend(version.and_then(|version| version.parse::<Glibc>().ok()));
        }
    }
    Some(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let glibc = |text: &str| text.parse::<Glibc>().unwrap();
        assert!(glibc("2.9") < glibc("2.31"));
        assert!(glibc("2.2.5") < glibc("2.3"));
        assert!("2".parse::<Glibc>().is_err());
        assert!("two.three".parse::<Glibc>().is_err());
    }

    #[test]
    fn the_handler_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"commerce_journeys"},"executable":null}
            not json
            {"reason":"compiler-artifact","target":{"name":"commerce-journeys"},"executable":"/t/commerce-journeys"}
            {"reason":"compiler-artifact","target":{"name":"prepare-data"},"executable":"/t/prepare-data"}"#;
        for app in [App::CommerceJourneys, App::PrepareData] {
            assert_eq!(executable(messages, app), Some(Path::new("/t").join(app.name())));
            assert_eq!(executable("{}", app), None);
        }
    }

    #[test]
    fn what_is_no_linux_program_is_refused() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(matches!(check(&script, Glibc::PLATFORM), Err(BinaryError::WrongPlatform { .. })));
        let missing = Path::new("no-such-file");
        assert!(matches!(check(missing, Glibc::PLATFORM), Err(BinaryError::Unreadable { .. })));
    }
}
