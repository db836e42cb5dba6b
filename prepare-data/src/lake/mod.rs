//! The export as it lies in the lake, read into one shape whatever wrote it.

mod conform;
mod csv;
mod delta;
mod discover;
mod location;
mod model;

use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use serde::{Deserialize, Serialize};

pub use discover::{DEFAULT_PATTERNS, Export};
pub use location::Location;

use crate::error::Result;
use crate::sql::SourceTable;

/// How far the export of a table has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "format")]
pub enum Position {
    /// A Delta table.
    #[serde(rename_all = "camelCase")]
    Delta {
        /// Its identity: a table that was made anew has another.
        id: String,
        /// Its version.
        version: u64,
        /// The highest row version seen.
        row_version: i64,
        /// The latest time of writing seen, in microseconds since 1970.
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
    /// What is read of it.
    pub table: SourceTable,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Delta(delta::DeltaSource),
    Csv(csv::CsvSource),
}

impl Source {
    /// All its rows, old versions and deletes included, in the columns of `bronze_<table>`.
    ///
    /// # Errors
    /// The export lacks a required column.
    pub async fn all(&self, session: &SessionContext) -> Result<DataFrame> {
        match &self.reader {
            Reader::Delta(source) => source.all(session, &self.table).await,
            Reader::Csv(source) => source.since(session, &self.table, None),
        }
    }

    /// What has to be looked at after a reading that ended at `position`: every version, from the export, of each row that
    /// may have changed. `None` if that cannot be told, and all has to be looked at.
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

    /// Where a reading of everything would end, now.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn position(&self, session: &SessionContext) -> Result<Position> {
        match &self.reader {
            Reader::Delta(source) => source.position(session, &self.table).await,
            Reader::Csv(source) => Ok(source.position()),
        }
    }

    /// Whether values arrive as text and may be unreadable.
    pub fn is_text(&self) -> bool {
        matches!(self.reader, Reader::Csv(_))
    }

    /// Rows with a value that is not what its column holds: columns `id`, `column_name`. Such a value is read as NULL.
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
