//! Commits to a table. Files that were written before stay invisible to readers until then.

use std::sync::Arc;

use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, MetadataExt, StructType};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use serde::Serialize;

use super::contract::check_table;
use super::keys::KeyErrors;
use super::snapshot::table_schema;
use super::writer::TableWriter;
use crate::error::{Context, Result};

/// What a commit does to the rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Rows before the commit.
    pub before: u64,
    /// Rows after the commit.
    pub after: u64,
    /// New rows.
    pub inserted: u64,
    /// Rows with other values than before.
    pub updated: u64,
    /// Deleted rows.
    pub deleted: u64,
}

/// A commit whose files are written, and that is not made yet.
#[derive(Debug)]
pub struct PendingCommit {
    /// What it does to the rows.
    pub counts: Counts,
    /// Errors in the keys of the rows that it writes.
    pub keys: KeyErrors,
    /// Whether the columns change, which makes Customer Insights - Data read the whole table again.
    pub columns_change: bool,
    /// The changed rows, as they were and as they will be; `None` if all rows change.
    pub images: Option<Arc<dyn TableProvider>>,
    writer: TableWriter,
    base: Option<DeltaTable>,
    schema: SchemaRef,
    actions: Vec<Action>,
}

/// The content of a commit.
pub(super) struct Content {
    pub(super) schema: SchemaRef,
    pub(super) actions: Vec<Action>,
    pub(super) counts: Counts,
    pub(super) keys: KeyErrors,
    pub(super) images: Option<Arc<dyn TableProvider>>,
}

/// Customer Insights - Data needs every version since its last refresh, and the files of each. Fifteen days are recommended.
/// <https://learn.microsoft.com/dynamics365/customer-insights/data/connect-delta-lake>
const PROPERTIES: [(&str, &str); 2] =
    [("delta.logRetentionDuration", "interval 60 days"), ("delta.deletedFileRetentionDuration", "interval 30 days")];

impl PendingCommit {
    pub(super) fn new(writer: &TableWriter, base: Option<DeltaTable>, content: Content) -> Self {
        let Content { schema, actions, counts, keys, images } = content;
        let columns_change =
            base.as_ref().is_some_and(|table| table_schema(table).is_ok_and(|current| *current != *schema));
        Self { counts, keys, columns_change, images, writer: writer.clone(), base, schema, actions }
    }

    /// Name of the table.
    pub fn name(&self) -> &str {
        self.writer.name()
    }

    /// Makes the commit. It fails if the table changed since the commit was prepared: two concurrent runs cannot both write.
    ///
    /// # Errors
    /// Another writer was first, or the table cannot be written.
    pub async fn commit(mut self) -> Result<DeltaTable> {
        let what = format!("commit {}", self.writer.location());
        let table = match self.base.take() {
            None => self.create().await.context(&what)?,
            Some(table) => self.update(table, &what).await?,
        };
        check_table(self.name(), &table)?;
        Ok(table)
    }

    async fn update(&mut self, table: DeltaTable, what: &str) -> Result<DeltaTable> {
        let mut actions = std::mem::take(&mut self.actions);
        if self.columns_change {
            let metadata = table.snapshot().context(what)?.metadata().clone();
            let metadata = metadata.with_schema(&self.columns().context(what)?).context(what)?;
            actions.insert(0, Action::Metadata(metadata));
        }
        let operation = DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None };
        commit(table, actions, operation).await.context(what)
    }

    async fn create(&self) -> Result<DeltaTable, DeltaTableError> {
        let location = self.writer.location();
        let log_store =
            location.table().map_err(|error| DeltaTableError::generic(error.to_string()))?.build_storage()?;
        CreateBuilder::new()
            .with_log_store(log_store)
            .with_table_name(self.name())
            .with_comment(self.writer.about().chars().take(1000).collect::<String>())
            .with_columns(self.columns()?.fields().cloned())
            .with_configuration(PROPERTIES.map(|(name, value)| (name, Some(value))))
            .with_actions(self.actions.clone())
            .await
    }

    fn columns(&self) -> Result<StructType, DeltaTableError> {
        Ok(self.schema.as_ref().try_into_kernel()?)
    }
}

/// Commits only if the table is as it was read.
pub(super) async fn commit(
    mut table: DeltaTable,
    actions: Vec<Action>,
    operation: DeltaOperation,
) -> Result<DeltaTable, DeltaTableError> {
    CommitBuilder::from(CommitProperties::default().with_max_retries(0))
        .with_actions(actions)
        .build(Some(table.snapshot()?), table.log_store(), operation)
        .await?;
    table.update_state().await?;
    Ok(table)
}
