//! Finds the tables of an export.

use std::collections::BTreeMap;

use super::csv::CsvSource;
use super::delta::DeltaSource;
use super::{Reader, Source};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::sql::Sources;

/// Paths of Delta tables, in this order. Synapse Link writes `deltalake/<table>`. Its temporary `<table>_partitioned` comes
/// after that. A lakehouse has `Tables/<table>`, with or without a schema.
pub const DEFAULT_PATTERNS: [&str; 5] =
    ["deltalake/{table}", "deltalake/{table}_partitioned", "Tables/{table}", "Tables/dbo/{table}", "{table}"];

/// The tables of an export, by name.
#[derive(Debug)]
pub struct Export {
    /// The exported tables.
    pub sources: BTreeMap<String, Source>,
    /// Optional tables that are not exported.
    pub absent: Vec<String>,
}

impl Export {
    /// Finds the tables: Delta tables (`_delta_log`), or else the change folders of Synapse Link (`model.json`).
    ///
    /// # Errors
    /// [`Error::Export`] names the required tables that are missing, and the searched paths.
    pub async fn discover(lake: &Location, patterns: &[String], wanted: &Sources) -> Result<Self> {
        let mut readers: BTreeMap<String, Reader> = BTreeMap::new();
        for pattern in patterns {
            for (table, folder) in delta_tables(lake, pattern).await? {
                if wanted.tables.iter().any(|source| source.name == table) && !readers.contains_key(&table) {
                    let source = DeltaSource::open(&lake.join(&folder)).await?;
                    readers.insert(table, Reader::Delta(source));
                }
            }
        }
        if readers.is_empty() {
            readers = CsvSource::discover(lake, wanted).await?.into_iter().map(|(t, s)| (t, Reader::Csv(s))).collect();
        }
        let mut export = Self { sources: BTreeMap::new(), absent: Vec::new() };
        let mut missing = Vec::new();
        for table in &wanted.tables {
            match readers.remove(&table.name) {
                Some(reader) => {
                    export.sources.insert(table.name.clone(), Source { table: table.clone(), reader });
                }
                None if table.required => missing.push(table.name.as_str()),
                None => export.absent.push(table.name.clone()),
            }
        }
        if missing.is_empty() {
            return Ok(export);
        }
        Err(Error::Export(format!(
            "the export at {lake} has no {}. Searched for Delta tables at {}, and for model.json with change folders. Add the \
             tables to the export, or set their paths (LakeTablePattern)",
            missing.join(", "),
            patterns.join(", ")
        )))
    }
}

/// The Delta tables that match a pattern, as (table, folder).
async fn delta_tables(lake: &Location, pattern: &str) -> Result<Vec<(String, String)>> {
    let (parent, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let Some((before, after)) = name.split_once("{table}") else {
        return Err(Error::Settings(format!("the pattern `{pattern}` needs {{table}} in its last part")));
    };
    let mut tables = Vec::new();
    for folder in lake.folders(parent).await? {
        let lower = folder.to_lowercase();
        let Some(table) =
            lower.strip_prefix(&before.to_lowercase()).and_then(|rest| rest.strip_suffix(&after.to_lowercase()))
        else {
            continue;
        };
        let path = if parent.is_empty() { folder.clone() } else { format!("{parent}/{folder}") };
        if lake.holds_table(&path).await? {
            tables.push((table.to_owned(), path));
        }
    }
    Ok(tables)
}
