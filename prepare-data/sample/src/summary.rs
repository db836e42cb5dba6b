//! What was written.

use std::fmt;

use serde::Serialize;

/// What making or changing a lake wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// One entry for each table, by name.
    pub tables: Vec<TableSummary>,
}

/// What was written for one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TableSummary {
    /// The table's name.
    pub table: &'static str,
    /// Rows, all versions and deletes included, in the files that were written.
    pub rows: u64,
    /// Files that were written.
    pub files: u64,
}

impl Summary {
    pub(crate) fn of(mut tables: Vec<TableSummary>) -> Self {
        tables.sort();
        Self { tables }
    }

    /// Rows written for the table.
    #[must_use]
    pub fn rows(&self, table: &str) -> u64 {
        self.tables.iter().filter(|written| written.table == table).map(|written| written.rows).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<34} {:>12} {:>6}", "table", "rows", "files")?;
        for table in &self.tables {
            writeln!(f, "{:<34} {:>12} {:>6}", table.table, table.rows, table.files)?;
        }
        let (rows, files) = self.tables.iter().fold((0, 0), |(rows, files), t| (rows + t.rows, files + t.files));
        write!(f, "{:<34} {rows:>12} {files:>6}", "all")
    }
}
