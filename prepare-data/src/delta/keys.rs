//! Checks keys: a primary key of Customer Insights - Data is unique, and neither NULL nor blank.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::common::cast::as_string_array;
use serde::Serialize;

/// Errors in the keys of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyErrors {
    /// Rows without a key.
    pub missing: u64,
    /// Rows with the key of another row.
    pub repeated: u64,
    /// One of the repeated keys.
    pub example: Option<String>,
}

impl KeyErrors {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.missing > 0 || self.repeated > 0
    }
}

/// Counts missing and repeated keys. It stores hashes of 64 bits: with ten million keys, about three of a million runs find
/// two equal hashes of different keys, and stop without publishing.
#[derive(Debug, Default)]
pub(super) struct KeyCheck {
    hasher: RandomState,
    seen: Mutex<(HashSet<u64>, KeyErrors)>,
}

impl KeyCheck {
    pub(super) fn add(&self, batch: &RecordBatch, key: &str) {
        let Some(keys) = batch.column_by_name(key).and_then(|column| cast(column, &DataType::Utf8).ok()) else {
            return;
        };
        let Ok(keys) = as_string_array(&keys) else { return };
        let mut guard = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, errors) = &mut *guard;
        for key in keys {
            match key {
                Some(key) if !key.trim().is_empty() => {
                    let mut hasher = self.hasher.build_hasher();
                    hasher.write(key.as_bytes());
                    if !seen.insert(hasher.finish()) {
                        errors.repeated += 1;
                        errors.example.get_or_insert_with(|| key.to_owned());
                    }
                }
                _ => errors.missing += 1,
            }
        }
    }

    pub(super) fn errors(&self) -> KeyErrors {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}
