//! Rows that leave a table without a delete of their own: a deletion vector removes them, or a file is replaced by one without
//! them.

use deltalake::arrow::array::{Array, ArrayRef};
use deltalake::datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::{DataFrame, JoinType, SessionContext, col, ident, lit};
use futures::TryStreamExt;

use super::DeltaSource;
use super::file_changes::FileChanges;
use crate::error::{Context, Result};
use crate::sql::SourceTable;

/// A comparison of two versions of a table.
pub(super) struct HardDeletes<'a> {
    session: &'a SessionContext,
    table: &'a SourceTable,
    before: &'a DeltaSource,
    now: &'a DeltaSource,
    /// Ids of the rows with a new version, in the column `candidate`.
    changed: DataFrame,
}

/// Ids, whatever their order: how many there are, and the sum of their hashes.
#[derive(Debug, Default, PartialEq, Eq)]
struct IdSum {
    count: u64,
    hashes: u64,
}

impl<'a> HardDeletes<'a> {
    pub(super) fn new(
        session: &'a SessionContext,
        table: &'a SourceTable,
        before: &'a DeltaSource,
        now: &'a DeltaSource,
        changed: DataFrame,
    ) -> Self {
        Self { session, table, before, now, changed }
    }

    /// A delete for each row that is in no file any more; `None` if no file lost a row.
    pub(super) async fn find(&self, changes: &FileChanges) -> Result<Option<DataFrame>> {
        let mut files = changes.shrunk.clone();
        if !changes.removed.is_empty()
            && self.unchanged(self.before, &changes.removed).await? != self.added(changes).await?
        {
            files.extend(changes.removed.iter().cloned());
        }
        if files.is_empty() { Ok(None) } else { self.vanished(files).await.map(Some) }
    }

    async fn added(&self, changes: &FileChanges) -> Result<IdSum> {
        if changes.added.is_empty() { Ok(IdSum::default()) } else { self.unchanged(self.now, &changes.added).await }
    }

    /// The rows of files that have no new version. A file that is replaced without a loss has the same ones as before. Sums are
    /// compared, because the ids of a table that was compacted do not fit into memory.
    async fn unchanged(&self, source: &DeltaSource, files: &[String]) -> Result<IdSum> {
        let what = format!("compare replaced files of {}", self.table.name);
        let rows = source.read(self.session, self.table, Some(files.to_vec())).await?;
        let ids = rows
            .select(vec![col("id")])
            .and_then(|ids| ids.join(self.changed.clone(), JoinType::LeftAnti, &["id"], &["candidate"], None))
            .context(&what)?;
        let mut batches = ids.execute_stream().await.context(&what)?;
        let mut sum = IdSum::default();
        while let Some(batch) = batches.try_next().await.context(&what)? {
            sum.add(batch.column(0)).context(&what)?;
        }
        Ok(sum)
    }

    /// The rows that these files had and that no file has now.
    async fn vanished(&self, files: Vec<String>) -> Result<DataFrame> {
        let what = format!("find deleted rows of {}", self.table.name);
        let before = self.before.read(self.session, self.table, Some(files)).await?;
        let now = self.now.read(self.session, self.table, None).await?;
        let now = now.select(vec![col("id").alias("present")]).context(&what)?;
        let names: Vec<String> = before.schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns = names.into_iter().map(|name| match name.as_str() {
            "isdelete" => lit(true).alias(name),
            _ => ident(name),
        });
        before
            .join(now, JoinType::LeftAnti, &["id"], &["present"], None)
            .and_then(|gone| gone.select(columns.collect::<Vec<_>>()))
            .context(&what)?
            .cache()
            .await
            .context(what)
    }
}

impl IdSum {
    fn add(&mut self, ids: &ArrayRef) -> Result<(), DataFusionError> {
        let mut hashes = vec![0; ids.len()]; // NULL stays 0
        create_hashes([ids], &QualityRandomState::with_seed(0), &mut hashes)?;
        self.count += (ids.len() - ids.null_count()) as u64;
        self.hashes = hashes.iter().fold(self.hashes, |sum, hash| sum.wrapping_add(*hash));
        Ok(())
    }
}
