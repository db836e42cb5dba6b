//! The layers of prepared tables, and the ways to update a table.

use serde::Serialize;

/// The layer of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// Standardised source tables.
    Silver,
    /// Published tables.
    Gold,
    /// Tables about data quality.
    Quality,
}

/// How a table was updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// Nothing changed.
    Unchanged,
    /// From the changes of its sources.
    Changes,
    /// Computed as a whole; what differs is written.
    Whole,
}
