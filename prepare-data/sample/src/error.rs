//! Errors while a sample lake is made.

use std::{
    io,
    path::{Path, PathBuf},
};

use deltalake::{DeltaTableError, arrow::error::ArrowError};

/// A sample lake could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Something is in the way.
    #[error("{} is not empty: choose another folder, or replace a sample lake with --replace", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// A table that does not exist was to be left out.
    #[error("there is no table {name}; the tables are {known}")]
    UnknownTable {
        /// The name that was given.
        name: String,
        /// Those that exist.
        known: String,
    },
    /// The share or the days of a change make no sense.
    #[error("a change needs a share from 0 to 1 and at least one day, and was given {share} and {days}")]
    Change {
        /// Share of customers and lines.
        share: f64,
        /// Days that pass.
        days: u32,
    },
    /// The lake is larger than ids can count.
    #[error("a sample lake has at most 1,000,000,000 customers and as many lines")]
    TooLarge,
    /// A file or folder.
    #[error("could not {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// There is no sample lake.
    #[error("{} contains no sample lake: make one first", folder.display())]
    NoLake {
        /// The folder.
        folder: PathBuf,
    },
    /// The file with the options of the lake.
    #[error("{} does not contain the options of a sample lake: {source}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A Delta table.
    #[error("table {table}: {source}")]
    Delta {
        /// The table.
        table: &'static str,
        /// What came back.
        source: DeltaTableError,
    },
    /// A Delta table has a file that was not written here.
    #[error("table {table} has {file}, which something else wrote: make a new lake")]
    ForeignFile {
        /// The table.
        table: &'static str,
        /// The file.
        file: String,
    },
    /// Rows that do not fit their table.
    #[error("table {table}: {source}")]
    Rows {
        /// The table.
        table: &'static str,
        /// What came back.
        source: ArrowError,
    },
    /// A task that was aborted.
    #[error("writing a table was aborted: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

impl SampleError {
    pub(crate) fn file(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { what, path: path.to_owned(), source }
    }
}
