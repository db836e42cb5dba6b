//! A preparation as an invocation has it run: what it did goes to the log, and what it came to is the answer.

use std::error::Error as StdError;

use deltalake::datafusion::error::DataFusionError;
use deltalake::{DeltaTableError, ObjectStoreError};

use super::vocabulary::LogEvent;
use super::{JobError, Report};
use crate::error::{Error, MORE_MEMORY};
use crate::run::{self, Gap, How, Layer, TableReport};
use crate::settings::Settings;

/// Prepares the export once, and tells the log of each table.
///
/// # Errors
///
/// When the quality gate stops it, or it fails.
pub async fn prepare(settings: Settings) -> Result<Report, JobError> {
    let report = run::prepare(&settings).await.map_err(|error| JobError::Failed { detail: told(&error) })?;
    outcome(&report)
}

/// Tells the log what a preparation did, and returns what it came to.
///
/// # Errors
///
/// When the quality gate stopped it.
pub fn outcome(report: &run::Report) -> Result<Report, JobError> {
    report.gaps.iter().filter(|gap| gap.gaps > 0).for_each(tell_gap);
    for (reason, rows) in &report.rejected {
        LogEvent::RowsRejected { reason, rows: *rows }.log();
    }
    if !report.published_all() {
        return Err(stopped(report));
    }
    report.tables.iter().for_each(tell_table);
    let gold = || report.tables.iter().filter(|table| table.layer == Layer::Gold);
    Ok(Report {
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

fn tell_gap(gap: &Gap) {
    LogEvent::CheckFailed { check: &gap.check, found: gap.gaps, of_rows: gap.of }.log();
}

fn tell_table(report: &TableReport) {
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

/// An error in words that quote no row of the lake: a value that cannot be computed with is quoted by the engine.
fn told(error: &Error) -> String {
    match error {
        Error::Export(_)
        | Error::Catalog(_)
        | Error::Settings(_)
        | Error::Unreadable { .. }
        | Error::Incomplete { .. }
        | Error::Store { .. } => error.to_string(),
        Error::Delta { what, source } => format!("cannot {what}: {}", delta(source)),
        Error::Statement { what, source } => format!("cannot {what}: {}", statement(source)),
        Error::OutOfMemory(error) => format!("{}. {MORE_MEMORY}", told(error)),
    }
}

fn delta(error: &DeltaTableError) -> String {
    if let Some(store) = store_among(error) {
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
        other => withheld("Delta", other),
    }
}

fn statement(error: &DataFusionError) -> String {
    if let Some(store) = store_among(error) {
        return store.to_string();
    }
    match error.find_root() {
        root @ (DataFusionError::ResourcesExhausted(_)
        | DataFusionError::IoError(_)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::SQL(..)
        | DataFusionError::Configuration(_)
        | DataFusionError::NotImplemented(_)) => root.to_string(),
        other => withheld("the engine", other),
    }
}

/// What the storage answered, if that is at the bottom of it.
fn store_among<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a ObjectStoreError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(store) = error.downcast_ref() {
            return Some(store);
        }
        next = error.source();
    }
    None
}

/// The kind of an error whose words may quote rows.
fn withheld(whose: &str, error: &impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let kind: String = debug.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!(
        "{whose} says {kind}; its words may quote rows and are not logged: run the command prepare-data to read them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_quoted() {
        let quotes = DataFusionError::Execution("Cannot cast string 'ada@example.org' to value of Int64".to_owned());
        let wrapped = DataFusionError::Context("while casting".to_owned(), Box::new(quotes));
        let error = Error::Statement { what: "compute customers".to_owned(), source: Box::new(wrapped) };
        let told = told(&error);
        assert!(told.starts_with("cannot compute customers: the engine says Execution;"), "{told}");
        assert!(!told.contains("ada"), "{told}");
        let error = Error::Delta {
            what: "write customers".to_owned(),
            source: Box::new(DeltaTableError::Generic("ada@example.org".to_owned())),
        };
        assert!(!super::told(&error).contains("ada"));
    }

    #[test]
    fn what_an_operator_can_act_on_is_told() {
        let refused = ObjectStoreError::PermissionDenied {
            path: "deltalake/custtable".to_owned(),
            source: "403 AuthorizationPermissionMismatch".into(),
        };
        let error = Error::Statement {
            what: "read custtable".to_owned(),
            source: Box::new(DataFusionError::External(Box::new(refused))),
        };
        assert!(told(&error).contains("403 AuthorizationPermissionMismatch"), "{}", told(&error));
        let memory = DataFusionError::ResourcesExhausted("Failed to allocate 12 MB for HashJoin".to_owned());
        let error = Error::Statement { what: "compute customers".to_owned(), source: Box::new(memory) };
        assert!(told(&error).contains("12 MB"));
    }
}
