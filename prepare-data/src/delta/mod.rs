//! Writes Delta tables: only what changed, in one commit for each table, in a form that Customer Insights - Data reads.

mod age_buckets;
mod commit;
mod contract;
mod files;
mod keys;
mod maintenance;
mod merge;
mod row_hash;
mod snapshot;
mod writer;

pub use age_buckets::AgeBuckets;
pub use commit::{Counts, PendingCommit};
pub use contract::{check_schema, check_table, written_schema};
pub use keys::KeyErrors;
pub use maintenance::Maintenance;
pub(crate) use snapshot::row_count;
pub use writer::{Partition, TableWriter};
