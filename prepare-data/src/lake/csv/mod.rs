//! The change folders of Synapse Link: `<time>/<table>/*.csv`, append only, described by `model.json`.
//! <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-incremental-updates>

mod files;
mod folders;
mod unreadable;

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::ObjectMeta;
use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::datafusion::prelude::{DataFrame, SessionContext, col, lit};

use self::files::CsvFiles;
use self::folders::{ChangeFile, change_files, finished_folders};
use super::model::{Entity, Model};
use super::{Position, conform};
use crate::error::{Context, Error, Result};
use crate::location::Location;
use crate::sql::{SourceTable, Sources};

/// A table of the change folders.
#[derive(Debug)]
pub(super) struct CsvSource {
    lake: Location,
    entity: Entity,
    /// The files of all complete change folders.
    files: Vec<ChangeFile>,
    last_folder: String,
}

impl CsvSource {
    /// The tables of the change folders; none if there is no `model.json`.
    pub(super) async fn discover(lake: &Location, wanted: &Sources) -> Result<BTreeMap<String, Self>> {
        let Some(model) = Model::read(lake, "model.json").await? else { return Ok(BTreeMap::new()) };
        let folders = finished_folders(lake).await?;
        // A column that was added later is in the model of the newest folder.
        let newest = match folders.last() {
            Some((_, folder)) => Model::read(lake, &format!("{folder}/model.json")).await?,
            None => None,
        };
        let last_folder = folders.last().map(|(key, _)| key.clone()).unwrap_or_default();
        let mut tables = BTreeMap::new();
        for table in &wanted.tables {
            let entity =
                newest.as_ref().and_then(|model| model.entity(&table.name)).or_else(|| model.entity(&table.name));
            let Some(entity) = entity else { continue };
            let files = change_files(lake, &folders, &table.name, entity).await?;
            let source = Self { lake: lake.clone(), entity: entity.clone(), files, last_folder: last_folder.clone() };
            tables.insert(table.name.clone(), source);
        }
        Ok(tables)
    }

    pub(super) fn position(&self) -> Position {
        Position::Csv { folder: self.last_folder.clone() }
    }

    /// The rows after a folder, or all rows, in the columns of `bronze_<table>`.
    pub(super) fn since(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        folder: Option<&str>,
    ) -> Result<DataFrame> {
        let what = format!("read {}", table.name);
        self.text(session, folder)?
            .into_iter()
            .map(|rows| {
                let mut columns = conform::columns(rows.schema().as_arrow(), table)?;
                columns.push(col("lakefolder"));
                rows.select(columns).context(&what)
            })
            .reduce(|one, other| one?.union(other?).context(&what))
            .unwrap_or_else(|| {
                let empty = self.empty(session)?;
                let mut columns = conform::columns(empty.schema().as_arrow(), table)?;
                columns.push(lit("").alias("lakefolder"));
                empty.select(columns).context(&what)
            })
    }

    /// The files as text, one data frame for each number of columns: an export adds columns at the end, so older files have
    /// fewer columns.
    fn text(&self, session: &SessionContext, after: Option<&str>) -> Result<Vec<DataFrame>> {
        let names = self.entity.columns();
        let mut by_width: BTreeMap<usize, Vec<(String, ObjectMeta)>> = BTreeMap::new();
        for file in self.files.iter().filter(|file| after.is_none_or(|after| file.folder.as_str() > after)) {
            if file.columns > names.len() {
                return Err(self.too_many_columns(file, names.len()));
            }
            by_width.entry(file.columns).or_default().push((file.folder.clone(), file.meta.clone()));
        }
        let log_store = self.lake.log_store()?;
        let store = log_store.object_store_url();
        session.runtime_env().register_object_store(store.as_ref(), log_store.object_store(None));
        by_width
            .into_iter()
            .map(|(width, files)| {
                let provider = CsvFiles::new(store.clone(), text_schema(&names[..width]), files, &self.entity);
                session.read_table(Arc::new(provider)).context("read change folders")
            })
            .collect()
    }

    fn too_many_columns(&self, file: &ChangeFile, known: usize) -> Error {
        Error::Export(format!(
            "{}{} has {} columns, and model.json has {known}: run again when model.json is up to date",
            self.lake, file.meta.location, file.columns,
        ))
    }

    fn empty(&self, session: &SessionContext) -> Result<DataFrame> {
        let batch = RecordBatch::new_empty(Arc::new(text_schema(&self.entity.columns())));
        session.read_batch(batch).context("make an empty table")
    }
}

fn text_schema(names: &[String]) -> Schema {
    Schema::new(names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>())
}
