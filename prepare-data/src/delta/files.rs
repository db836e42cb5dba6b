//! Writes rows to files that no table names yet.

use std::num::NonZeroU64;
use std::sync::Arc;

use deltalake::arrow::datatypes::{FieldRef, SchemaRef};
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::prelude::{DataFrame, Expr, ident, try_cast};
use deltalake::kernel::Add;
use deltalake::parquet::basic::Compression;
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use futures::StreamExt;
use tokio::task::JoinSet;

use super::age_buckets::AgeBuckets;
use super::keys::KeyCheck;
use crate::engine::conform;
use crate::error::{Context, Error, Result};
use crate::location::Location;

/// Target size. Small, so that a change rewrites little; large, so that a table has few files.
pub(super) const FILE_SIZE: NonZeroU64 = NonZeroU64::new(16 * 1024 * 1024).unwrap();

/// Rows of a row group. Limits the memory of a file that is being written.
const ROW_GROUP: usize = 128 * 1024;

/// Size of a column's dictionary. Columns with more distinct values, such as ids, are written without one.
const DICTIONARY_SIZE: usize = 64 * 1024;

/// How many files of one age bucket are written concurrently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriterParallelism {
    /// One, so that few rows make few files.
    Single,
    /// One for each partition of the rows.
    PerPartition,
}

impl WriterParallelism {
    /// For rows of this size in bytes.
    pub(super) fn for_bytes(bytes: u64) -> Self {
        if bytes > FILE_SIZE.get() { Self::PerPartition } else { Self::Single }
    }
}

/// Where and how rows are written.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) location: Location,
    pub(super) schema: SchemaRef,
    pub(super) key: String,
    /// Checks the keys; `None` if they were checked before.
    pub(super) keys: Option<Arc<KeyCheck>>,
    /// Which rows share files; `None` keeps the order of the rows.
    pub(super) age: Option<AgeBuckets>,
}

impl Destination {
    /// Writes rows; returns the files and the number of rows.
    pub(super) async fn write(&self, rows: DataFrame, parallelism: WriterParallelism) -> Result<(Vec<Add>, u64)> {
        let what = format!("write {}", self.location);
        let columns = self.columns(&rows);
        let rows = rows.select(columns).context(&what)?;
        let streams = match parallelism {
            WriterParallelism::Single => vec![rows.execute_stream().await.context(&what)?],
            WriterParallelism::PerPartition => rows.execute_stream_partitioned().await.context(&what)?,
        };
        let mut tasks = JoinSet::new();
        for stream in streams {
            tasks.spawn(self.clone().write_stream(stream, what.clone()));
        }
        let (mut files, mut count) = (Vec::new(), 0);
        while let Some(done) = tasks.join_next().await {
            let done = done.map_err(|source| Error::Store { what: what.clone(), source: Box::new(source) })?;
            let (adds, rows) = done?;
            files.extend(adds);
            count += rows;
        }
        Ok((files, count))
    }

    /// The columns of the table, cast only where the types differ.
    fn columns(&self, rows: &DataFrame) -> Vec<Expr> {
        let column = |field: &FieldRef| match rows.schema().field_with_unqualified_name(field.name()) {
            Ok(found) if found.data_type() == field.data_type() => ident(field.name()),
            _ => try_cast(ident(field.name()), field.data_type().clone()).alias(field.name()),
        };
        self.schema.fields().iter().map(column).collect()
    }

    async fn write_stream(self, mut rows: SendableRecordBatchStream, what: String) -> Result<(Vec<Add>, u64)> {
        let mut writers = [const { None }; AgeBuckets::COUNT];
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.context(&what)?;
            // Statements declare some columns as NOT NULL; the table declares none.
            let batch = conform(&batch, &self.schema).map_err(DataFusionError::from).context(&what)?;
            count += batch.num_rows() as u64;
            if let Some(keys) = &self.keys {
                keys.add(&batch, &self.key);
            }
            let parts = match &self.age {
                None => vec![batch],
                Some(age) => age.split(&batch).map_err(DataFusionError::from).context(&what)?,
            };
            for (writer, part) in writers.iter_mut().zip(parts) {
                if part.num_rows() > 0 {
                    let writer = match writer {
                        Some(writer) => writer,
                        none => none.insert(self.writer().context(&what)?),
                    };
                    writer.write(part).await.context(&what)?;
                }
            }
        }
        let mut files = Vec::new();
        for writer in writers.iter_mut().flatten() {
            files.extend(writer.flush().await.context(&what)?);
        }
        Ok((files, count))
    }

    fn writer(&self) -> Result<RecordBatchWriter, deltalake::DeltaTableError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_page_size_limit(DICTIONARY_SIZE)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by(concat!("prepare-data ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let (schema, options) = (Arc::clone(&self.schema), Some(self.location.options()));
        let writer = RecordBatchWriter::try_new(self.location.url(), schema, None, options)?;
        Ok(writer.with_writer_properties(properties).with_target_file_size(FILE_SIZE.get()))
    }
}
