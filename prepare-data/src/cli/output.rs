//! What commands print on standard output.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use crate::run::Report;

/// Prints a run's report. The exit status is 2 if the gate stopped the run.
pub(super) fn print_run(report: &Report, json: bool) -> ExitCode {
    print_report(report, json);
    if report.published_all() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

/// Prints a report as text or as JSON.
pub(super) fn print_report<R: Serialize + Display>(report: &R, json: bool) {
    match serde_json::to_string_pretty(report) {
        Ok(text) if json => print_line(&text),
        _ => print_line(report),
    }
}

/// Prints a line. A closed pipe (as with `head`) is no error: the work is done.
pub(super) fn print_line(text: &impl Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        tracing::debug!(%error, "standard output is closed");
    }
}
