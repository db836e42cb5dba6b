//! The SQL files, their headers, and the tables that they need.

mod checks;
mod overlay;
mod script;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

pub use overlay::{OwnColumns, OwnFiles};
pub use script::{Script, Step};
pub(crate) use sources::data_type;
pub use sources::{Column, Parameter, SourceTable, Sources, utc_timestamp};

use self::overlay::Overlay;
use crate::error::{Error, Result};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql");

/// All SQL files.
#[derive(Debug)]
pub struct Catalog {
    /// The tables of the export that are read.
    pub sources: Sources,
    /// Template: the current rows of a source.
    pub current_rows: String,
    /// Standardised rows, by source.
    pub silver: BTreeMap<String, Script>,
    /// Small tables that several gold tables share, computed from silver tables.
    pub shared: BTreeMap<String, Script>,
    /// The published tables.
    pub gold: Vec<GoldTable>,
    /// Checks of the published tables.
    pub checks: Vec<Script>,
    /// What an overlay adds besides published tables and their columns; `None` without an overlay.
    pub overlay: Option<OwnFiles>,
}

/// A published table.
#[derive(Debug)]
pub struct GoldTable {
    /// The rows.
    pub rows: Script,
    /// The statements of an incremental run.
    pub changes: Option<Script>,
    /// Rows that are not published, with the reason.
    pub rejected: Option<Script>,
    /// The column that identifies a row.
    pub key: String,
    /// The silver table that has a row for each row of this one.
    pub driver: String,
    /// Silver and shared tables that it and its own columns read.
    pub reads: Vec<String>,
    /// Own columns, of an overlay.
    pub columns: Option<OwnColumns>,
    /// The overlay's file that makes the table, as errors name it; `None` if the table is shipped.
    pub own_file: Option<String>,
}

impl GoldTable {
    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.rows.name
    }

    /// Whether the table fits in memory. A shipped table without an incremental run is small.
    pub fn is_small(&self) -> bool {
        self.changes.is_none() && self.own_file.is_none()
    }
}

impl Catalog {
    /// Loads the built-in files, or those of a folder.
    ///
    /// # Errors
    /// [`Error::Catalog`] names the file and what is wrong with it.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        Self::load_with(folder, None)
    }

    /// Loads the built-in files, or those of a folder, with an overlay of own columns and tables.
    ///
    /// # Errors
    /// As [`Self::load`]; [`Error::Overlay`] names the file of the overlay and what to do.
    pub fn load_with(folder: Option<&Path>, overlay: Option<&Path>) -> Result<Self> {
        let wrong = |(path, error): (PathBuf, std::io::Error)| {
            Error::Catalog(format!("cannot read {}: {error}", path.display()))
        };
        let files = match folder {
            Some(folder) => files_of(folder, |_| true).map_err(wrong)?,
            None => embedded(&EMBEDDED),
        };
        match overlay {
            Some(overlay) => Overlay::read(overlay)?.catalog(files),
            None => Self::of(&files),
        }
    }

    fn of(files: &BTreeMap<String, String>) -> Result<Self> {
        let text = |path: &str| files.get(path).ok_or_else(|| Error::Catalog(format!("sql/{path} is missing")));
        let sources: Sources = serde_json::from_str(text("sources.json")?)
            .map_err(|error| Error::Catalog(format!("sql/sources.json: {error}")))?;
        let mut silver = scripts(files, "silver/")?;
        silver.remove("current_rows");
        let mut gold = Vec::new();
        let used = scripts(files, "steps/")?;
        let with_used = |(name, script): (String, Script)| Ok((name, script.with_used(&used)?));
        let rejected = scripts(files, "rejected/")?.into_iter().map(with_used).collect::<Result<BTreeMap<_, _>>>()?;
        let all = scripts(files, "gold/")?.into_iter().map(with_used).collect::<Result<BTreeMap<_, _>>>()?;
        for (name, rows) in &all {
            if name.ends_with(".changes") {
                continue;
            }
            gold.push(GoldTable {
                key: rows.required("key")?.to_owned(),
                driver: rows.required("driver")?.to_owned(),
                reads: rows.list("reads")?,
                changes: all.get(&format!("{name}.changes")).cloned(),
                rejected: rejected.get(name).cloned(),
                columns: None,
                own_file: None,
                rows: rows.clone(),
            });
        }
        gold.sort_by_key(|table| (category_rank(&table.rows), table.name().to_owned()));
        Ok(Self {
            sources,
            current_rows: text("silver/current_rows.sql")?.clone(),
            silver,
            shared: scripts(files, "shared/")?,
            gold,
            checks: checks(files)?,
            overlay: None,
        })
    }

    /// Whether a layer has a table of this name.
    pub fn has_table(&self, name: &str) -> bool {
        name == "rejected" || self.silver.contains_key(name) || self.gold.iter().any(|table| table.name() == name)
    }

    /// The steps that find the current rows of a source.
    ///
    /// # Errors
    /// [`Error::Catalog`] if the template is wrong.
    pub fn current_rows_of(&self, table: &str) -> Result<Script> {
        Script::parse("current_rows", &self.current_rows.replace("{table}", table))
    }
}

/// Supporting tables first, then profiles, then activities: a table comes after the tables that it refers to.
fn category_rank(script: &Script) -> u8 {
    match script.directive("category") {
        Some("supporting") => 0,
        Some("profile") => 1,
        _ => 2,
    }
}

fn scripts(files: &BTreeMap<String, String>, folder: &str) -> Result<BTreeMap<String, Script>> {
    files
        .iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(folder)?.strip_suffix(".sql")?, text)))
        .map(|(name, text)| Ok((name.to_owned(), Script::parse(name, text)?)))
        .collect()
}

/// The checks with a file of their own, and those of the list.
fn checks(files: &BTreeMap<String, String>) -> Result<Vec<Script>> {
    let mut checks = scripts(files, "checks/")?;
    checks.remove("reference");
    let mut checks: Vec<Script> = checks.into_values().collect();
    if let (Some(list), Some(template)) = (files.get("checks/references.json"), files.get("checks/reference.sql")) {
        checks.extend(checks::reference_checks(list, template)?);
    }
    checks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(checks)
}

fn embedded(folder: &Dir<'_>) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for file in folder.files() {
        if let Some(text) = file.contents_utf8() {
            files.insert(slashed(file.path()), text.to_owned());
        }
    }
    for inner in folder.dirs() {
        files.extend(embedded(inner));
    }
    files
}

/// The wanted files of a folder, by path inside it; or the path that cannot be read.
fn files_of(
    folder: &Path,
    is_wanted: impl Fn(&Path) -> bool,
) -> Result<BTreeMap<String, String>, (PathBuf, std::io::Error)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        let wrong = |error| (inner.clone(), error);
        for entry in std::fs::read_dir(&inner).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let (true, Ok(relative)) = (is_wanted(&path), path.strip_prefix(folder)) {
                let text = std::fs::read_to_string(&path).map_err(|error| (path.clone(), error))?;
                files.insert(slashed(relative), text);
            }
        }
    }
    Ok(files)
}

fn slashed(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
