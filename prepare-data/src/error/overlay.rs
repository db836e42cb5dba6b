//! What is wrong with an overlay.

use std::path::PathBuf;

/// Why an overlay of own columns and tables is refused.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A file or a folder cannot be read.
    #[error("cannot read {path} of the overlay (--sql-overlay, SqlOverlay): {source}", path = path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The folder has nothing that an overlay consists of.
    #[error(
        "the overlay {folder} has no SQL file (--sql-overlay, SqlOverlay): name the folder that contains gold/, silver/ or \
         sources.json", folder = folder.display()
    )]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is in a folder that is not read.
    #[error("{file} would not be read: SQL files of an overlay are in one of the folders {folders}. Move it there")]
    Misplaced {
        /// The file.
        file: String,
        /// The folders that are read.
        folders: String,
    },
    /// A file has the name of a shipped file.
    #[error(
        "{file} has the name of a shipped file: an overlay adds to the shipped files and does not replace them. Give it another \
         name; to add columns to a published table, use gold/TABLE.columns.sql"
    )]
    Shipped {
        /// The file.
        file: String,
    },
    /// Statements would find the wrong table.
    #[error(
        "{file}: the name {name} is taken by {by}, and statements find both under this name. Give the file another name"
    )]
    NameTaken {
        /// The file.
        file: String,
        /// The name.
        name: String,
        /// What has the name already.
        by: String,
    },
    /// A file belongs to nothing.
    #[error("{file} is for {wanted}, and there is none{hint}. {remedy}")]
    NoTarget {
        /// The file.
        file: String,
        /// What it needs, in words.
        wanted: String,
        /// The name that is probably meant, or the known names; may be empty.
        hint: String,
        /// What to do.
        remedy: String,
    },
    /// `sources.json` of the overlay is wrong.
    #[error("{file}: {problem}")]
    Sources {
        /// The file.
        file: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A statement reads a table that its header does not name, so that its changes would not be noticed.
    #[error(
        "{file} reads {table}, which its line `-- reads:` does not name. Add it: the line says after which changes to compute"
    )]
    NotDeclared {
        /// The file.
        file: String,
        /// The table.
        table: String,
    },
    /// A new column has the name of another one.
    #[error(
        "{file}: {table} has a column {column} already, from the shipped files. Give yours another name; if the shipped column \
         has the values that you need, remove yours"
    )]
    ShippedColumn {
        /// The file.
        file: String,
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The statement does not select what is needed.
    #[error("{file} selects {found}: it has to select {wanted}")]
    Columns {
        /// The file.
        file: String,
        /// The columns that it selects.
        found: String,
        /// What is needed, in words.
        wanted: String,
    },
    /// Rows of the table would be repeated.
    #[error(
        "{file}: {keys} values of {key} have more than one row, as {example}, so rows would be published twice. {ONE_ROW}"
    )]
    RepeatedKey {
        /// The file.
        file: String,
        /// The key of the table.
        key: String,
        /// How many keys are repeated.
        keys: u64,
        /// One of them, which may be a customer number.
        example: String,
    },
}

const ONE_ROW: &str = "Select one row for each key, as with `group by`. Nothing was published";

impl OverlayError {
    /// The text without values of rows, for the log.
    pub(crate) fn without_rows(&self) -> String {
        match self {
            Self::RepeatedKey { file, key, keys, .. } => {
                format!(
                    "{file}: {keys} values of {key} have more than one row, so rows would be published twice. {ONE_ROW}"
                )
            }
            other => other.to_string(),
        }
    }
}
