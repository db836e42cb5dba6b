//! Rows into files that no table names yet.

use std::num::NonZeroU64;
use std::sync::Arc;

use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::prelude::{DataFrame, ident, try_cast};
use deltalake::kernel::Add;
use deltalake::parquet::basic::Compression;
use deltalake::parquet::file::properties::WriterProperties;
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use futures::StreamExt;
use tokio::task::JoinSet;

use super::age::{AGES, Age};
use super::keys::KeyLedger;
use crate::engine::conform;
use crate::error::{Error, Result, Trying};
use crate::lake::Location;

/// Small enough that a change rewrites little, large enough that a table has few files.
pub(super) const FILE_SIZE: NonZeroU64 = NonZeroU64::new(16 * 1024 * 1024).unwrap();

/// Bounds the memory of a file that is being written.
const ROW_GROUP: usize = 128 * 1024;

/// A column whose different values take more bytes than this is not worth a dictionary: numbers and ids of rows are not, names
/// of cities are.
const DICTIONARY: usize = 64 * 1024;

/// How many files of rows of one age are written at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtOnce {
    /// One: few rows make few files.
    One,
    /// As many as the rows come in partitions.
    Many,
}

impl AtOnce {
    /// For rows that take so many bytes.
    pub(super) fn of(bytes: u64) -> Self {
        if bytes > FILE_SIZE.get() { Self::Many } else { Self::One }
    }
}

/// Where rows go, and what is asked of them.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) location: Location,
    pub(super) schema: SchemaRef,
    pub(super) key: String,
    /// Sees the keys; `None` where they are known to be in order.
    pub(super) ledger: Option<Arc<KeyLedger>>,
    /// What decides which rows share files; `None` leaves them as they come.
    pub(super) age: Option<Age>,
}

impl Destination {
    /// Writes rows, with their number.
    pub(super) async fn write(&self, rows: DataFrame, at_once: AtOnce) -> Result<(Vec<Add>, u64)> {
        let what = format!("write {}", self.location);
        let columns = self.schema.fields().iter();
        let columns: Vec<_> = columns
            .map(|field| match rows.schema().field_with_unqualified_name(field.name()) {
                Ok(found) if found.data_type() == field.data_type() => ident(field.name()),
                _ => try_cast(ident(field.name()), field.data_type().clone()).alias(field.name()),
            })
            .collect();
        let rows = rows.select(columns).trying(&what)?;
        let streams = match at_once {
            AtOnce::One => vec![rows.execute_stream().await.trying(&what)?],
            AtOnce::Many => rows.execute_stream_partitioned().await.trying(&what)?,
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

    async fn write_stream(self, mut rows: SendableRecordBatchStream, what: String) -> Result<(Vec<Add>, u64)> {
        let mut writers = [const { None }; AGES];
        let mut count = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch.trying(&what)?;
            // Statements say of some columns that they are never NULL; the table says so of none.
            let batch = conform(&batch, &self.schema).map_err(DataFusionError::from).trying(&what)?;
            count += batch.num_rows() as u64;
            if let Some(ledger) = &self.ledger {
                ledger.note(&batch, &self.key);
            }
            let parts = match &self.age {
                None => vec![batch],
                Some(age) => age.parts(&batch).map_err(DataFusionError::from).trying(&what)?,
            };
            for (writer, part) in writers.iter_mut().zip(parts) {
                if part.num_rows() > 0 {
                    let writer = match writer {
                        Some(writer) => writer,
                        none => none.insert(self.writer().trying(&what)?),
                    };
                    writer.write(part).await.trying(&what)?;
                }
            }
        }
        let mut files = Vec::new();
        for writer in writers.iter_mut().flatten() {
            files.extend(writer.flush().await.trying(&what)?);
        }
        Ok((files, count))
    }

    fn writer(&self) -> Result<RecordBatchWriter, deltalake::DeltaTableError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_page_size_limit(DICTIONARY)
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .set_created_by(concat!("prepare-data ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let (schema, options) = (Arc::clone(&self.schema), Some(self.location.options()));
        let writer = RecordBatchWriter::try_new(self.location.url(), schema, None, options)?;
        Ok(writer.with_writer_properties(properties).with_target_file_size(FILE_SIZE.get()))
    }
}
