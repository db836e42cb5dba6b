//! `test-sql`: cases of a few rows, what has to be published of them, and the comparison with what a run publishes.

mod case;
mod compare;
mod error;
mod export;
mod report;
mod run;
mod table;

use std::path::Path;
use std::time::Instant;

pub use report::{CaseResult, TestReport};

use self::case::Case;
use crate::error::{Error, Result};
use crate::overlay;
use crate::sql::Catalog;

/// Runs the cases of a folder, one sub-folder each.
///
/// # Errors
/// The folder has no case, or the SQL files or the overlay are wrong. What is wrong in a case is in the report.
pub async fn test_sql(folder: &Path, sql: Option<&Path>, sql_overlay: Option<&Path>) -> Result<TestReport> {
    let names =
        case::names(folder).map_err(|error| Error::Settings(format!("cannot read {}: {error}", folder.display())))?;
    if names.is_empty() {
        return Err(Error::Settings(format!(
            "{} has no cases: make a sub-folder for each, with input/TABLE.csv and expected/TABLE.csv",
            folder.display()
        )));
    }
    overlay::check(&Catalog::load_with(sql, sql_overlay)?).await?;
    let mut cases = Vec::new();
    for name in names {
        let started = Instant::now();
        let catalog = Catalog::load_with(sql, sql_overlay)?;
        let outcome = match Case::read(&folder.join(&name)) {
            Ok(case) => run::run(&case, catalog).await,
            Err(error) => Err(error),
        };
        let differences = outcome.unwrap_or_else(|error| vec![error.to_string()]);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        cases.push(CaseResult { case: name, differences, milliseconds });
    }
    Ok(TestReport { cases })
}
