//! The quality gate: rules that stop a run before it publishes wrong data.

use super::context::Run;
use super::gate_error::GateError;
use super::inputs::Inputs;
use crate::delta::PendingCommit;
use crate::engine::{in_memory, sql};
use crate::error::Result;
use crate::sql::GoldTable;

/// A table may always lose this many rows: three of five channels are not an error.
const MIN_LOST_ROWS: u64 = 20;

/// A primary key is unique and not blank, or Customer Insights - Data refuses the table.
pub(super) fn keys(pending: &PendingCommit) -> Option<GateError> {
    if !pending.keys.any() {
        return None;
    }
    Some(GateError {
        rule: "keys",
        table: pending.name().to_owned(),
        message: format!(
            "{} rows have no key and {} rows have the key of another row: correct the SQL file or the export",
            pending.keys.missing, pending.keys.repeated
        ),
        example: pending.keys.example.clone(),
    })
}

/// The companies that the last run published, and those that this one is to publish; none for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice<'a> {
    pub(super) before: &'a [String],
    pub(super) now: &'a [String],
}

impl Choice<'_> {
    /// Whether companies are no longer published.
    fn is_narrower(self) -> bool {
        !self.now.is_empty() && (self.before.is_empty() || self.before.iter().any(|code| !self.now.contains(code)))
    }

    fn advice(self) -> String {
        let list = |codes: &[String]| if codes.is_empty() { "all".to_owned() } else { codes.join(", ") };
        format!(
            "The companies to publish (--companies, Companies) were {} in the last run and are {} now, which removes the rows \
             of the others. If that is intended, run once with --vanishing-share 1 (VanishingShare); otherwise correct \
             the choice",
            list(self.before),
            list(self.now)
        )
    }
}

const ADVICE: &str = "Find out first whether these rows are deleted in the source: a table that was exported again, change folders \
                      that were deleted, or a wrong folder look the same. `prepare-data inspect` shows what the export \
                      contains; docs/lake, \"When a run stops\", has the steps";

/// A table does not lose a large share of its rows from one run to the next.
pub(super) fn row_loss(run: &Run<'_>, pending: &PendingCommit, choice: Option<Choice<'_>>) -> Option<GateError> {
    let counts = &pending.counts;
    let lost = if pending.columns_change { counts.before.saturating_sub(counts.after) } else { counts.deleted };
    #[allow(clippy::cast_precision_loss)] // a share, not a count
    let share = lost as f64 / counts.before.max(1) as f64;
    if lost <= MIN_LOST_ROWS || share <= run.settings.vanishing_share {
        return None;
    }
    let advice = choice.filter(|choice| choice.is_narrower()).map_or_else(|| ADVICE.to_owned(), Choice::advice);
    Some(GateError {
        rule: "row_loss",
        table: pending.name().to_owned(),
        message: format!(
            "{lost} of {} rows would be lost ({:.0} %, more than {:.0} %). Nothing was removed. {advice}",
            counts.before,
            share * 100.0,
            run.settings.vanishing_share * 100.0
        ),
        example: None,
    })
}

/// A profile table is not empty. If it is, nothing was read, or the party types are wrong.
pub(super) async fn empty_profile(
    run: &Run<'_>,
    inputs: &Inputs,
    table: &GoldTable,
    pending: &PendingCommit,
) -> Result<Option<GateError>> {
    if pending.counts.after > 0 || table.rows.directive("category") != Some("profile") {
        return Ok(None);
    }
    let session = inputs.session(run, run.engine, None)?;
    let rows = sql(&session, table.name(), &format!("select 1 as one from {} limit 1", table.driver)).await?;
    let (_, count) = in_memory(&table.driver, rows).await?;
    if count == 0 {
        return Ok(Some(empty_source(table)));
    }
    Ok(Some(GateError {
        rule: "empty_profile",
        table: table.name().to_owned(),
        message: format!(
            "no row of {} resolves to a person, so {} would be empty. Set the party type of persons (PartyTypes, as \
             `12506=Person`), or export sqldictionary",
            table.driver,
            table.name()
        ),
        example: None,
    }))
}

fn empty_source(table: &GoldTable) -> GateError {
    GateError {
        rule: "empty_profile",
        table: table.name().to_owned(),
        message: format!(
            "the export has no row of {}, so {} would be empty. Wait until the export has finished its first copy, or check the \
             folder of the export: `prepare-data inspect` shows what is read",
            table.driver,
            table.name()
        ),
        example: None,
    }
}
