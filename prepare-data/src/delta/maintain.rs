//! Upkeep of a table: few files, and none that no version needs.

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::kernel::{Action, Add};
use deltalake::operations::vacuum::VacuumMode;
use deltalake::protocol::DeltaOperation;
use serde::Serialize;

use super::Stager;
use super::contract::check_table;
use super::stage::{commit, names, table_schema};
use super::write::{AtOnce, FILE_SIZE};
use crate::engine::{register, sql};
use crate::error::{Result, Trying};

/// More small files than this are made into large ones.
const SMALL_FILES: usize = 24;

/// A file below this size is small, in bytes.
const SMALL: i64 = 4 * 1024 * 1024;

/// What upkeep did to a table.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upkeep {
    /// Small files that were put together.
    pub compacted: u64,
    /// Files that no version needs any more and that were removed.
    pub removed: u64,
}

impl Stager {
    /// Puts small files together, and removes those that no kept version needs. The table's own retention holds: nothing that
    /// a refresh of the last thirty days could want is touched.
    ///
    /// # Errors
    /// The table cannot be read or written, or another writer came first.
    pub async fn maintain(&self, mut table: DeltaTable) -> Result<(DeltaTable, Upkeep)> {
        let what = format!("tidy {}", self.name());
        let mut upkeep = Upkeep::default();
        let files = table.snapshot().trying(&what)?.log_data();
        let small = files.iter().filter(|file| file.size() < SMALL).map(|file| file.path().into_owned());
        let small: Vec<String> = small.collect();
        if small.len() > SMALL_FILES {
            upkeep.compacted = small.len() as u64;
            table = self.compact(table, small).await?;
        }
        let (_, unneeded) =
            table.clone().vacuum().with_mode(VacuumMode::Full).with_dry_run(true).await.trying(&what)?;
        if !unneeded.files_deleted.is_empty() {
            let (vacuumed, metrics) = table.vacuum().with_mode(VacuumMode::Full).await.trying(&what)?;
            upkeep.removed = metrics.files_deleted.len() as u64;
            table = vacuumed;
        }
        Ok((table, upkeep))
    }

    /// The library's own compaction would put young and old rows together.
    async fn compact(&self, table: DeltaTable, small: Vec<String>) -> Result<DeltaTable> {
        let what = format!("put files of {} together", self.name());
        let schema = table_schema(&table)?;
        let session = self.session();
        let replaced = self.replaced(&table, &small, false)?;
        register(&session, "small", self.rows(&table, Some(small)).await?)?;
        let rows = sql(&session, self.name(), &format!("select {} from small", names(&schema))).await?;
        let (files, written) = self.destination(Arc::clone(&schema), None).write(rows, AtOnce::One).await?;
        self.complete(written, replaced.rows)?;
        let mut actions = replaced.actions;
        actions.extend(files.into_iter().map(|file| Action::Add(Add { data_change: false, ..file })));
        let operation = DeltaOperation::Optimize { predicate: None, target_size: FILE_SIZE.get().cast_signed() };
        let table = commit(table, actions, operation).await.trying(&what)?;
        check_table(self.name(), &table)?;
        Ok(table)
    }
}
