//! The files of a case.

use std::collections::BTreeMap;
use std::fs::{read_dir, read_to_string};
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::error::CaseError;

/// Rows and expectations of one case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) settings: CaseSettings,
    /// The first run, and the run of changes after it, if there is one.
    pub(super) runs: Vec<CaseRun>,
}

/// The files of one run: paths by table.
#[derive(Debug)]
pub(super) struct CaseRun {
    /// What differences of this run begin with.
    pub(super) label: &'static str,
    pub(super) input: BTreeMap<String, CsvFile>,
    pub(super) expected: BTreeMap<String, CsvFile>,
}

/// A file of a case.
#[derive(Debug)]
pub(super) struct CsvFile {
    /// Its path inside the case, as errors name it.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// `settings.json`, which may be missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CaseSettings {
    /// The time of the first run.
    pub(super) as_of: DateTime<Utc>,
    /// The time of the run of changes; without it, that of the first run.
    pub(super) change_as_of: Option<DateTime<Utc>>,
    pub(super) companies: Vec<String>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) party_types: BTreeMap<i64, String>,
    /// Whether rows that are not expected are a difference.
    pub(super) no_other_rows: bool,
}

/// The time of a run that says nothing else: a fixed one, so that results do not depend on the day.
const AS_OF: &str = "2026-01-31T06:00:00Z";

impl Default for CaseSettings {
    fn default() -> Self {
        Self {
            as_of: AS_OF.parse().unwrap_or_default(),
            change_as_of: None,
            companies: Vec::new(),
            parameters: BTreeMap::new(),
            party_types: BTreeMap::new(),
            no_other_rows: true,
        }
    }
}

/// The sub-folders, sorted. Hidden ones are no cases.
pub(super) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

impl Case {
    pub(super) fn read(folder: &Path) -> Result<Self, CaseError> {
        require_known(folder, "", &["input", "expected", "change", "settings.json"])?;
        let settings = folder.join("settings.json");
        let settings = match settings.exists() {
            true => serde_json::from_str(&text(&settings)?).map_err(CaseError::Settings)?,
            false => CaseSettings::default(),
        };
        let mut runs = vec![CaseRun::read(folder, "", "")?];
        if folder.join("change").is_dir() {
            require_known(folder, "change/", &["input", "expected"])?;
            runs.push(CaseRun::read(folder, "change/", "after the change, ")?);
        }
        if runs.iter().all(|run| run.expected.is_empty()) {
            return Err(CaseError::NoExpectation);
        }
        Ok(Self { settings, runs })
    }

    /// The tables that one of the runs expects something of.
    pub(super) fn expects(&self, table: &str) -> bool {
        self.runs.iter().any(|run| run.expected.contains_key(table))
    }
}

impl CaseRun {
    fn read(case: &Path, inside: &str, label: &'static str) -> Result<Self, CaseError> {
        let files = |folder: &str| csv_files(case, &format!("{inside}{folder}"));
        Ok(Self { label, input: files("input")?, expected: files("expected")? })
    }
}

/// The CSV files of a folder by table; none if the folder is missing.
fn csv_files(case: &Path, inside: &str) -> Result<BTreeMap<String, CsvFile>, CaseError> {
    let folder = case.join(inside);
    let mut files = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for file in entries(&folder)? {
        let (path, name) = (folder.join(&file), format!("{inside}/{file}"));
        match file.to_lowercase().strip_suffix(".csv") {
            Some(table) => drop(files.insert(table.to_owned(), CsvFile { name, path })),
            None => return Err(CaseError::NotCsv { name }),
        }
    }
    Ok(files)
}

/// Refuses what nobody would read, as a folder whose name is spelled wrong.
fn require_known(case: &Path, inside: &str, known: &[&str]) -> Result<(), CaseError> {
    match entries(&case.join(inside))?.into_iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(CaseError::UnknownFile { name: format!("{inside}{name}") }),
        None => Ok(()),
    }
}

/// The names of what is in a folder. Hidden files are those of tools.
fn entries(folder: &Path) -> Result<Vec<String>, CaseError> {
    let unreadable = |source| CaseError::Unreadable { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

/// The text of a file, without a byte order mark.
pub(super) fn text(path: &Path) -> Result<String, CaseError> {
    let text = read_to_string(path).map_err(|source| CaseError::Unreadable { path: path.to_owned(), source })?;
    match text.strip_prefix('\u{feff}') {
        Some(text) => Ok(text.to_owned()),
        None => Ok(text),
    }
}
