//! Keys: a primary key for Customer Insights - Data is unique, and neither NULL nor blank.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::cast::as_string_array;
use serde::Serialize;

/// What is wrong with the keys of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyFault {
    /// Rows without a key.
    pub missing: u64,
    /// Rows whose key another row has.
    pub repeated: u64,
    /// One of the repeated keys.
    pub example: Option<String>,
}

impl KeyFault {
    /// Whether anything is wrong.
    pub fn any(&self) -> bool {
        self.missing > 0 || self.repeated > 0
    }
}

/// Sees every key once. It remembers hashes of 64 bits: among ten million keys it takes two for one in three of a million
/// runs, and such a run stops instead of publishing.
#[derive(Debug, Default)]
pub(super) struct KeyLedger {
    hasher: RandomState,
    seen: Mutex<(HashSet<u64>, KeyFault)>,
}

impl KeyLedger {
    pub(super) fn note(&self, batch: &RecordBatch, key: &str) {
        let Some(keys) = batch.column_by_name(key).and_then(|column| cast(column, &DataType::Utf8).ok()) else {
            return;
        };
        let Ok(keys) = as_string_array(&keys) else { return };
        let mut guard = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, fault) = &mut *guard;
        for key in keys {
            match key {
                Some(key) if !key.trim().is_empty() => {
                    let mut hasher = self.hasher.build_hasher();
                    hasher.write(key.as_bytes());
                    if !seen.insert(hasher.finish()) {
                        fault.repeated += 1;
                        fault.example.get_or_insert_with(|| key.to_owned());
                    }
                }
                _ => fault.missing += 1,
            }
        }
    }

    pub(super) fn fault(&self) -> KeyFault {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}
