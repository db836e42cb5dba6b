//! The change folders of Synapse Link: `<time>/<table>/*.csv`, append only, each described by its own `model.json`.
//! <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-incremental-updates>

mod decoder;
mod deletes;
mod error;
mod files;
mod folder_names;
mod folders;
mod lists;
mod record;
mod stream;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::Schema;
use deltalake::datafusion::prelude::{DataFrame, SessionContext, col};

pub use self::deletes::Deleted;
pub use self::error::ChangeFileError;
pub(super) use self::folders::ChangeFolders;
pub use self::folders::SkippedFolder;

use self::deletes::Deletes;
use self::files::CsvFiles;
use self::folders::ChangeFile;
use super::model::{FILE, Layout, Model};
use super::{Position, conform};
use crate::error::{Context, Result};
use crate::location::{Listing, Location};
use crate::sql::{SourceTable, Sources};

/// A table of the change folders.
#[derive(Debug)]
pub(super) struct CsvSource {
    folders: Arc<ChangeFolders>,
    deletes: Arc<Deletes>,
}

impl CsvSource {
    /// The tables of the change folders; none if there is no `model.json`. `saved` are the positions of the last run: only
    /// the folders after all of them are opened now.
    pub(super) async fn discover(
        lake: &Location,
        wanted: &Sources,
        saved: &BTreeMap<String, Position>,
        listing: &Listing,
    ) -> Result<(BTreeMap<String, Self>, Option<Arc<ChangeFolders>>)> {
        let root = listing.files.iter().find(|name| name.eq_ignore_ascii_case(FILE));
        let folders = Arc::new(ChangeFolders::open(lake, &listing.folders).await?);
        let is_export = root.is_some() || folders.complete.last().is_some() || folders.complete.incomplete > 0;
        if !is_export {
            return Ok((BTreeMap::new(), None));
        }
        let is_known = |table: &str| matches!(saved.get(table), Some(Position::Csv { .. }));
        if wanted.tables.iter().all(|table| !is_known(&table.name)) {
            folders.complete.require_any(lake)?;
        }
        let start = start(wanted, saved);
        folders.load(start).await?;
        if start.is_none() {
            folders.require_models().await?;
        }
        let mut present = folders.tables().await;
        if let Some(root) = root {
            let model = lake.read(root).await?.and_then(|text| Model::parse(&text));
            present.extend(model.iter().flat_map(Model::entities).map(|entity| entity.name.to_lowercase()));
        }
        let tables = wanted.tables.iter().filter(|table| present.contains(&table.name) || is_known(&table.name));
        let source = || Self { folders: Arc::clone(&folders), deletes: Arc::default() };
        let tables = tables.map(|table| (table.name.clone(), source())).collect();
        Ok((tables, Some(folders)))
    }

    pub(super) fn place(&self) -> String {
        format!("change folders: {}", self.folders.lake)
    }

    pub(super) async fn file_count(&self, table: &SourceTable) -> Result<usize> {
        Ok(self.folders.files(&table.name, None).await?.len())
    }

    /// The columns of each layout of the files.
    pub(super) async fn schemas(&self, table: &SourceTable) -> Result<Vec<Schema>> {
        let files = self.folders.files(&table.name, None).await?;
        let layouts: BTreeSet<Arc<Layout>> = files.into_iter().map(|file| file.layout).collect();
        Ok(layouts.iter().map(|layout| files::text_schema(layout)).collect())
    }

    pub(super) fn position(&self, saved: Option<&Position>) -> Position {
        let last = self.folders.complete.last().unwrap_or_default();
        let saved = match saved {
            Some(Position::Csv { folder }) => folder.as_str(),
            _ => "",
        };
        Position::Csv { folder: last.max(saved).to_owned() }
    }

    /// The oldest folder that is there.
    pub(super) fn first_folder(&self) -> Option<&str> {
        self.folders.complete.first()
    }

    /// The deletes that were read, and those that were known.
    pub(super) fn deletes(&self, known: &BTreeMap<String, Deleted>) -> BTreeMap<String, Deleted> {
        self.deletes.with(known)
    }

    /// The rows after a folder, or all rows, in the columns of `bronze_<table>`.
    pub(super) async fn since(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        folder: Option<&str>,
    ) -> Result<DataFrame> {
        let what = format!("read {}", table.name);
        let mut all = self.bronze(session.read_batch(nothing(table)?).context(&what)?, table)?;
        for rows in self.text(session, table, folder).await? {
            all = all.union(self.bronze(rows, table)?).context(&what)?;
        }
        Ok(all)
    }

    fn bronze(&self, rows: DataFrame, table: &SourceTable) -> Result<DataFrame> {
        let mut columns = conform::columns(rows.schema().as_arrow(), table)?;
        columns.push(col("lakefolder"));
        rows.select(columns).context(format!("read {}", table.name))
    }

    /// The files as text, one data frame for each layout.
    async fn text(&self, session: &SessionContext, table: &SourceTable, after: Option<&str>) -> Result<Vec<DataFrame>> {
        let mut by_layout: BTreeMap<Arc<Layout>, Vec<ChangeFile>> = BTreeMap::new();
        for file in self.folders.files(&table.name, after).await? {
            by_layout.entry(Arc::clone(&file.layout)).or_default().push(file);
        }
        let ChangeFolders { lake, store, .. } = self.folders.as_ref();
        let provider = |files| CsvFiles::new(lake.to_string(), Arc::clone(store), files, Arc::clone(&self.deletes));
        let rows = by_layout.into_values().filter_map(provider).map(|files| session.read_table(Arc::new(files)));
        rows.map(|rows| rows.context("read change folders")).collect()
    }
}

/// The folder after which all tables have to be read; `None` if one has to be read whole.
fn start<'a>(wanted: &Sources, saved: &'a BTreeMap<String, Position>) -> Option<&'a str> {
    let positions = wanted.tables.iter().filter_map(|table| match saved.get(&table.name) {
        Some(Position::Csv { folder }) => Some(folder.as_str()),
        _ => None,
    });
    positions.min()
}

/// No row, with the columns that a table needs.
fn nothing(table: &SourceTable) -> Result<RecordBatch> {
    let columns = table.bronze_columns()?.into_iter().map(|column| column.name).collect();
    let layout = Layout { columns, has_header: false, delimiter: b',' };
    Ok(RecordBatch::new_empty(Arc::new(files::text_schema(&layout))))
}
