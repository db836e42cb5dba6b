//! The lake as Synapse Link's Spark pool keeps it: Delta tables, each updated in place.

use std::{path::PathBuf, sync::Arc};

use deltalake::{
    DeltaTable, DeltaTableError,
    arrow::{
        array::{ArrayRef, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    kernel::{
        Action, Add, LogicalFileView, Remove, StructType,
        engine::arrow_conversion::TryIntoKernel,
        transaction::{CommitBuilder, CommitProperties},
    },
    operations::create::CreateBuilder,
    parquet::{basic::Compression, file::properties::WriterProperties},
    protocol::{DeltaOperation, SaveMode},
    writer::{DeltaWriter, RecordBatchWriter},
};
use futures::FutureExt;
use url::Url;
use uuid::Uuid;

use crate::{
    Export, SampleError, Summary, TableSummary, Work, for_each_table,
    lifecycle::Place,
    options_metadata,
    plan::{Segment, segments},
    shape::{Layout, Table},
    shop::Shop,
};

/// Folder of the Delta tables.
const FOLDER: &str = "deltalake";
/// Rows of a row group, which a writer keeps in memory.
const ROW_GROUP: usize = 128 * 1024;
/// End of the names of data files.
const SUFFIX: &str = "-c000.snappy.parquet";
/// Table of the names of enumeration values.
const OPTIONS_TABLE: &str = "GlobalOptionsetMetadata";

pub(crate) async fn write(export: Arc<Export>, work: Work) -> Result<Summary, SampleError> {
    if matches!(work, Work::First) {
        write_options(&export).await.map_err(|source| SampleError::Delta { table: OPTIONS_TABLE, source })?;
    }
    let written = for_each_table(&export, |export, table| {
        async move {
            let files = TableFiles::new(&export, table.as_ref());
            match work {
                Work::First => files.create().await,
                Work::Change | Work::Purge { .. } => files.update(work).await,
            }
        }
        .boxed()
    })
    .await?;
    Ok(Summary::of(written))
}

/// One table on disk.
struct TableFiles<'a> {
    shop: &'a Shop,
    table: &'a dyn Table,
    folder: PathBuf,
}

impl<'a> TableFiles<'a> {
    fn new(export: &'a Export, table: &'a dyn Table) -> Self {
        let folder = export.folder.join(FOLDER).join(table.name());
        Self { shop: &export.shop, table, folder }
    }

    async fn create(&self) -> Result<TableSummary, SampleError> {
        let url = self.url()?;
        let (mut summary, mut actions) = (self.nothing_yet(), Vec::new());
        for segment in segments(self.table, self.shop) {
            actions.extend(self.write(&segment, &mut summary).await?.map(Action::Add));
        }
        create_table(&url, self.table.name(), &self.table.schema(Layout::Delta), actions)
            .await
            .map_err(self.fails())?;
        Ok(summary)
    }

    /// Rewrites the files whose rows changed and adds those of new rows, in one commit.
    async fn update(&self, work: Work) -> Result<TableSummary, SampleError> {
        let table = deltalake::open_table(self.url()?).await.map_err(self.fails())?;
        let removals = self.removals(&table)?;
        let (mut summary, mut actions) = (self.nothing_yet(), Vec::new());
        for segment in segments(self.table, self.shop) {
            let is_new = segment.born == self.shop.round() && matches!(work, Work::Change);
            let is_done = removals.iter().any(|file| file.path == self.name(&segment)); // by a run that was cut short
            if is_done || !(is_new || self.is_affected(&segment, work)) {
                continue;
            }
            let replaced = removals.iter().filter(|file| file.path.starts_with(&prefix(&segment)));
            actions.extend(replaced.cloned().map(Action::Remove));
            actions.extend(self.write(&segment, &mut summary).await?.map(Action::Add));
        }
        if !actions.is_empty() {
            self.commit(&table, actions).await.map_err(self.fails())?;
        }
        Ok(summary)
    }

    /// What takes each of the table's files away, if it has to go.
    fn removals(&self, table: &DeltaTable) -> Result<Vec<Remove>, SampleError> {
        let state = table.snapshot().map_err(self.fails())?;
        let removal = |file: LogicalFileView| {
            let deletion_timestamp = Some(self.shop.as_of().milliseconds());
            let remove = Remove { deletion_timestamp, ..file.remove_action(true) };
            let file = || SampleError::ForeignFile { table: self.table.name(), file: remove.path.clone() };
            if is_ours(&remove.path) { Ok(remove) } else { Err(file()) }
        };
        state.log_data().iter().map(removal).collect()
    }

    fn is_affected(&self, segment: &Segment, work: Work) -> bool {
        segment.batches().any(|things| match work {
            Work::First => false,
            // What merging left behind is not touched by later merges.
            Work::Change => {
                segment.place == Place::Main && self.table.has_changes(self.shop, things, self.shop.round())
            }
            Work::Purge { last } => self.table.has_purged(self.shop, things, segment.place, last),
        })
    }

    /// Writes a file; none where there are no rows.
    async fn write(&self, segment: &Segment, summary: &mut TableSummary) -> Result<Option<Add>, SampleError> {
        let mut writer = writer(&self.url()?, self.table.schema(Layout::Delta)).map_err(self.fails())?;
        let mut rows = 0;
        for things in segment.batches() {
            let batch = self
                .table
                .batch(self.shop, things, segment.place, Layout::Delta)
                .map_err(|source| SampleError::Rows { table: self.table.name(), source })?;
            if batch.num_rows() > 0 {
                rows += batch.num_rows() as u64;
                writer.write(batch).await.map_err(self.fails())?;
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        summary.rows += rows;
        summary.files += 1;
        let added = writer.flush().await.map_err(self.fails())?;
        added.into_iter().next().map(|add| self.named(add, segment)).transpose()
    }

    fn named(&self, mut add: Add, segment: &Segment) -> Result<Add, SampleError> {
        let name = self.name(segment);
        let path = self.folder.join(&name);
        std::fs::rename(self.folder.join(&add.path), &path)
            .map_err(|source| SampleError::file("name", &path, source))?;
        add.path = name;
        add.modification_time = self.shop.as_of().milliseconds();
        Ok(add)
    }

    /// The name of a segment's file. It identifies the segment, and is the same in every lake with the same options.
    fn name(&self, segment: &Segment) -> String {
        let version = format!("{} {} {:?}", self.table.name(), self.shop.round(), self.shop.purged_before);
        let id = Uuid::new_v5(&Uuid::from_u128(u128::from(self.shop.seed)), version.as_bytes());
        format!("{}{id}{SUFFIX}", prefix(segment))
    }

    async fn commit(&self, table: &DeltaTable, actions: Vec<Action>) -> Result<(), DeltaTableError> {
        let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
        CommitBuilder::from(CommitProperties::default())
            .with_actions(actions)
            .build(Some(table.snapshot()?), table.log_store(), operation)
            .await?;
        Ok(())
    }

    fn url(&self) -> Result<Url, SampleError> {
        url_of(&self.folder)
    }

    fn nothing_yet(&self) -> TableSummary {
        TableSummary { table: self.table.name(), rows: 0, files: 0 }
    }

    fn fails(&self) -> impl Fn(DeltaTableError) -> SampleError + use<> {
        let table = self.table.name();
        move |source| SampleError::Delta { table, source }
    }
}

fn prefix(segment: &Segment) -> String {
    format!("part-{:05}-", segment.number)
}

/// Whether a file has a name that was made here; all others have random ids.
fn is_ours(name: &str) -> bool {
    let id = name.get("part-00000-".len()..).and_then(|rest| rest.strip_suffix(SUFFIX));
    id.and_then(|id| Uuid::parse_str(id).ok()).is_some_and(|id| id.get_version_num() == 5)
}

fn url_of(folder: &std::path::Path) -> Result<Url, SampleError> {
    std::fs::create_dir_all(folder).map_err(|source| SampleError::file("make", folder, source))?;
    let absolute = folder.canonicalize().map_err(|source| SampleError::file("find", folder, source))?;
    Url::from_directory_path(&absolute).map_err(|()| {
        let relative = std::io::Error::other("the path is not absolute");
        SampleError::file("find", &absolute, relative)
    })
}

fn writer(url: &Url, schema: SchemaRef) -> Result<RecordBatchWriter, DeltaTableError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .build();
    Ok(RecordBatchWriter::try_new(url, schema, None, None)?.with_writer_properties(properties))
}

async fn create_table(url: &Url, name: &str, schema: &Schema, files: Vec<Action>) -> Result<(), DeltaTableError> {
    let columns: StructType = schema.try_into_kernel()?;
    CreateBuilder::new()
        .with_location(url.as_str())
        .with_table_name(name)
        .with_columns(columns.fields().cloned())
        .with_actions(files)
        .await?;
    Ok(())
}

async fn write_options(export: &Export) -> Result<(), DeltaTableError> {
    let folder = export.folder.join(FOLDER).join(OPTIONS_TABLE);
    let url = url_of(&folder).map_err(|error| DeltaTableError::Generic(error.to_string()))?;
    let fields = options_metadata::COLUMNS.map(|name| Field::new(name, DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let rows: Vec<_> = options_metadata::rows().iter().map(options_metadata::OptionRow::cells).collect();
    let column =
        |place: usize| -> ArrayRef { Arc::new(rows.iter().map(|row| Some(&row[place])).collect::<StringArray>()) };
    let batch = RecordBatch::try_new(Arc::clone(&schema), (0..fields.len()).map(column).collect())?;
    let mut writer = writer(&url, Arc::clone(&schema))?;
    writer.write(batch).await?;
    let files = writer.flush().await?;
    create_table(&url, OPTIONS_TABLE, &schema, files.into_iter().map(Action::Add).collect()).await
}
