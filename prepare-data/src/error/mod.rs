//! The errors of this crate. Their texts say what to do.

mod overlay;

use std::fmt::Display;

use deltalake::DeltaTableError;
use deltalake::datafusion::error::DataFusionError;

pub use overlay::OverlayError;

/// The remedy when memory is not sufficient.
pub(crate) const MORE_MEMORY: &str = "Allow more memory (--memory-mib, MemoryMiB: a million customers with ten million lines \
                                      need 1200), or run the same SQL on Spark";

/// Why a preparation, or a part of it, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A Delta table could not be read or written.
    #[error("cannot {what}: {source}")]
    Delta {
        /// The operation.
        what: String,
        /// Its error.
        source: Box<DeltaTableError>,
    },
    /// A statement failed.
    #[error("cannot {what}: {source}")]
    Statement {
        /// The operation.
        what: String,
        /// Its error.
        source: Box<DataFusionError>,
    },
    /// A table needs more memory than statements may use, with every type of join.
    #[error("{0}. {MORE_MEMORY}")]
    OutOfMemory(Box<Self>),
    /// A file of the lake could not be read or written.
    #[error("cannot {what}: {source}")]
    Store {
        /// The operation.
        what: String,
        /// Its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The export has no table or column that a run needs, or has it in a form that cannot be read.
    #[error("{0}")]
    Export(String),
    /// One of the SQL files is wrong.
    #[error("{0}")]
    Catalog(String),
    /// The overlay of own columns and tables is wrong.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// Customer Insights - Data could not read the table.
    #[error("{table} cannot be read by Customer Insights - Data: {why}")]
    Unreadable {
        /// The table.
        table: String,
        /// What the connector does not accept.
        why: String,
    },
    /// Rows are missing after a rewrite of files.
    #[error(
        "{table}: {written} rows were written and {expected} were expected, so nothing was changed. That is a bug: please report it"
    )]
    Incomplete {
        /// The table.
        table: String,
        /// Rows that were written.
        written: u64,
        /// Rows that were expected.
        expected: u64,
    },
    /// The configuration is wrong.
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// Whether the memory for statements was not sufficient.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Statement { source, .. } => matches!(source.find_root(), DataFusionError::ResourcesExhausted(_)),
            _ => false,
        }
    }
}

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Adds the operation to an error.
pub(crate) trait Context<T> {
    /// Adds what was tried, in words that follow "cannot".
    fn context(self, what: impl Display) -> Result<T>;
}

impl<T> Context<T> for Result<T, DeltaTableError> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Delta { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Context<T> for Result<T, DataFusionError> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Statement { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Context<T> for Result<T, deltalake::ObjectStoreError> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Store { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Context<T> for Result<T, serde_json::Error> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|source| Error::Store { what: what.to_string(), source: Box::new(source) })
    }
}

impl<T> Context<T> for Result<T, deltalake::kernel::Error> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(DeltaTableError::from).context(what)
    }
}
