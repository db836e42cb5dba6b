//! The deleted rows of change folders. A later folder may contain an older version of such a row, which stays deleted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::lake::timestamps::micros;

/// Deletes of a table that are remembered, the newest ones.
const REMEMBERED: usize = 20_000;

/// A delete: its row version, and when it was written, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deleted {
    /// When it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<i64>,
    /// Its row version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl Deleted {
    pub(super) fn parse(version: Option<&str>, written: Option<&str>) -> Self {
        Self {
            version: version.and_then(|text| text.trim().parse().ok()),
            written: written.and_then(|text| micros(text.trim())),
        }
    }
}

/// Collects the deletes that are read.
#[derive(Debug, Default)]
pub(super) struct Deletes(Mutex<BTreeMap<String, Deleted>>);

impl Deletes {
    pub(super) fn add(&self, id: &str, deleted: Deleted) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(id) {
            Some(known) => *known = deleted.max(*known),
            None => drop(all.insert(id.to_owned(), deleted)),
        }
    }

    /// What was read, and what was known before.
    pub(super) fn with(&self, known: &BTreeMap<String, Deleted>) -> BTreeMap<String, Deleted> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (id, deleted) in known {
            let newest = all.get(id).map_or(*deleted, |read| *read.max(deleted));
            all.insert(id.clone(), newest);
        }
        if all.len() > REMEMBERED {
            let mut newest: Vec<_> = all.into_iter().collect();
            newest.sort_unstable_by_key(|(_, deleted)| std::cmp::Reverse(*deleted));
            newest.truncate(REMEMBERED);
            all = newest.into_iter().collect();
        }
        all
    }
}
