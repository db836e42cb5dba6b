//! The folder that is published, checked before it is sent, and the same as a zip file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use commerce_journeys::journeys::{Journeys, Overlay, is_overlay};
use sandbox::app_folder::{self, AppFolderError};
use sandbox::host::{self, AppError};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::app::App;
use crate::binary::{self, BinaryError, Glibc};

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
pub enum PackError {
    /// The platform would not run the handler.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The folder could not be put together.
    #[error(transparent)]
    Stage(#[from] AppFolderError),
    /// The Functions host would refuse it.
    #[error("the Functions host would refuse it: {0}")]
    Host(#[from] AppError),
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
    /// `host.json` is not what it should be.
    #[error("host.json: {0}")]
    HostJson(serde_json::Error),
    /// The app takes no messages.
    #[error("host.json has no extensions.serviceBus.maxConcurrentCalls: this app takes no messages")]
    NoMessages,
    /// The zip file could not be written.
    #[error("the zip file cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
}

/// How a package differs from the repository's files.
#[derive(Clone, Copy, Debug)]
pub struct PackOptions {
    /// The newest C library that the platform is taken to have.
    pub glibc: Glibc,
    /// `maxConcurrentCalls` of `host.json`. The platform's scale controller reads this file and not the app settings.
    pub messages_per_instance: Option<u16>,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self { glibc: Glibc::PLATFORM, messages_per_instance: None }
    }
}

/// Puts the package of an app of the repository together in the folder `into`, with the handler at `binary`.
///
/// # Errors
///
/// When the platform or the Functions host would refuse it.
pub fn pack(
    repository: &Path,
    app: App,
    binary: &Path,
    into: &Path,
    options: &PackOptions,
) -> Result<Package, PackError> {
    let glibc = binary::check(binary, options.glibc)?;
    let (root, folder) = (app.root(repository), into.join(app.folder()));
    let overlays = overlays(app, &root)?;
    let files: Vec<&str> = app.files().iter().copied().chain(overlays.iter().map(String::as_str)).collect();
    app_folder::copy_files(&root, &files, &folder)?;
    if let Some(messages) = options.messages_per_instance {
        set_messages_per_instance(&folder.join("host.json"), messages)?;
    }
    copy_program(binary, &folder.join(app.program()))?;
    check(app, &root, &folder, &overlays)?;
    let archive = into.join(app.name()).with_extension("zip");
    let names: Vec<&str> = files.into_iter().chain([app.program()]).collect();
    write_archive(&folder, &names, app.program(), &archive)?;
    let size = |name: &str| fs::metadata(folder.join(name)).map(|file| file.len()).map_err(file_error(&folder));
    let files = names.iter().map(|name| Ok(((*name).to_owned(), size(name)?))).collect::<Result<_, PackError>>()?;
    Ok(Package { folder, archive, files, glibc })
}

/// The folder with own columns and tables of the lake side; a setting names it.
const SQL_OVERLAY: &str = "sql-overlay";

/// The files that a setting of each environment names. All are in the package, so one package is for all environments.
fn overlays(app: App, root: &Path) -> Result<Vec<String>, PackError> {
    match app {
        App::CommerceJourneys => journeys_overlays(root),
        App::PrepareData if root.join(SQL_OVERLAY).is_dir() => files_below(root, SQL_OVERLAY),
        App::PrepareData => Ok(Vec::new()),
    }
}

/// All files of a folder, as paths relative to the root.
fn files_below(root: &Path, inside: &str) -> Result<Vec<String>, PackError> {
    let folder = root.join(inside);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(file_error(&folder))? {
        let entry = entry.map_err(file_error(&folder))?;
        let name = format!("{inside}/{}", entry.file_name().display());
        if entry.path().is_dir() {
            names.extend(files_below(root, &name)?);
        } else {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn journeys_overlays(root: &Path) -> Result<Vec<String>, PackError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(file_error(root))? {
        let name = entry.map_err(file_error(root))?.file_name();
        names.extend(name.into_string().ok().filter(|name| is_overlay(name)));
    }
    names.sort();
    Ok(names)
}

fn set_messages_per_instance(host: &Path, messages: u16) -> Result<(), PackError> {
    let mut file: serde_json::Value = serde_json::from_str(&read(host)?).map_err(PackError::HostJson)?;
    let Some(calls) = file.pointer_mut("/extensions/serviceBus/maxConcurrentCalls") else {
        return Err(PackError::NoMessages);
    };
    *calls = messages.into();
    fs::write(host, format!("{file:#}\n")).map_err(file_error(host))
}

/// Without the `.exe` of this machine, if it has one: the platform's is Linux.
fn copy_program(binary: &Path, to: &Path) -> Result<(), PackError> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(file_error(folder))?;
    }
    fs::copy(binary, to).map(drop).map_err(file_error(binary))
}

/// Everything that would otherwise show only after the deployment, as an app that does not start.
fn check(app: App, root: &Path, folder: &Path, overlays: &[String]) -> Result<(), PackError> {
    // Only so that every %Setting% has a value; the values themselves do not matter here.
    let hosted = host::App::read(folder, &local_settings(root)?)?;
    if hosted.executable != Path::new(app.program()) || hosted.directory != folder.join("") {
        return Err(PackError::Executable { found: hosted.executable, handler: app.program() });
    }
    let mut served: Vec<String> = app.functions().iter().map(|name| (*name).to_owned()).collect();
    served.sort();
    let found: Vec<String> = hosted.functions.into_iter().map(|function| function.name).collect();
    if found != served {
        return Err(PackError::Functions { found, served });
    }
    match app {
        App::CommerceJourneys => check_journeys(folder, overlays),
        App::PrepareData => Ok(()),
    }
}

/// The file as it is, and as each environment changes it.
fn check_journeys(folder: &Path, overlays: &[String]) -> Result<(), PackError> {
    let journeys = read(&folder.join("journeys.json"))?;
    check_journeys_text(&journeys, "")?;
    for file in overlays {
        let text = read(&folder.join(file))?;
        let merged = Overlay { file, text: &text }.apply(&journeys);
        let merged = merged.map_err(|error| PackError::Journeys(error.to_string()))?;
        check_journeys_text(&merged, &format!("changed by {file}: "))?;
    }
    Ok(())
}

fn check_journeys_text(journeys: &str, origin: &str) -> Result<(), PackError> {
    // The triggers' names are settings of each deployment.
    Journeys::read(journeys, |_| Some("trigger".to_owned())).map(drop).map_err(|problems| {
        PackError::Journeys(problems.iter().map(|problem| format!("{origin}{problem}")).collect::<Vec<_>>().join("\n"))
    })
}

fn local_settings(root: &Path) -> Result<BTreeMap<String, String>, PackError> {
    let text = read(&root.join("local.settings.json"))?;
    let file: serde_json::Value = serde_json::from_str(&text).map_err(PackError::LocalSettings)?;
    serde_json::from_value(file["Values"].clone()).map_err(PackError::LocalSettings)
}

/// Without times, so that the same files make the same package; with the execute bit, without which the host cannot
/// start the handler.
fn write_archive(folder: &Path, names: &[&str], handler: &str, archive: &Path) -> Result<(), PackError> {
    let mut zip = ZipWriter::new(File::create(archive).map_err(file_error(archive))?);
    for name in names {
        let path = folder.join(name);
        let mode = if *name == handler { 0o755 } else { 0o644 };
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(mode);
        zip.start_file(*name, options)?;
        let mut file = File::open(&path).map_err(file_error(&path))?;
        io::copy(&mut file, &mut zip).map_err(file_error(&path))?;
    }
    zip.finish()?;
    Ok(())
}

fn read(path: &Path) -> Result<String, PackError> {
    fs::read_to_string(path).map_err(file_error(path))
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> PackError + Copy {
    move |source| PackError::File { path: path.to_owned(), source }
}
