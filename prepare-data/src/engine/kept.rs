//! Rows that are computed once and read several times: kept in memory, or in temporary files if there are many.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::DFSchema;
use deltalake::datafusion::datasource::file_format::parquet::ParquetFormat;
use deltalake::datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use deltalake::datafusion::datasource::{MemTable, ViewTable};
use deltalake::datafusion::error::{DataFusionError, Result};
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use deltalake::datafusion::prelude::DataFrame;
use deltalake::parquet::arrow::ArrowWriter;
use deltalake::parquet::basic::Compression;
use deltalake::parquet::file::properties::WriterProperties;
use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::batches::{conform, plain_type};

/// Rows of a row group. Limits the memory of a file that is being written.
const ROW_GROUP: usize = 128 * 1024;

/// Where rows are kept that do not fit in memory. The files are deleted with it: a session's with the session and its plans.
#[derive(Debug)]
pub struct Scratch {
    /// Size of a table in bytes from which it is kept in files.
    limit: usize,
    folder: OnceLock<TempDir>,
    tables: AtomicUsize,
}

impl Scratch {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, folder: OnceLock::new(), tables: AtomicUsize::new(0) }
    }

    /// A new folder for one table.
    fn table(&self) -> std::io::Result<PathBuf> {
        if self.folder.get().is_none() {
            // Of two tables that come here together, one makes a folder for nothing.
            let _ = self.folder.set(TempDir::with_prefix("prepare-data-")?);
        }
        let folder = self.folder.get().ok_or(std::io::ErrorKind::NotFound)?;
        let table = folder.path().join(self.tables.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&table)?;
        Ok(table)
    }
}

/// Computes rows; returns them with their number. Without a `scratch` they stay in memory.
pub(super) async fn keep(rows: DataFrame, scratch: Option<Arc<Scratch>>) -> Result<(Arc<dyn TableProvider>, usize)> {
    // The parts of a union differ in what may be NULL, and scans use other types for text than plans declare. A table has
    // one schema.
    let fields =
        rows.schema().fields().iter().map(|field| Field::new(field.name(), plain_type(field.data_type()), true));
    let table = Arc::new(Table {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        scratch,
        size: AtomicUsize::new(0),
        folder: OnceLock::new(),
    });
    let mut tasks = JoinSet::new();
    for (number, stream) in rows.execute_stream_partitioned().await?.into_iter().enumerate() {
        let table = Arc::clone(&table);
        tasks.spawn(async move { table.part(number, stream).await });
    }
    let mut parts = Vec::new();
    while let Some(part) = tasks.join_next().await {
        parts.push(part.map_err(|error| DataFusionError::External(error.into()))??);
    }
    parts.sort_unstable_by_key(|part| part.number);
    match parts.iter().map(|part| part.rows).sum() {
        0 => Ok((no_rows(&table.schema)?, 0)),
        count => Ok((table.provider(parts)?, count)),
    }
}

/// A table of which plans know that it has no rows: what joins it is left out before anything is read.
pub(super) fn no_rows(schema: &SchemaRef) -> Result<Arc<dyn TableProvider>> {
    let schema = Arc::new(DFSchema::try_from(Arc::clone(schema))?);
    let plan = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema });
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// A table that is being computed, by several threads.
struct Table {
    schema: SchemaRef,
    scratch: Option<Arc<Scratch>>,
    /// Of all parts, in bytes.
    size: AtomicUsize,
    /// Where its files are, once it is too large for memory.
    folder: OnceLock<PathBuf>,
}

/// The rows of one thread.
struct Part {
    number: usize,
    rows: usize,
    in_memory: Vec<RecordBatch>,
}

impl Table {
    async fn part(&self, number: usize, mut stream: SendableRecordBatchStream) -> Result<Part> {
        let mut part = Part { number, rows: 0, in_memory: Vec::new() };
        let mut file = None;
        while let Some(batch) = stream.try_next().await? {
            let batch = conform(&batch, &self.schema)?;
            part.rows += batch.num_rows();
            let size = self.size.fetch_add(batch.get_array_memory_size(), Ordering::Relaxed);
            let Some(scratch) = self.scratch.as_ref().filter(|scratch| size > scratch.limit) else {
                part.in_memory.push(batch);
                continue;
            };
            let file = match &mut file {
                Some(file) => file,
                empty => {
                    if self.folder.get().is_none() {
                        // Of two threads that come here together, one makes a folder for nothing.
                        let _ = self.folder.set(scratch.table()?);
                    }
                    empty.insert(self.file(number)?)
                }
            };
            for earlier in part.in_memory.drain(..) {
                file.write(&earlier)?;
            }
            file.write(&batch)?;
        }
        if let Some(file) = file {
            file.close()?;
        }
        Ok(part)
    }

    /// Parts that were ready before the table became too large are added to its files.
    fn provider(&self, parts: Vec<Part>) -> Result<Arc<dyn TableProvider>> {
        let Some(folder) = self.folder.get() else {
            let partitions = parts.into_iter().map(|part| part.in_memory).collect();
            return Ok(Arc::new(MemTable::try_new(Arc::clone(&self.schema), partitions)?));
        };
        for part in parts.iter().filter(|part| !part.in_memory.is_empty()) {
            let mut file = self.file(part.number)?;
            part.in_memory.iter().try_for_each(|batch| file.write(batch))?;
            file.close()?;
        }
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
        let url = ListingTableUrl::parse(format!("{}/", folder.display()))?;
        let config = ListingTableConfig::new(url).with_listing_options(options);
        Ok(Arc::new(ListingTable::try_new(config.with_schema(Arc::clone(&self.schema)))?))
    }

    fn file(&self, number: usize) -> Result<ArrowWriter<File>> {
        let folder = self.folder.get().ok_or_else(|| DataFusionError::Internal("no folder for a file".to_owned()))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let file = File::create(folder.join(format!("{number}.parquet")))?;
        Ok(ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(properties))?)
    }
}

#[cfg(test)]
mod tests {
    use deltalake::datafusion::prelude::SessionContext;

    use super::*;
    use crate::engine::{Engine, materialize, sql};

    async fn first_and_last(session: &SessionContext) -> String {
        let rows = sql(session, "check", "select min(n) as a, max(n) as z, count(*) as c, min(t) as t from kept");
        let batches = rows.await.unwrap().collect().await.unwrap();
        let cell = |column: usize| {
            let options = deltalake::arrow::util::display::FormatOptions::default();
            let column = batches[0].column(column);
            deltalake::arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap().value(0).to_string()
        };
        (0..4).map(cell).collect::<Vec<_>>().join(" ")
    }

    /// The files of a session's tables.
    fn files(session: &SessionContext) -> Option<PathBuf> {
        let scratch = session.copied_config().get_extension::<Scratch>().unwrap();
        scratch.folder.get().map(|folder| folder.path().to_owned())
    }

    #[tokio::test]
    async fn many_rows_are_kept_in_files_until_the_session_ends() {
        let session = Engine::new(64 << 20, 2).unwrap().session();
        let many = "select value as n, cast(value as string) as t from generate_series(1, 1000000)";
        let rows = sql(&session, "kept", many).await.unwrap();
        assert_eq!(materialize(&session, "kept", rows).await.unwrap(), 1_000_000);
        assert_eq!(first_and_last(&session).await, "1 1000000 1000000 1");
        let folder = files(&session).expect("files");
        assert!(folder.join("0").read_dir().unwrap().count() > 0);
        // A table of files is replaced by one that was computed from it.
        let rows = sql(&session, "kept", "select n, t from kept where n <= 10").await.unwrap();
        assert_eq!(materialize(&session, "kept", rows).await.unwrap(), 10);
        assert_eq!(first_and_last(&session).await, "1 10 10 1");
        drop(session);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_join_with_no_rows_reads_nothing() {
        let session = Engine::new(64 << 20, 2).unwrap().session();
        for (name, rows) in [("kept", "select 1 as n, 'a' as t"), ("none", "select 1 as n where false")] {
            let rows = sql(&session, name, rows).await.unwrap();
            materialize(&session, name, rows).await.unwrap();
        }
        let plan = async |join: &str| {
            let rows = sql(&session, "plan", &format!("select kept.t from kept {join} none on none.n = kept.n")).await;
            rows.unwrap().into_optimized_plan().unwrap().to_string()
        };
        assert_eq!(plan("left semi join").await, "EmptyRelation: rows=0");
        assert_eq!(plan("left join").await, "TableScan: kept projection=[t]");
    }

    #[tokio::test]
    async fn few_rows_stay_in_memory() {
        let session = Engine::new(64 << 20, 2).unwrap().session();
        let few = "select value as n, cast(value as string) as t from generate_series(1, 1000)";
        let rows = sql(&session, "kept", few).await.unwrap();
        assert_eq!(materialize(&session, "kept", rows).await.unwrap(), 1_000);
        assert_eq!(files(&session), None);
    }
}
