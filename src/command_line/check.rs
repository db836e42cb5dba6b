//! `commerce-journeys check`: the checks of every dependency, as a table or as JSON.

use std::path::PathBuf;
use std::process::ExitCode;

use commerce_journeys::check::check;
use commerce_journeys::settings::suspicious_settings;
use serde_json::json;

use super::configuration::{configuration, run_with_settings};
use super::output::print;
use super::{INVALID, complain};

/// The options of the check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Check {
    pub(super) settings: Option<PathBuf>,
    pub(super) json: bool,
}

impl Check {
    /// Runs the check and prints the report. The exit status is its result.
    pub(crate) async fn run(self) -> ExitCode {
        let outcome = match &self.settings {
            Some(file) => run_with_settings(file, &self.arguments()),
            None => self.run_in_process().await,
        };
        outcome.unwrap_or_else(|problem| self.invalid(&problem))
    }

    fn arguments(&self) -> Vec<String> {
        let json = self.json.then_some("--json");
        std::iter::once("check").chain(json).map(str::to_owned).collect()
    }

    async fn run_in_process(&self) -> Result<ExitCode, String> {
        let (settings, journeys) = configuration(&|name: &str| std::env::var(name).ok())?;
        for warning in suspicious_settings(std::env::vars()) {
            complain(&format!("warning: {warning}"));
        }
        let report = check(settings, journeys).await.map_err(|error| error.to_string())?;
        if self.json {
            print(&format!("{:#}\n", json!({"ok": report.is_ok(), "findings": report.findings})));
        } else {
            print(&report.to_string());
        }
        Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The settings or `journeys.json` cannot be used. A script reads that from the same stream and in the same form.
    fn invalid(&self, problem: &str) -> ExitCode {
        if self.json {
            print(&format!("{:#}\n", json!({"ok": false, "findings": [], "error": problem})));
        } else {
            complain(problem);
        }
        ExitCode::from(INVALID)
    }
}
