//! What is wrong in a case.

use std::path::PathBuf;

use deltalake::arrow::error::ArrowError;

use crate::error::Error;

/// Why a case cannot be run or compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaseError {
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{name} would not be read: a case has the folders input, expected and change, and settings.json")]
    UnknownFile { name: String },
    #[error("{name} would not be read: rows are in CSV files, as input/TABLE.csv")]
    NotCsv { name: String },
    #[error("settings.json: {0}")]
    Settings(serde_json::Error),
    #[error("the case expects nothing: write expected/TABLE.csv with the columns and rows that have to be published")]
    NoExpectation,
    #[error("{file}: there is no table {table}{hint}")]
    UnknownTable { file: String, table: String, hint: String },
    #[error("{file}: {table} has no column {column}{hint}")]
    UnknownColumn { file: String, table: String, column: String, hint: String },
    #[error("{file}: the column {column} is named twice")]
    RepeatedColumn { file: String, column: String },
    #[error("{file} has no header: write the names of the columns in the first line")]
    NoHeader { file: String },
    #[error(
        "{file} cannot be read as CSV: {source}. Empty is NULL; times are as 2026-01-31T06:00:00Z, true and false are words"
    )]
    Csv { file: String, source: ArrowError },
    #[error("{file}: the key {key} is in several rows")]
    RepeatedKey { file: String, key: String },
    #[error("{table} was not published: its table {driver} has no file in input/")]
    NotPublished { table: String, driver: String },
    #[error("the run was stopped: {0}")]
    Stopped(String),
    #[error(transparent)]
    Run(#[from] Error),
}
