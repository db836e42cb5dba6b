//! Request units per event, by Azure's published charges: the in-memory account charges a batch less than the sum of
//! its operations, so its own figures would flatter.
//!
//! Page: "Understand request units consumption in Azure Cosmos DB". A write is charged by size, plus 0.2 for every term
//! that it adds to or removes from the index; a replacement is a deletion and an insertion of which only the changed
//! terms count.

use serde::Serialize;

use crate::report::{Usage, count};

/// Size in KB, charge of a read, charge of a write.
const BY_SIZE: [(f64, f64, f64); 5] =
    [(1.0, 1.0, 4.95), (2.0, 1.04, 6.29), (4.0, 1.14, 6.67), (8.0, 1.33, 7.04), (16.0, 1.67, 9.52)];
/// One term in or out of the index.
const TERM: f64 = 0.2;
/// A query by an indexed path that finds little: no charge is published; this is what small queries usually show.
const QUERY: f64 = 3.0;

/// What an indexing policy makes of our items.
struct Policy {
    /// Terms of a new item.
    terms: f64,
    /// Terms that change when a record goes on to its next state.
    changed: f64,
}

/// Indexes the paths that are queried, `/due`, `/status` and `/EventDateTime`, and nothing else.
const OURS: Policy = Policy { terms: 3.0, changed: 2.0 };
/// Indexes every path, as containers do unless told otherwise.
const DEFAULT: Policy = Policy { terms: 22.0, changed: 6.0 };

/// Estimated request units per event.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Charges {
    /// With the indexing policy of `infra/`.
    pub(crate) our_policy: f64,
    /// With Cosmos DB's own policy, which indexes everything.
    pub(crate) default_policy: f64,
}

impl Charges {
    /// The charge per event of what was used, with items of so many kilobytes.
    pub(crate) fn of(usage: &Usage, events: usize, kilobytes: f64) -> Self {
        let with = |policy: &Policy| {
            let operations = usage.cosmos_operations.iter();
            operations.map(|(name, count)| charge(name, kilobytes, policy) * count).sum::<f64>() / count(events)
        };
        Self { our_policy: with(&OURS), default_policy: with(&DEFAULT) }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            our_policy: self.our_policy + other.our_policy,
            default_policy: self.default_policy + other.default_policy,
        }
    }
}

fn charge(operation: &str, kilobytes: f64, policy: &Policy) -> f64 {
    let (read, write) = by_size(kilobytes);
    match operation {
        "create" | "delete" => write + TERM * policy.terms,
        "replace" | "upsert" | "patch" => 2.0 * (write + TERM * policy.changed),
        "query" | "feed" => QUERY,
        _ => read,
    }
}

/// Charges of a read and of a write, between the published sizes in proportion.
fn by_size(kilobytes: f64) -> (f64, f64) {
    let mut below = BY_SIZE[0];
    for above in BY_SIZE {
        if kilobytes <= above.0 {
            let part = if above.0 > below.0 { (kilobytes.max(1.0) - below.0) / (above.0 - below.0) } else { 0.0 };
            return (below.1 + part * (above.1 - below.1), below.2 + part * (above.2 - below.2));
        }
        below = above;
    }
    (below.1, below.2)
}
