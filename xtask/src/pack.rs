//! The folder that is published, checked before it is sent, and the same as a zip file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use commerce_journeys::journeys::Journeys;
use sandbox::host::{self, AppProblem};
use sandbox::stage::{self, StageProblem};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::app::App;
use crate::binary::{self, BinaryProblem, Glibc};

/// What was put together.
#[derive(Clone, Debug)]
pub struct Package {
    /// The folder to publish from.
    pub folder: PathBuf,
    /// The same as one file, to keep: a roll-back publishes it again.
    pub archive: PathBuf,
    /// The files, relative to the folder, with their sizes in bytes.
    pub files: Vec<(String, u64)>,
    /// The C library that the handler needs, if any.
    pub glibc: Option<Glibc>,
}

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub enum PackProblem {
    /// The platform would not run the handler.
    #[error(transparent)]
    Binary(#[from] BinaryProblem),
    /// The folder could not be put together.
    #[error(transparent)]
    Stage(#[from] StageProblem),
    /// The Functions host would refuse it.
    #[error("the Functions host would refuse it: {0}")]
    Host(#[from] AppProblem),
    /// `host.json` starts something else.
    #[error("host.json starts '{found}'; the handler is '{handler}'")]
    Executable {
        /// What it starts.
        found: PathBuf,
        /// The handler's name in the package.
        handler: &'static str,
    },
    /// Folders and handler do not fit.
    #[error("the folders are for {found:?}; the handler serves {served:?}")]
    Functions {
        /// The functions with a folder.
        found: Vec<String>,
        /// Those that the handler knows.
        served: Vec<String>,
    },
    /// The handler would not start with its `journeys.json`.
    #[error("{0}")]
    Journeys(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `local.settings.json` is not what it should be.
    #[error("local.settings.json: {0}")]
    LocalSettings(serde_json::Error),
    /// The zip file could not be written.
    #[error("the zip file cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
}

/// Puts the package of an app of the repository together in the folder `into`, with the handler at `binary`, for a
/// platform whose C library is `limit`.
///
/// # Errors
///
/// When the platform or the Functions host would refuse it.
pub fn pack(repository: &Path, app: App, binary: &Path, into: &Path, limit: Glibc) -> Result<Package, PackProblem> {
    let glibc = binary::check(binary, limit)?;
    let (root, folder) = (app.root(repository), into.join(app.folder()));
    stage::copy_files(&root, app.files(), &folder)?;
    copy_program(binary, &folder.join(app.program()))?;
    check(app, &root, &folder)?;
    let archive = into.join(app.name()).with_extension("zip");
    let names: Vec<&str> = app.files().iter().copied().chain([app.program()]).collect();
    write_archive(&folder, &names, app.program(), &archive)?;
    let size = |name: &str| fs::metadata(folder.join(name)).map(|file| file.len()).map_err(file_problem(&folder));
    let files = names.iter().map(|name| Ok(((*name).to_owned(), size(name)?))).collect::<Result<_, PackProblem>>()?;
    Ok(Package { folder, archive, files, glibc })
}

/// Without the `.exe` of this machine, if it has one: the platform's is Linux.
fn copy_program(binary: &Path, to: &Path) -> Result<(), PackProblem> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(file_problem(folder))?;
    }
    fs::copy(binary, to).map(drop).map_err(file_problem(binary))
}

/// Everything that would otherwise show only after the deployment, as an app that does not start.
fn check(app: App, root: &Path, folder: &Path) -> Result<(), PackProblem> {
    // Only so that every %Setting% has a value; the values themselves do not matter here.
    let hosted = host::App::read(folder, &local_settings(root)?)?;
    if hosted.executable != Path::new(app.program()) || hosted.directory != folder.join("") {
        return Err(PackProblem::Executable { found: hosted.executable, handler: app.program() });
    }
    let mut served: Vec<String> = app.functions().iter().map(|name| (*name).to_owned()).collect();
    served.sort();
    let found: Vec<String> = hosted.functions.into_iter().map(|function| function.name).collect();
    if found != served {
        return Err(PackProblem::Functions { found, served });
    }
    match app {
        App::CommerceJourneys => check_journeys(folder),
        App::PrepareData => Ok(()),
    }
}

fn check_journeys(folder: &Path) -> Result<(), PackProblem> {
    let journeys = read(&folder.join("journeys.json"))?;
    // The triggers' names are settings of each deployment.
    Journeys::read(&journeys, |_| Some("trigger".to_owned())).map(drop).map_err(|problems| {
        PackProblem::Journeys(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

fn local_settings(root: &Path) -> Result<BTreeMap<String, String>, PackProblem> {
    let text = read(&root.join("local.settings.json"))?;
    let file: serde_json::Value = serde_json::from_str(&text).map_err(PackProblem::LocalSettings)?;
    serde_json::from_value(file["Values"].clone()).map_err(PackProblem::LocalSettings)
}

/// Without times, so that the same files make the same package; with the execute bit, without which the host cannot
/// start the handler.
fn write_archive(folder: &Path, names: &[&str], handler: &str, archive: &Path) -> Result<(), PackProblem> {
    let mut zip = ZipWriter::new(File::create(archive).map_err(file_problem(archive))?);
    for name in names {
        let path = folder.join(name);
        let mode = if *name == handler { 0o755 } else { 0o644 };
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(mode);
        zip.start_file(*name, options)?;
        let mut file = File::open(&path).map_err(file_problem(&path))?;
        io::copy(&mut file, &mut zip).map_err(file_problem(&path))?;
    }
    zip.finish()?;
    Ok(())
}

fn read(path: &Path) -> Result<String, PackProblem> {
    fs::read_to_string(path).map_err(file_problem(path))
}

fn file_problem(path: &Path) -> impl FnOnce(io::Error) -> PackProblem + Copy {
    move |source| PackProblem::File { path: path.to_owned(), source }
}
