//! Finds the tables of an export.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::csv::{ChangeFolders, CsvSource, SkippedFolder};
use super::delta::DeltaSource;
use super::option_labels::{LISTS, OptionLabels};
use super::{Position, Reader, Source, conform};
use crate::error::{Context, Error, Result};
use crate::location::{Listing, Location};
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
    folders: Option<Arc<ChangeFolders>>,
}

impl Export {
    /// Finds the tables: Delta tables (`_delta_log`), or else the change folders of Synapse Link (`model.json`). `saved` are
    /// the positions of the last run, so that a run opens only what is newer.
    ///
    /// # Errors
    /// [`Error::Export`] names the required tables that are missing, and the searched paths.
    pub async fn discover(
        lake: &Location,
        patterns: &[String],
        wanted: &Sources,
        saved: &BTreeMap<String, Position>,
    ) -> Result<Self> {
        let mut export = Self::search(lake, patterns, wanted, saved).await?;
        let mut missing = Vec::new();
        for table in wanted.tables.iter().filter(|table| !export.sources.contains_key(&table.name)) {
            if table.required {
                missing.push(table.name.as_str());
            }
            export.absent.push(table.name.clone());
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

    /// The same, whatever is missing.
    ///
    /// # Errors
    /// The lake cannot be read.
    pub async fn search(
        lake: &Location,
        patterns: &[String],
        wanted: &Sources,
        saved: &BTreeMap<String, Position>,
    ) -> Result<Self> {
        let mut search = Search { lake, listings: BTreeMap::new() };
        let mut readers: BTreeMap<String, Reader> = BTreeMap::new();
        for pattern in patterns {
            for (table, folder) in search.delta_tables(pattern, |name| wanted.has(name)).await? {
                if let Entry::Vacant(reader) = readers.entry(table) {
                    reader.insert(Reader::Delta(DeltaSource::open(&lake.join(&folder)).await?));
                }
            }
        }
        let (mut folders, mut labels) = (None, OptionLabels::default());
        if has_labels(wanted, &readers)? {
            search.add_labels(patterns, &mut labels).await?;
        }
        if readers.is_empty() {
            let root = search.listing("").await?;
            let (found, all) = CsvSource::discover(lake, wanted, saved, &root).await?;
            readers = found.into_iter().map(|(table, source)| (table, Reader::Csv(source))).collect();
            if let Some(folders) = &all {
                folders.add_labels(&root.folders, &mut labels).await?;
            }
            folders = all;
        }
        let sources = wanted.tables.iter().filter_map(|table| {
            let (mut table, reader) = (table.clone(), readers.remove(&table.name)?);
            labels.extend(&mut table);
            Some((table.name.clone(), Source { table, reader }))
        });
        Ok(Self { sources: sources.collect(), absent: Vec::new(), folders })
    }

    /// Change folders that were not read, because the export did not finish them.
    pub async fn skipped(&self) -> Vec<SkippedFolder> {
        match &self.folders {
            Some(folders) => folders.skipped().await,
            None => Vec::new(),
        }
    }
}

/// Whether a Delta table has text in the column of an enum. Then the labels of enums are needed.
fn has_labels(wanted: &Sources, readers: &BTreeMap<String, Reader>) -> Result<bool> {
    for table in &wanted.tables {
        let Some(Reader::Delta(source)) = readers.get(&table.name) else { continue };
        let schema = source.schema()?;
        let mut enums = table.columns.iter().filter(|column| column.kind == "int");
        if enums.any(|column| {
            conform::source_column(&schema, &column.name).is_some_and(|field| conform::is_text(field.data_type()))
        }) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A search in a lake, which lists each folder once.
struct Search<'a> {
    lake: &'a Location,
    listings: BTreeMap<String, Listing>,
}

impl Search<'_> {
    /// Adds the lists of labels of the first pattern that finds one.
    async fn add_labels(&mut self, patterns: &[String], labels: &mut OptionLabels) -> Result<()> {
        for pattern in patterns {
            let tables = self.delta_tables(pattern, |name| LISTS.iter().any(|(list, _)| *list == name)).await?;
            for (_, folder) in &tables {
                let location = self.lake.join(folder);
                let table = location.table()?.load().await.context(format!("open the table {location}"))?;
                labels.add_table(&table).await?;
            }
            if !tables.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// The Delta tables that match a pattern and are wanted, as (table, folder).
    async fn delta_tables(&mut self, pattern: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>> {
        let (parent, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let Some((before, after)) = name.split_once("{table}") else {
            return Err(Error::Settings(format!("the pattern `{pattern}` needs {{table}} in its last part")));
        };
        let Some(parent) = self.folder(parent).await? else { return Ok(Vec::new()) };
        let (before, after) = (before.to_lowercase(), after.to_lowercase());
        let mut tables = Vec::new();
        for folder in self.listing(&parent).await?.folders {
            let lower = folder.to_lowercase();
            let table = lower.strip_prefix(&before).and_then(|rest| rest.strip_suffix(&after));
            let Some(table) = table.filter(|table| is_wanted(table)) else { continue };
            let path = if parent.is_empty() { folder.clone() } else { format!("{parent}/{folder}") };
            if self.lake.holds_table(&path).await? {
                tables.push((table.to_owned(), path));
            }
        }
        Ok(tables)
    }

    /// A folder as it is spelled in the lake; `None` if there is none.
    async fn folder(&mut self, path: &str) -> Result<Option<String>> {
        let mut found = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let folders = self.listing(&found).await?.folders;
            let same = folders.iter().find(|name| *name == part);
            let Some(name) = same.or_else(|| folders.iter().find(|name| name.eq_ignore_ascii_case(part))) else {
                return Ok(None);
            };
            found = if found.is_empty() { name.clone() } else { format!("{found}/{name}") };
        }
        Ok(Some(found))
    }

    async fn listing(&mut self, folder: &str) -> Result<Listing> {
        if let Some(known) = self.listings.get(folder) {
            return Ok(known.clone());
        }
        let listing = self.lake.list(folder).await?;
        self.listings.insert(folder.to_owned(), listing.clone());
        Ok(listing)
    }
}
