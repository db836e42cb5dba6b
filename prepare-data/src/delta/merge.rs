//! Compares the rows of some keys with those of a table, and finds the files to rewrite.

use std::sync::Arc;

use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Schema};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};

use super::commit::Counts;
use super::keys::{KeyCheck, KeyErrors};
use super::snapshot::column_list;
use crate::engine::{in_memory, materialize, sql, with_dynamic_filters};
use crate::error::{Context, Result};

/// A merge, as tables of a session. The input: `existing` (the table, with a column `file`), `affected` (the keys), and
/// `target` (the rows of these keys as they will be).
///
/// The plan: `current` (the rows of these keys as they are), `changed` (rows that are new or have other values), `deleted`
/// (keys), `replaced` (keys of rows that are updated or deleted), and `affected_rows` (all rows of the files to rewrite).
pub(super) struct MergePlan<'a> {
    name: &'a str,
    key: &'a str,
    session: SessionContext,
    columns: String,
}

/// The result of the comparison.
pub(super) struct Difference {
    /// Files with rows that are updated or deleted.
    pub(super) affected_files: Vec<String>,
    pub(super) counts: Counts,
}

impl<'a> MergePlan<'a> {
    pub(super) fn new(name: &'a str, key: &'a str, schema: &Schema, session: SessionContext) -> Self {
        Self { name, key, session, columns: column_list(schema) }
    }

    pub(super) fn session(&self) -> &SessionContext {
        &self.session
    }

    /// Errors in the keys of the target rows. The keys of all other rows were checked when they were written.
    pub(super) async fn key_errors(&self) -> Result<KeyErrors> {
        let key = self.key;
        let batches = self.query(&format!("select {key} from target")).await?.collect().await.context("read keys")?;
        let check = KeyCheck::default();
        batches.iter().for_each(|batch| check.add(batch, key));
        Ok(check.errors())
    }

    /// Compares current and target rows; `None` if they are equal. `before` is the number of rows of the table.
    pub(super) async fn compare(&self, schema: &Schema, before: u64) -> Result<Option<Difference>> {
        let (key, columns) = (self.key, &self.columns);
        let current =
            format!("select {columns}, file from existing left semi join affected on affected.key = existing.{key}");
        materialize(&self.session, "current", with_dynamic_filters(self.query(&current).await?)).await?;
        let upserted = self.materialize("changed", &self.changed_rows(schema)).await?;
        let deleted =
            format!("select current.{key} as key from current left anti join target on target.{key} = current.{key}");
        let deleted = self.materialize("deleted", &deleted).await?;
        if upserted == 0 && deleted == 0 {
            return Ok(None);
        }
        let replaced = format!("select {key} as key from changed where not is_new union all select key from deleted");
        let updated = self.materialize("replaced", &replaced).await? - deleted;
        let inserted = upserted - updated;
        let after = (before + inserted).saturating_sub(deleted);
        let counts = Counts { before, after, inserted, updated, deleted };
        Ok(Some(Difference { affected_files: self.affected_files().await?, counts }))
    }

    /// All rows of the rewritten files: those that stay as they are, and those that change.
    pub(super) async fn rewritten_rows(&self) -> Result<DataFrame> {
        let (key, columns) = (self.key, &self.columns);
        self.query(&format!(
            "select {columns} from affected_rows left anti join replaced on replaced.key = affected_rows.{key} \
             union all select {columns} from changed"
        ))
        .await
    }

    /// The changed rows, as they were and as they will be, with their number.
    pub(super) async fn images(&self) -> Result<(Arc<dyn TableProvider>, u64)> {
        let (key, columns) = (self.key, &self.columns);
        let statement = format!(
            "select {columns} from current left semi join replaced on replaced.key = current.{key} \
             union all select {columns} from changed"
        );
        let (images, count) = in_memory("images", self.query(&statement).await?).await?;
        Ok((images, count as u64))
    }

    fn changed_rows(&self, schema: &Schema) -> String {
        let key = self.key;
        let distinct = |name: &String| format!("(target.{name} is distinct from current.{name})");
        let different: Vec<String> = schema.fields().iter().map(|field| distinct(field.name())).collect();
        format!(
            "select target.*, current.{key} is null as is_new \
             from target left join current on current.{key} = target.{key} \
             where current.{key} is null or {}",
            different.join(" or ")
        )
    }

    async fn affected_files(&self) -> Result<Vec<String>> {
        let key = self.key;
        let files =
            format!("select distinct file from current left semi join replaced on replaced.key = current.{key}");
        let batches = self.query(&files).await?.collect().await.context("list files")?;
        let mut paths = Vec::new();
        for batch in &batches {
            let column = cast(batch.column(0), &DataType::Utf8).map_err(DataFusionError::from).context("list files")?;
            let column = as_string_array(&column).context("list files")?;
            paths.extend(column.iter().flatten().map(str::to_owned));
        }
        Ok(paths)
    }

    async fn query(&self, statement: &str) -> Result<DataFrame> {
        sql(&self.session, self.name, statement).await
    }

    async fn materialize(&self, name: &str, statement: &str) -> Result<u64> {
        Ok(materialize(&self.session, name, self.query(statement).await?).await? as u64)
    }
}
