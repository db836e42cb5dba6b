//! Request units per event, by Azure's published charges. The sandbox's account charges by size only, so its figures are too
//! low: it leaves out the terms of the index.
//!
//! Page: "Understand request units consumption in Azure Cosmos DB". The charge of a write depends on the size, plus 0.2 for
//! every term that is added to or removed from the index. A replacement is a deletion and an insertion, for which only the
//! changed terms count.

use serde::Serialize;

use crate::numbers::count;
use crate::usage::Usage;

/// Size in KB, charge of a read, charge of a write.
const BY_SIZE: [(f64, f64, f64); 5] =
    [(1.0, 1.0, 4.95), (2.0, 1.04, 6.29), (4.0, 1.14, 6.67), (8.0, 1.33, 7.04), (16.0, 1.67, 9.52)];
/// One term added to or removed from the index.
const TERM: f64 = 0.2;
/// A query by an indexed path with few results. There is no published charge. Small queries usually show this.
const QUERY: f64 = 3.0;

/// The index terms of our items under an indexing policy.
struct Policy {
    /// Terms of a new item.
    terms: f64,
    /// Terms that change when a record changes its status.
    changed: f64,
}

/// Indexes only the paths that are queried. A new record has five of them: `due`, `status`, `EventDateTime` and the ids of
/// transaction and customer. Publication and outcome change `due` and `status`, and add three numbers and the contact.
const OURS: Policy = Policy { terms: 5.0, changed: 4.0 };
/// Indexes every path, which is the default of a container.
const DEFAULT: Policy = Policy { terms: 22.0, changed: 6.0 };

/// Estimated request units per event.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Charges {
    /// With the indexing policy of `infra/`.
    pub(crate) our_policy: f64,
    /// With Cosmos DB's default policy, which indexes every path.
    pub(crate) default_policy: f64,
}

impl Charges {
    /// The charge per event for a usage, with items of this size.
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

/// Charges of a read and of a write, interpolated between the published sizes.
fn by_size(kilobytes: f64) -> (f64, f64) {
    let mut lower = BY_SIZE[0];
    for upper in BY_SIZE {
        if kilobytes <= upper.0 {
            let part = if upper.0 > lower.0 { (kilobytes.max(1.0) - lower.0) / (upper.0 - lower.0) } else { 0.0 };
            return (lower.1 + part * (upper.1 - lower.1), lower.2 + part * (upper.2 - lower.2));
        }
        lower = upper;
    }
    (lower.1, lower.2)
}
