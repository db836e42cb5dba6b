//! The report of an erasure, for the person who asked for it.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// A table that contains the customer, or that did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasedTable {
    /// Its layer and name.
    pub table: String,
    /// Rows of the customer that it still has, because the source has them.
    pub current_rows: usize,
    /// Replaced files with the customer that were deleted.
    pub deleted_files: usize,
    /// Replaced files with the customer that were kept, because the table still has the customer.
    pub kept_files: usize,
}

/// What an erasure did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Erasure {
    /// The customer.
    pub customer_id: String,
    /// When.
    pub erased_at: DateTime<Utc>,
    /// Whether the records of a person were found who is no customer any more.
    pub person_found: bool,
    /// The tables that have or had the customer.
    pub tables: Vec<ErasedTable>,
}

impl Erasure {
    pub(super) fn new(customer_id: &str, erased_at: DateTime<Utc>, person_found: bool) -> Self {
        Self { customer_id: customer_id.to_owned(), erased_at, person_found, tables: Vec::new() }
    }

    /// Whether no file contains the customer any more.
    pub fn is_complete(&self) -> bool {
        self.tables.iter().all(|table| table.current_rows == 0)
    }
}

impl std::fmt::Display for Erasure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}, {}", self.customer_id, self.erased_at.format("%Y-%m-%d %H:%M:%S UTC"))?;
        for table in &self.tables {
            match table.current_rows {
                0 => writeln!(f, "{:<44} erased: {} replaced files deleted", table.table, table.deleted_files)?,
                rows => writeln!(f, "{:<44} REMAINS: {rows} rows, because the source has them", table.table)?,
            }
        }
        if self.tables.is_empty() {
            writeln!(f, "no file contains this customer")?;
        }
        match self.is_complete() {
            true => write!(
                f,
                "No data file contains this customer. The logs of the tables keep the smallest and largest values of columns of \
                 each file for up to 60 days. If Customer Insights - Data has not refreshed since the customer was deleted, run a \
                 full refresh there"
            ),
            false => write!(
                f,
                "Delete or anonymize the customer in finance and operations, wait for the export, run the preparation, and erase \
                 again"
            ),
        }
    }
}
