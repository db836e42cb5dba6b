//! What a run would read of an export, and what is missing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::lake::{Export, SkippedFolder};
use crate::location::Location;
use crate::sql::{Catalog, Sources};

/// A table of the export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedTable {
    /// Its name.
    pub table: String,
    /// Whether a run fails without it.
    pub required: bool,
    /// Where it was found, and in which format; `None` if it is not exported.
    pub found: Option<String>,
    /// Files that would be read.
    pub files: usize,
    /// Columns without which a run fails, and that are not exported.
    pub missing_columns: Vec<String>,
    /// Columns that are not exported and would be empty.
    pub empty_columns: Vec<String>,
}

/// An export.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Its tables.
    pub tables: Vec<InspectedTable>,
    /// Change folders that would not be read.
    pub skipped_folders: Vec<SkippedFolder>,
    /// Published tables that would be left out, because their main source is not exported.
    pub left_out: Vec<String>,
}

/// Inspects an export. It opens each table and reads no rows.
///
/// # Errors
/// The lake cannot be read, or nothing in it is an export.
pub async fn inspect(lake: &Location, patterns: &[String], catalog: &Catalog) -> Result<Inspection> {
    let export = Export::search(lake, patterns, &catalog.sources, &BTreeMap::new()).await?;
    let left_out = catalog.gold.iter().filter(|gold| is_left_out(&export, &catalog.sources, &gold.driver));
    Ok(Inspection {
        left_out: left_out.map(|gold| gold.name().to_owned()).collect(),
        tables: tables(&export, &catalog.sources).await?,
        skipped_folders: export.skipped().await,
    })
}

impl Inspection {
    /// Whether a run could read everything that it needs.
    pub fn is_complete(&self) -> bool {
        self.tables.iter().all(|table| (table.found.is_some() || !table.required) && table.missing_columns.is_empty())
    }
}

fn is_left_out(export: &Export, sources: &Sources, driver: &str) -> bool {
    sources.tables.iter().any(|table| table.name == driver) && !export.sources.contains_key(driver)
}

async fn tables(export: &Export, sources: &Sources) -> Result<Vec<InspectedTable>> {
    let mut tables = Vec::new();
    for table in &sources.tables {
        let mut inspected = InspectedTable {
            table: table.name.clone(),
            required: table.required,
            found: None,
            files: 0,
            missing_columns: Vec::new(),
            empty_columns: Vec::new(),
        };
        if let Some(source) = export.sources.get(&table.name) {
            let (missing, empty) = source.missing_columns().await?;
            inspected.found = Some(source.place());
            inspected.files = source.files().await?;
            (inspected.missing_columns, inspected.empty_columns) = (missing, empty);
        }
        tables.push(inspected);
    }
    Ok(tables)
}

impl std::fmt::Display for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for table in &self.tables {
            let need = if table.required { "required" } else { "optional" };
            match &table.found {
                Some(place) => writeln!(f, "{:<36} {} files, {place}", table.table, table.files)?,
                None => writeln!(f, "{:<36} NOT EXPORTED ({need})", table.table)?,
            }
            if !table.missing_columns.is_empty() {
                writeln!(f, "{:<36} MISSING (required): {}", "", table.missing_columns.join(", "))?;
            }
            if !table.empty_columns.is_empty() {
                writeln!(f, "{:<36} would be empty: {}", "", table.empty_columns.join(", "))?;
            }
        }
        for SkippedFolder { folder, reason } in &self.skipped_folders {
            writeln!(f, "would be skipped: {folder}, because {reason}")?;
        }
        for table in &self.left_out {
            writeln!(f, "would be left out: {table}, because its main table is not exported")?;
        }
        write!(f, "{}", if self.is_complete() { "a run can read what it needs" } else { "a run would fail: see above" })
    }
}
