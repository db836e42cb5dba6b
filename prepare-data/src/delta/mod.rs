//! Writing Delta tables: only what changed, in one commit for each table, in a form that Customer Insights - Data reads.

mod age;
mod contract;
mod keys;
mod maintain;
mod row_hash;
mod stage;
mod write;

pub use age::Age;
pub use contract::{check_schema, check_table, written_schema};
pub use keys::KeyFault;
pub use maintain::Upkeep;
pub(crate) use stage::row_count;
pub use stage::{Counts, Part, Staged, Stager};
