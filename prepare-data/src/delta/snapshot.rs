//! What the current version of a table contains, from its log.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake::arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake::kernel::Action;
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::{DeltaTable, DeltaTableError};

use super::contract::written_schema;
use crate::error::{Context, Result};

/// Files that a commit removes from a table.
#[derive(Debug, Default)]
pub(super) struct RemovedFiles {
    pub(super) actions: Vec<Action>,
    /// Rows in them.
    pub(super) rows: u64,
    /// Their size.
    pub(super) bytes: u64,
}

/// Rows of a table.
pub(crate) fn row_count(table: &DeltaTable) -> Result<u64> {
    let state = table.snapshot().context("count rows")?;
    Ok(state.log_data().iter().map(|file| file.num_records().unwrap_or_default() as u64).sum())
}

/// The schema in which rows of the table are written.
pub(super) fn table_schema(table: &DeltaTable) -> Result<SchemaRef> {
    let state = table.snapshot().context("read columns")?;
    let schema: Result<Schema, _> = state.schema().as_ref().try_into_arrow();
    let schema = schema.map_err(DeltaTableError::from).context("read columns")?;
    Ok(written_schema(&schema))
}

/// The actions that remove these files of a table.
pub(super) fn removed_files(
    table: &DeltaTable,
    name: &str,
    paths: &[String],
    data_change: bool,
) -> Result<RemovedFiles> {
    let paths: HashSet<&str> = paths.iter().map(|path| file_name(path)).collect();
    let mut removed = RemovedFiles::default();
    let state = table.snapshot().context(format!("list files of {name}"))?;
    for file in state.log_data().iter().filter(|file| paths.contains(file_name(&file.path()))) {
        removed.actions.push(Action::Remove(file.remove_action(data_change)));
        removed.rows += file.num_records().unwrap_or_default() as u64;
        removed.bytes += file.size().unsigned_abs();
    }
    Ok(removed)
}

/// The actions that remove all files of a table.
pub(super) fn remove_all_files(table: &DeltaTable) -> Result<Vec<Action>> {
    let state = table.snapshot().context("list files")?;
    Ok(state.log_data().iter().map(|file| Action::Remove(file.remove_action(true))).collect())
}

/// The columns of a schema, as a list in SQL.
pub(super) fn column_list(schema: &Schema) -> String {
    schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>().join(", ")
}

/// The same with each column cast to its type in the table, so that equal values have equal hashes.
pub(super) fn cast_list(schema: &Schema) -> String {
    let cast = |field: &Arc<Field>| format!("arrow_cast({}, '{}')", field.name(), field.data_type());
    schema.fields().iter().map(cast).collect::<Vec<_>>().join(", ")
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
