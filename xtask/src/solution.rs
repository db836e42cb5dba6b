//! The Dataverse solution with the security role *Commerce Journeys*, as `pac solution import` takes it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use commerce_journeys::check::{DUAL_WRITE_PRIVILEGES, PRIVILEGES};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The files of the solution: the name in `infra/dataverse/`, and the name in the archive.
const FILES: [(&str, &str); 3] = [
    ("content-types.xml", "[Content_Types].xml"),
    ("customizations.xml", "customizations.xml"),
    ("solution.xml", "solution.xml"),
];

/// Why there is no solution.
#[derive(Debug, thiserror::Error)]
pub enum SolutionError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The zip file could not be written.
    #[error("the zip file cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
}

/// Whether the environment has the tables of Dual-write. A role cannot name privileges of tables that do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DualWrite {
    /// It has `cdm_company` and `msdyn_customergroup`.
    Installed,
    /// It has not.
    Absent,
}

/// Writes the solution to the folder `into`, and returns the archive.
///
/// # Errors
///
/// When a file cannot be read or written.
pub fn pack_solution(repository: &Path, into: &Path, dual_write: DualWrite) -> Result<PathBuf, SolutionError> {
    fs::create_dir_all(into).map_err(file_error(into))?;
    let archive = into.join("dataverse-solution.zip");
    let mut zip = ZipWriter::new(File::create(&archive).map_err(file_error(&archive))?);
    for (file, name) in FILES {
        let path = repository.join("infra").join("dataverse").join(file);
        let text = fs::read_to_string(&path).map_err(file_error(&path))?;
        zip.start_file(name, SimpleFileOptions::default())?;
        zip.write_all(filled(&text, dual_write).as_bytes()).map_err(file_error(&archive))?;
    }
    zip.finish()?;
    Ok(archive)
}

/// The role's privileges, and the version with the four parts that Dataverse wants.
fn filled(text: &str, dual_write: DualWrite) -> String {
    let optional: &[&str] = match dual_write {
        DualWrite::Installed => &DUAL_WRITE_PRIVILEGES,
        DualWrite::Absent => &[],
    };
    let row = |name: &&str| format!(r#"        <RolePrivilege name="{name}" level="Global" />"#);
    let rows: Vec<String> = PRIVILEGES.iter().chain(optional).map(row).collect();
    let version = concat!(env!("CARGO_PKG_VERSION"), ".0");
    text.replace("{privileges}", &rows.join("\n")).replace("{version}", version)
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> SolutionError + Copy {
    move |source| SolutionError::File { path: path.to_owned(), source }
}
