//! The snapshots of `infra/`: what the Bicep compiler resolves a set of parameters to. They are committed, so that a
//! review shows what a change of the templates changes in Azure.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// The parameter files that have a snapshot, relative to `infra/`: a usual deployment, and one with everything.
pub const PARAMETERS: [&str; 2] = ["main.bicepparam", "examples/full.bicepparam"];

/// Why there is no new snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The compiler could not be started.
    #[error("bicep cannot be started: {0}\n  az bicep install, and put ~/.azure/bin on the PATH")]
    Bicep(io::Error),
    /// The templates do not compile.
    #[error("bicep snapshot {parameters} has failed: {status}")]
    Failed {
        /// The parameter file.
        parameters: &'static str,
        /// How the compiler ended.
        status: ExitStatus,
    },
}

/// The compiler's arguments, for the folder `infra/`. Names depend on the subscription and the resource group, so these
/// are fixed.
pub fn arguments<'a>(parameters: &'a str, mode: &'a str) -> [&'a str; 14] {
    [
        "snapshot",
        parameters,
        "--mode",
        mode,
        "--subscription-id",
        "00000000-0000-0000-0000-000000000001",
        "--tenant-id",
        "00000000-0000-0000-0000-000000000002",
        "--resource-group",
        "rg",
        "--location",
        "westeurope",
        "--deployment-name",
        "main",
    ]
}

/// Writes the snapshots of the repository anew.
///
/// # Errors
///
/// When there is no `bicep` on the PATH, or the templates do not compile.
pub fn write(repository: &Path) -> Result<(), SnapshotError> {
    for parameters in PARAMETERS {
        let status = Command::new("bicep")
            .current_dir(repository.join("infra"))
            .args(arguments(parameters, "overwrite"))
            .status()
            .map_err(SnapshotError::Bicep)?;
        if !status.success() {
            return Err(SnapshotError::Failed { parameters, status });
        }
    }
    Ok(())
}
