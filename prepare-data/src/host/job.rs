//! The preparation of one invocation: logs what it did, and returns a summary.

use std::error::Error as StdError;

use deltalake::datafusion::error::DataFusionError;
use deltalake::{DeltaTableError, ObjectStoreError};

use super::log_events::LogEvent;
use super::{JobError, Summary};
use crate::error::{Error, MORE_MEMORY};
use crate::lake::{ChangeFileError, SkippedFolder};
use crate::run::{self, Gap, How, Layer, TableReport};
use crate::settings::Settings;

/// Prepares the export once, and logs each table.
///
/// # Errors
///
/// The quality gate stops it, or it fails.
pub async fn prepare(settings: Settings) -> Result<Summary, JobError> {
    let report = run::prepare(&settings).await.map_err(|error| JobError::Failed { detail: safe_text(&error) })?;
    log_report(&report)
}

/// Logs what a preparation did, and returns a summary.
///
/// # Errors
///
/// The quality gate stopped it.
pub fn log_report(report: &run::Report) -> Result<Summary, JobError> {
    for SkippedFolder { folder, reason } in &report.skipped_folders {
        LogEvent::FolderSkipped { folder, reason }.log();
    }
    report.gaps.iter().filter(|gap| gap.gaps > 0).for_each(log_check);
    for (reason, rows) in &report.rejected {
        LogEvent::RowsRejected { reason, rows: *rows }.log();
    }
    if !report.published_all() {
        return Err(stopped(report));
    }
    report.tables.iter().for_each(log_table);
    let gold = || report.tables.iter().filter(|table| table.layer == Layer::Gold);
    Ok(Summary {
        tables: gold().count(),
        changed: gold().filter(|table| table.changed()).count(),
        rows: gold().map(|table| table.counts.after).sum(),
        rejected: report.rejected.values().sum(),
        newest_source_row: report.newest_source_row,
    })
}

fn stopped(report: &run::Report) -> JobError {
    let mut checks: Vec<String> = report.problems.iter().map(|problem| problem.rule.to_owned()).collect();
    checks.sort();
    checks.dedup();
    let details = report.problems.iter().map(|problem| format!("{}: {}", problem.table, problem.message));
    JobError::Stopped { checks, detail: details.collect::<Vec<_>>().join("; ") }
}

fn log_check(gap: &Gap) {
    LogEvent::CheckFailed { check: &gap.check, found: gap.gaps, of_rows: gap.of }.log();
}

fn log_table(report: &TableReport) {
    let TableReport { layer, ref table, how, ref counts, version: Some(version), milliseconds, .. } = *report else {
        return;
    };
    let (rows, duration_ms) = (counts.after, milliseconds);
    if !report.changed() {
        LogEvent::TableUnchanged { layer, table, rows, version, duration_ms }.log();
        return;
    }
    let whole = how == How::Whole;
    let (inserted, updated, deleted) = (counts.inserted, counts.updated, counts.deleted);
    LogEvent::TablePublished { layer, table, rows, inserted, updated, deleted, whole, version, duration_ms }.log();
}

/// The text of an error without values of rows: the engine quotes values that it cannot convert.
fn safe_text(error: &Error) -> String {
    match error {
        Error::Export(_)
        | Error::Catalog(_)
        | Error::Settings(_)
        | Error::Unreadable { .. }
        | Error::Incomplete { .. }
        | Error::Store { .. } => error.to_string(),
        Error::Overlay(error) => error.without_rows(),
        Error::Delta { what, source } => format!("cannot {what}: {}", delta_text(source)),
        Error::Statement { what, source } => format!("cannot {what}: {}", statement_text(source)),
        Error::OutOfMemory(error) => format!("{}. {MORE_MEMORY}", safe_text(error)),
    }
}

fn delta_text(error: &DeltaTableError) -> String {
    if let Some(store) = cause::<ObjectStoreError>(error) {
        return store.to_string();
    }
    match error {
        DeltaTableError::NotATable(_)
        | DeltaTableError::Io { .. }
        | DeltaTableError::Transaction { .. }
        | DeltaTableError::VersionAlreadyExists(_)
        | DeltaTableError::VersionMismatch(..)
        | DeltaTableError::InvalidTableLocation(_)
        | DeltaTableError::MissingFeature { .. } => error.to_string(),
        other => kind_only("Delta", other),
    }
}

fn statement_text(error: &DataFusionError) -> String {
    if let Some(store) = cause::<ObjectStoreError>(error) {
        return store.to_string();
    }
    if let Some(file) = cause::<ChangeFileError>(error) {
        return file.to_string();
    }
    match error.find_root() {
        root @ (DataFusionError::ResourcesExhausted(_)
        | DataFusionError::IoError(_)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::SQL(..)
        | DataFusionError::Configuration(_)
        | DataFusionError::NotImplemented(_)) => root.to_string(),
        other => kind_only("the engine", other),
    }
}

/// The error of this type that is the cause.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(store) = error.downcast_ref() {
            return Some(store);
        }
        next = error.source();
    }
    None
}

/// Only the kind of an error whose text may quote rows.
fn kind_only(whose: &str, error: &impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let kind: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!(
        "{whose} reports {kind}; its text may contain values of rows and is not logged: run the command prepare-data to read it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_rows_are_not_logged() {
        let quotes = DataFusionError::Execution("Cannot cast string 'ada@example.org' to value of Int64".to_owned());
        let wrapped = DataFusionError::Context("while casting".to_owned(), Box::new(quotes));
        let error = Error::Statement { what: "compute customers".to_owned(), source: Box::new(wrapped) };
        let text = safe_text(&error);
        assert!(text.starts_with("cannot compute customers: the engine reports Execution;"), "{text}");
        assert!(!text.contains("ada"), "{text}");
        let error = Error::Delta {
            what: "write customers".to_owned(),
            source: Box::new(DeltaTableError::Generic("ada@example.org".to_owned())),
        };
        assert!(!safe_text(&error).contains("ada"));
    }

    #[test]
    fn errors_that_an_operator_can_correct_are_logged() {
        let refused = ObjectStoreError::PermissionDenied {
            path: "deltalake/custtable".to_owned(),
            source: "403 AuthorizationPermissionMismatch".into(),
        };
        let error = Error::Statement {
            what: "read custtable".to_owned(),
            source: Box::new(DataFusionError::External(Box::new(refused))),
        };
        assert!(safe_text(&error).contains("403 AuthorizationPermissionMismatch"), "{}", safe_text(&error));
        let memory = DataFusionError::ResourcesExhausted("Failed to allocate 12 MB for HashJoin".to_owned());
        let error = Error::Statement { what: "compute customers".to_owned(), source: Box::new(memory) };
        assert!(safe_text(&error).contains("12 MB"));
    }
}
