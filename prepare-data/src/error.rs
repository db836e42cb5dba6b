//! What can go wrong, told in the words of who has to act on it.

use std::fmt::Display;

use deltalake::DeltaTableError;
use deltalake::datafusion::error::DataFusionError;

/// What to do where memory does not suffice.
pub(crate) const MORE_MEMORY: &str = "Allow more memory (--memory-mib, MemoryMiB: a million customers with ten million lines \
                                      take 1200), or run the same SQL on Spark";

/// Why a preparation, or a part of it, did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Delta table could not be read or written.
    #[error("cannot {what}: {source}")]
    Delta {
        /// What was tried.
        what: String,
        /// What came back.
        source: Box<DeltaTableError>,
    },
    /// A statement failed.
    #[error("cannot {what}: {source}")]
    Statement {
        /// What was tried.
        what: String,
        /// What came back.
        source: Box<DataFusionError>,
    },
    /// A table took more memory than statements may use, however it was computed.
    #[error("{0}. {MORE_MEMORY}")]
    OutOfMemory(Box<Self>),
    /// A file of the lake could not be read or written.
    #[error("cannot {what}: {source}")]
    Store {
        /// What was tried.
        what: String,
        /// What came back.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The export lacks what a run needs, or has it in a form that cannot be read.
    #[error("{0}")]
    Export(String),
    /// A file among the SQL files is not as it has to be.
    #[error("{0}")]
    Catalog(String),
    /// Customer Insights - Data could not read what would be, or was, written.
    #[error("{table} cannot be read by Customer Insights - Data: {why}")]
    Unreadable {
        /// The table.
        table: String,
        /// What its connector does not take.
        why: String,
    },
    /// Rows that were carried over are not all there.
    #[error(
        "{table}: {written} rows were written where {expected} belong, so nothing was changed. That is a bug: please report it"
    )]
    Incomplete {
        /// The table.
        table: String,
        /// Rows that were written.
        written: u64,
        /// Rows that there ought to be.
        expected: u64,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// Whether the memory that statements may use did not suffice.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Statement { source, .. } => matches!(source.find_root(), DataFusionError::ResourcesExhausted(_)),
            _ => false,
        }
    }
}

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Says what was tried when something failed.
pub(crate) trait Trying<T> {
    /// Adds what was tried, worded to follow "cannot".
    fn trying(self, what: impl Display) -> Result<T>;
}

impl<T> Trying<T> for Result<T, DeltaTableError> {
    fn trying(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Delta { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Trying<T> for Result<T, DataFusionError> {
    fn trying(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Statement { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Trying<T> for Result<T, deltalake::ObjectStoreError> {
    fn trying(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Store { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Trying<T> for Result<T, serde_json::Error> {
    fn trying(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Store { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Trying<T> for Result<T, deltalake::kernel::Error> {
    fn trying(self, what: impl Display) -> Result<T> {
        self.map_err(deltalake::DeltaTableError::from).trying(what)
    }
}
