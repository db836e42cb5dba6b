//! The function apps of this repository.

use std::path::{Path, PathBuf};

use commerce_journeys::host::FUNCTIONS;
use sandbox::app_folder;

/// One of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum App {
    /// The real-time link.
    #[default]
    CommerceJourneys,
    /// The preparation of exported tables.
    PrepareData,
}

impl App {
    /// The name of its Cargo package, of its binary and of its archive.
    pub fn name(self) -> &'static str {
        match self {
            Self::CommerceJourneys => "commerce-journeys",
            Self::PrepareData => "prepare-data",
        }
    }

    /// Where its program is in the package. One must not be where the folder of the function of its name is.
    pub fn program(self) -> &'static str {
        match self {
            Self::CommerceJourneys => "commerce-journeys",
            Self::PrepareData => "bin/prepare-data",
        }
    }

    /// Where its files lie.
    pub fn root(self, repository: &Path) -> PathBuf {
        match self {
            Self::CommerceJourneys => repository.to_owned(),
            Self::PrepareData => repository.join("prepare-data").join("functions"),
        }
    }

    /// Its files, beside the program.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::CommerceJourneys => &app_folder::FILES,
            Self::PrepareData => &["host.json", "prepare-data/function.json"],
        }
    }

    /// The functions that its program serves. (Those of the second are written down again: a crate that depends on it
    /// would take minutes to build. Its own tests compare them with its folders.)
    pub fn functions(self) -> &'static [&'static str] {
        match self {
            Self::CommerceJourneys => &FUNCTIONS,
            Self::PrepareData => &["prepare-data"],
        }
    }

    /// Cargo features of the program. The sample generator of `prepare-data` is not deployed.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::CommerceJourneys => &[],
            Self::PrepareData => &["--no-default-features"],
        }
    }

    /// The Cargo profile that suits its work: the one waits for the network, the other computes.
    pub fn profile(self) -> &'static str {
        match self {
            Self::CommerceJourneys => "release",
            Self::PrepareData => "throughput",
        }
    }

    /// The folder from which it is published, below the one for packages.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::CommerceJourneys => "app",
            Self::PrepareData => "prepare-data",
        }
    }
}
