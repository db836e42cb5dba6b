//! What differs between the files of two versions of a table.

use std::collections::HashMap;

use deltalake::DeltaTable;
use deltalake::kernel::models::DeletionVectorDescriptor;

use crate::error::{Context, Result};

/// Paths of files.
pub(super) struct FileChanges {
    /// New files.
    pub(super) added: Vec<String>,
    /// Files that are not part of the table any more.
    pub(super) removed: Vec<String>,
    /// Files whose deletion vector changed.
    pub(super) shrunk: Vec<String>,
}

impl FileChanges {
    pub(super) fn between(before: &DeltaTable, now: &DeltaTable) -> Result<Self> {
        let (mut known, now) = (files(before)?, files(now)?);
        let (mut added, mut shrunk) = (Vec::new(), Vec::new());
        for (path, vector) in now {
            match known.remove(&path) {
                None => added.push(path),
                Some(known) if known != vector => shrunk.push(path),
                Some(_) => {}
            }
        }
        Ok(Self { added, removed: known.into_keys().collect(), shrunk })
    }
}

/// The files of a table, and the deletion vector of each.
pub(super) fn files(table: &DeltaTable) -> Result<HashMap<String, Option<String>>> {
    let state = table.snapshot().context("list files")?;
    let vector = |vector: DeletionVectorDescriptor| {
        format!("{}{}/{:?}", vector.storage_type, vector.path_or_inline_dv, vector.offset)
    };
    let files = state.log_data();
    Ok(files.iter().map(|file| (file.path().into_owned(), file.deletion_vector_descriptor().map(vector))).collect())
}
