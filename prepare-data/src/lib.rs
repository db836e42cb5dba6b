//! Prepares Commerce tables that were exported to a lake for Customer Insights - Data: reads the export of Synapse Link or a
//! lakehouse, runs the SQL files, and writes Delta tables for its connectors.
//!
//! Modules import only modules of lower layers:
//! `cli → {host, dictionary, inspect, erase, test_sql} → {run, contacts} → overlay → settings → {delta, lake} → {location, engine} → sql →
//! {error, names}`.

pub mod cli;
pub mod contacts;
pub mod delta;
pub mod dictionary;
pub mod engine;
pub mod erase;
mod error;
pub mod host;
pub mod inspect;
pub mod lake;
pub mod location;
mod names;
pub mod overlay;
pub mod run;
pub mod settings;
pub mod sql;
pub mod test_sql;

pub use error::{Error, OverlayError, Result};
