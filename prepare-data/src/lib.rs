//! Prepares the Commerce tables that were exported to a lake for Customer Insights - Data: reads what Synapse Link or a
//! lakehouse holds, runs the SQL files, and writes Delta tables that its connectors read.

pub mod cli;
pub mod contacts;
pub mod delta;
pub mod engine;
mod error;
pub mod host;
pub mod lake;
pub mod run;
pub mod sample;
pub mod settings;
pub mod sql;

pub use error::{Error, Result};
