//! Upkeep of a table: few files, and none that no version needs.

use deltalake::DeltaTable;
use deltalake::operations::vacuum::VacuumMode;
use serde::Serialize;

use super::write::FILE_SIZE;
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

/// Puts small files together, and removes those that no kept version needs. The table's own retention holds: nothing that
/// a refresh of the last thirty days could want is touched.
///
/// # Errors
/// The table cannot be read or written.
pub async fn maintain(name: &str, table: DeltaTable) -> Result<(DeltaTable, Upkeep)> {
    let what = format!("tidy {name}");
    let mut upkeep = Upkeep::default();
    let state = table.snapshot().trying(&what)?;
    let small = state.log_data().iter().filter(|file| file.size() < SMALL).count();
    let mut table = table;
    if small > SMALL_FILES {
        let (compacted, metrics) = table.optimize().with_target_size(FILE_SIZE).await.trying(&what)?;
        upkeep.compacted = metrics.num_files_removed;
        table = compacted;
    }
    let (_, unneeded) = table.clone().vacuum().with_mode(VacuumMode::Full).with_dry_run(true).await.trying(&what)?;
    if !unneeded.files_deleted.is_empty() {
        let (vacuumed, metrics) = table.vacuum().with_mode(VacuumMode::Full).await.trying(&what)?;
        upkeep.removed = metrics.files_deleted.len() as u64;
        table = vacuumed;
    }
    Ok((table, upkeep))
}
