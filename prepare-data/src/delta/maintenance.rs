//! Maintenance of a table: merges small files (optimize), and removes files that no version needs (vacuum).

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::kernel::{Action, Add};
use deltalake::operations::vacuum::VacuumMode;
use deltalake::protocol::DeltaOperation;
use serde::Serialize;

use super::TableWriter;
use super::commit::commit;
use super::contract::check_table;
use super::files::{FILE_SIZE, WriterParallelism};
use super::snapshot::{column_list, removed_files, table_schema};
use crate::engine::{register, sql};
use crate::error::{Context, Result};

/// A table with more small files than this is optimized.
const SMALL_FILES: usize = 24;

/// A file below this size is small, in bytes.
const SMALL: i64 = 4 * 1024 * 1024;

/// What maintenance did to a table.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Maintenance {
    /// Small files that were merged.
    pub compacted: u64,
    /// Files that were removed because no version needs them.
    pub removed: u64,
}

impl TableWriter {
    /// Merges small files, and removes files that no retained version needs. The table's own retention holds: a refresh of
    /// the last thirty days finds all of its files.
    ///
    /// # Errors
    /// The table cannot be read or written, or another writer was first.
    pub async fn maintain(&self, mut table: DeltaTable) -> Result<(DeltaTable, Maintenance)> {
        let what = format!("maintain {}", self.name());
        let mut maintenance = Maintenance::default();
        let files = table.snapshot().context(&what)?.log_data();
        let small = files.iter().filter(|file| file.size() < SMALL).map(|file| file.path().into_owned());
        let small: Vec<String> = small.collect();
        if small.len() > SMALL_FILES {
            maintenance.compacted = small.len() as u64;
            table = self.optimize(table, small).await?;
        }
        let (_, unneeded) =
            table.clone().vacuum().with_mode(VacuumMode::Full).with_dry_run(true).await.context(&what)?;
        if !unneeded.files_deleted.is_empty() {
            let (vacuumed, metrics) = table.vacuum().with_mode(VacuumMode::Full).await.context(&what)?;
            maintenance.removed = metrics.files_deleted.len() as u64;
            table = vacuumed;
        }
        Ok((table, maintenance))
    }

    /// Merges these files. The library's own operation would mix young and old rows.
    async fn optimize(&self, table: DeltaTable, small: Vec<String>) -> Result<DeltaTable> {
        let what = format!("optimize {}", self.name());
        let schema = table_schema(&table)?;
        let session = self.session();
        let removed = removed_files(&table, self.name(), &small, false)?;
        register(&session, "small", self.rows(&table, Some(small)).await?)?;
        let rows = sql(&session, self.name(), &format!("select {} from small", column_list(&schema))).await?;
        let destination = self.destination(Arc::clone(&schema), None);
        let (files, written) = destination.write(rows, WriterParallelism::Single).await?;
        self.require_rows(written, removed.rows)?;
        let mut actions = removed.actions;
        actions.extend(files.into_iter().map(|file| Action::Add(Add { data_change: false, ..file })));
        let operation = DeltaOperation::Optimize { predicate: None, target_size: FILE_SIZE.get().cast_signed() };
        let table = commit(table, actions, operation).await.context(&what)?;
        check_table(self.name(), &table)?;
        Ok(table)
    }
}
