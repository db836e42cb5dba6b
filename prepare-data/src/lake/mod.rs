//! The export in the lake. Both formats are read into the same columns.

mod conform;
mod csv;
mod delta;
mod discover;
mod model;
mod option_labels;
mod text;
mod timestamps;

use std::collections::BTreeMap;

use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use serde::{Deserialize, Serialize};

pub use csv::{ChangeFileError, Deleted, SkippedFolder};
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
            Reader::Csv(source) => source.since(session, &self.table, None).await,
        }
    }

    /// The rows that may have changed after `position`. Of a Delta table, these are all versions of each. Of change folders,
    /// these are only the new versions. `None` if that is not known, and all rows have to be read.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn since(&self, session: &SessionContext, position: &Position) -> Result<Option<DataFrame>> {
        match (&self.reader, position) {
            (Reader::Delta(source), Position::Delta { id, version, row_version, written }) if source.is(id)? => {
                source.since(session, &self.table, *version, *row_version, *written).await
            }
            (Reader::Csv(source), Position::Csv { folder }) => {
                source.since(session, &self.table, Some(folder)).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The position after all rows that are exported now.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn position(&self, session: &SessionContext, saved: Option<&Position>) -> Result<Position> {
        match &self.reader {
            Reader::Delta(source) => source.position(session, &self.table, saved).await,
            Reader::Csv(source) => Ok(source.position(saved)),
        }
    }

    /// Where the table is, and in which format.
    pub fn place(&self) -> String {
        match &self.reader {
            Reader::Delta(source) => source.place(),
            Reader::Csv(source) => source.place(),
        }
    }

    /// Files that all rows are in.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn files(&self) -> Result<usize> {
        match &self.reader {
            Reader::Delta(source) => source.file_count(),
            Reader::Csv(source) => source.file_count(&self.table).await,
        }
    }

    /// Columns that are not exported: those without which a run fails, and the others.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn missing_columns(&self) -> Result<(Vec<String>, Vec<String>)> {
        let schemas = match &self.reader {
            Reader::Delta(source) => vec![source.schema()?],
            Reader::Csv(source) => source.schemas(&self.table).await?,
        };
        let (mut required, mut optional) = (Vec::new(), Vec::new());
        for column in self.table.bronze_columns()? {
            if schemas.iter().all(|schema| conform::source_column(schema, &column.name).is_some()) {
                continue;
            }
            if column.required { required.push(column.name) } else { optional.push(column.name) }
        }
        Ok((required, optional))
    }

    /// Whether values are exported as text, and may be unreadable.
    pub fn is_text(&self) -> bool {
        matches!(self.reader, Reader::Csv(_))
    }

    /// The oldest change folder that is there.
    pub fn first_folder(&self) -> Option<&str> {
        match &self.reader {
            Reader::Csv(source) => source.first_folder(),
            Reader::Delta(_) => None,
        }
    }

    /// The deletes in change folders that were read so far, and those that were known before.
    pub fn deletes(&self, known: &BTreeMap<String, Deleted>) -> BTreeMap<String, Deleted> {
        match &self.reader {
            Reader::Csv(source) => source.deletes(known),
            Reader::Delta(_) => BTreeMap::new(),
        }
    }

    /// Rows with a value of a wrong type, which is read as NULL. Columns: `id`, `column_name`.
    ///
    /// # Errors
    /// The export cannot be read.
    pub async fn unreadable(&self, session: &SessionContext, since: Option<&Position>) -> Result<Option<DataFrame>> {
        match (&self.reader, since) {
            (Reader::Csv(source), Some(Position::Csv { folder })) => {
                source.unreadable(session, &self.table, Some(folder)).await.map(Some)
            }
            (Reader::Csv(source), _) => source.unreadable(session, &self.table, None).await.map(Some),
            _ => Ok(None),
        }
    }
}
