//! The files of a table: those of its current version, and those that were replaced.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Schema};
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::DataFrame;
use deltalake::logstore::ObjectStoreRef;
use deltalake::parquet::arrow::ProjectionMask;
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake::{ObjectMeta, Path};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

use super::trace::Condition;
use crate::engine::Engine;
use crate::error::{Context, Result};
use crate::location::Location;

/// Files that are read concurrently.
const CONCURRENCY: usize = 8;

/// All data files of a table.
pub(super) struct TableFiles {
    pub(super) location: Location,
    pub(super) store: ObjectStoreRef,
    current: Vec<Path>,
    replaced: Vec<Path>,
}

/// Where a condition is true.
pub(super) struct Found {
    /// Rows of the current version.
    pub(super) current_rows: usize,
    /// Files that were replaced.
    pub(super) replaced: Vec<Path>,
}

impl TableFiles {
    /// The files; `None` if there is no table.
    pub(super) async fn open(location: &Location) -> Result<Option<Self>> {
        let Some(table) = location.open().await? else { return Ok(None) };
        let what = format!("list {location}");
        let state = table.snapshot().context(&what)?;
        let used: HashSet<String> = state.log_data().iter().map(|file| file.path().into_owned()).collect();
        let store = location.store()?;
        let all: Vec<ObjectMeta> = store.list(None).try_collect().await.context(&what)?;
        let files = all
            .into_iter()
            .map(|meta| meta.location)
            .filter(|path| path.as_ref().ends_with(".parquet") && !path.as_ref().contains("_delta_log/"));
        let (current, replaced) = files.partition(|path| used.contains(path.as_ref()));
        Ok(Some(Self { location: location.clone(), store, current, replaced }))
    }

    /// Where a condition is true.
    pub(super) async fn find(&self, engine: &Engine, condition: &Condition) -> Result<Found> {
        let current = self.matching(engine, &self.current, condition).await?;
        let replaced = self.matching(engine, &self.replaced, condition).await?;
        Ok(Found {
            current_rows: current.into_iter().map(|(_, rows)| rows).sum(),
            replaced: replaced.into_iter().filter(|(_, rows)| *rows > 0).map(|(path, _)| path).collect(),
        })
    }

    /// Values of columns in the rows of all files for which a condition is true, as text.
    pub(super) async fn values(&self, engine: &Engine, condition: &Condition, columns: &[&str]) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for path in self.current.iter().chain(&self.replaced) {
            let Some(rows) = self.rows(engine, path, condition, columns).await? else { continue };
            let rows = rows.select_columns(columns).context("search the files")?;
            for batch in rows.collect().await.context(format!("search {}{path}", self.location))? {
                all.extend(texts(&batch)?);
            }
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    async fn matching(&self, engine: &Engine, paths: &[Path], condition: &Condition) -> Result<Vec<(Path, usize)>> {
        let counts = futures::stream::iter(paths.iter().cloned()).map(|path| async move {
            let rows = match self.rows(engine, &path, condition, &[]).await? {
                Some(rows) => rows.count().await.context(format!("search {}{path}", self.location))?,
                None => 0,
            };
            Ok((path, rows))
        });
        counts.buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// The rows of a file for which a condition is true. `None` if the file lacks a column of the condition, or is gone.
    async fn rows(
        &self,
        engine: &Engine,
        path: &Path,
        condition: &Condition,
        more: &[&str],
    ) -> Result<Option<DataFrame>> {
        let what = format!("search {}{path}", self.location);
        let wanted: Vec<&str> = condition.columns().iter().chain(more).copied().collect();
        let Some(batches) = self.read(path, &wanted).await.context(&what)? else { return Ok(None) };
        let session = engine.session();
        let rows = session.read_batches(batches).context(&what)?;
        let holds = session.parse_sql_expr(condition.sql(), rows.schema()).context(&what)?;
        rows.filter(holds).map(Some).context(what)
    }

    /// Columns of a file, which has some 16 MiB.
    async fn read(&self, path: &Path, columns: &[&str]) -> Result<Option<Vec<RecordBatch>>, DataFusionError> {
        let bytes = match self.store.get(path).await {
            // Maintenance, or an erasure at the same time, was faster.
            Err(deltalake::ObjectStoreError::NotFound { .. }) => return Ok(None),
            found => found?.bytes().await?,
        };
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
        if columns.iter().any(|name| builder.schema().field_with_name(name).is_err()) {
            return Ok(None);
        }
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let schema = Arc::new(builder.schema().project(&places(builder.schema(), columns))?);
        let mut batches = builder.with_projection(mask).build()?.collect::<Result<Vec<_>, _>>()?;
        batches.push(RecordBatch::new_empty(schema));
        Ok(Some(batches))
    }
}

/// Places of columns in the order of the file.
fn places(schema: &Schema, columns: &[&str]) -> Vec<usize> {
    let fields = schema.fields().iter().enumerate();
    fields.filter(|(_, field)| columns.contains(&field.name().as_str())).map(|(place, _)| place).collect()
}

/// All values of a batch, as text.
fn texts(batch: &RecordBatch) -> Result<Vec<String>> {
    let what = "read the records of a customer";
    let mut all = Vec::new();
    for column in batch.columns() {
        let text = cast(column, &DataType::Utf8).map_err(DataFusionError::from).context(what)?;
        all.extend(as_string_array(&text).context(what)?.iter().flatten().map(str::to_owned));
    }
    Ok(all)
}
