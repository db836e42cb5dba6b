//! The export in the lake. Both formats are read into the same columns.

mod conform;
mod csv;
mod delta;
mod discover;
mod model;
mod timestamps;

use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use serde::{Deserialize, Serialize};

pub use discover::{DEFAULT_PATTERNS, Export};

use crate::error::Result;
use crate::sql::SourceTable;

/// How far the export of a table has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "format")]
pub enum Position {
    /// A Delta table.
    #[serde(rename_all = "camelCase")]
    Delta {
        /// Its id. A table that was created again has another id.
        id: String,
        /// Its version.
        version: u64,
        /// The highest row version that was read.
        row_version: i64,
        /// The latest time of writing that was read, in microseconds since 1970.
        written: i64,
    },
    /// Change folders.
    #[serde(rename_all = "camelCase")]
    Csv {
        /// The last folder read.
        folder: String,
    },
}

/// A table of the export.
#[derive(Debug)]
pub struct Source {
    /// The columns that are read.
    pub table: SourceTable,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Delta(delta::DeltaSource),
    Csv(csv::CsvSource),
}

impl Source {
    /// All rows, with old versions and deletes, in the columns of `bronze_<table>`.
    ///
    /// # Errors
    /// A required column is not exported.
    pub async fn all(&self, session: &SessionContext) -> Result<DataFrame> {
        match &self.reader {
            Reader::Delta(source) => source.all(session, &self.table).await,
            Reader::Csv(source) => source.since(session, &self.table, None),
        }
    }

    /// The rows that may have changed after `position`, with all versions of each. `None` if that is not known, and all rows
    /// have to be read.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn since(&self, session: &SessionContext, position: &Position) -> Result<Option<DataFrame>> {
        match (&self.reader, position) {
            (Reader::Delta(source), Position::Delta { id, version, row_version, written }) if source.is(id)? => {
                source.since(session, &self.table, *version, *row_version, *written).await
            }
            (Reader::Csv(source), Position::Csv { folder }) => {
                source.since(session, &self.table, Some(folder)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The position after all rows that are exported now.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn position(&self, session: &SessionContext) -> Result<Position> {
        match &self.reader {
            Reader::Delta(source) => source.position(session, &self.table).await,
            Reader::Csv(source) => Ok(source.position()),
        }
    }

    /// Whether values are exported as text, and may be unreadable.
    pub fn is_text(&self) -> bool {
        matches!(self.reader, Reader::Csv(_))
    }

    /// Rows with a value of a wrong type, which is read as NULL. Columns: `id`, `column_name`.
    ///
    /// # Errors
    /// The export cannot be read.
    pub fn unreadable(&self, session: &SessionContext, since: Option<&Position>) -> Result<Option<DataFrame>> {
        match (&self.reader, since) {
            (Reader::Csv(source), Some(Position::Csv { folder })) => {
                source.unreadable(session, &self.table, Some(folder)).map(Some)
            }
            (Reader::Csv(source), _) => source.unreadable(session, &self.table, None).map(Some),
            _ => Ok(None),
        }
    }
}
