//! What stops a run before it publishes nonsense.

use serde::Serialize;

use super::context::Run;
use super::gold::Prepared;
use super::inputs::Inputs;
use crate::delta::Staged;
use crate::error::Result;
use crate::sql::GoldTable;

/// Why a run was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The rule, as `vanishing`.
    pub rule: &'static str,
    /// The table.
    pub table: String,
    /// What was found, and what to do. Logged, so it names no row.
    pub message: String,
    /// A row that it is about, by its key, which may be a customer's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// Fewer rows than this may always vanish: three of five channels are no disaster.
const A_FEW: u64 = 20;

/// Everything that speaks against publishing.
pub(super) async fn problems(run: &Run<'_>, inputs: &Inputs, prepared: &[Prepared<'_>]) -> Result<Vec<Problem>> {
    let mut found = Vec::new();
    for Prepared { table, staged, .. } in prepared {
        let Some(staged) = staged else { continue };
        found.extend(keys(staged));
        found.extend(vanishing(run, staged));
        if staged.counts.after == 0 && table.rows.directive("category") == Some("profile") {
            found.extend(nobody(run, inputs, table).await?);
        }
    }
    Ok(found)
}

/// A primary key is unique and not blank, or Customer Insights - Data refuses the table.
pub(super) fn keys(staged: &Staged) -> Option<Problem> {
    if !staged.keys.any() {
        return None;
    }
    Some(Problem {
        rule: "keys",
        table: staged.name().to_owned(),
        message: format!(
            "{} rows have no key and {} rows have the key of another: correct the SQL file or the export",
            staged.keys.missing, staged.keys.repeated
        ),
        example: staged.keys.example.clone(),
    })
}

/// A table does not lose a good part of its rows from one run to the next.
pub(super) fn vanishing(run: &Run<'_>, staged: &Staged) -> Option<Problem> {
    let counts = &staged.counts;
    let vanished = if staged.columns_change { counts.before.saturating_sub(counts.after) } else { counts.deleted };
    #[allow(clippy::cast_precision_loss)] // a share, not a count
    let share = vanished as f64 / counts.before.max(1) as f64;
    if vanished <= A_FEW || share <= run.settings.vanishing_share {
        return None;
    }
    Some(Problem {
        rule: "vanishing",
        table: staged.name().to_owned(),
        message: format!(
            "{vanished} of {} rows would vanish ({:.0} %, more than {:.0} %). If that is meant, run once with a higher \
             --vanishing-share",
            counts.before,
            share * 100.0,
            run.settings.vanishing_share * 100.0
        ),
        example: None,
    })
}

/// Nobody in a profile table although there are parties: the types of parties are not what was thought.
async fn nobody(run: &Run<'_>, inputs: &Inputs, table: &GoldTable) -> Result<Option<Problem>> {
    let session = inputs.session(run, run.engine, None)?;
    let rows =
        crate::engine::sql(&session, table.name(), &format!("select 1 as one from {} limit 1", table.driver)).await?;
    let (_, count) = crate::engine::in_memory(&table.driver, rows).await?;
    Ok((count > 0).then(|| Problem {
        rule: "nobody",
        table: table.name().to_owned(),
        message: format!(
            "no row of {} resolves to a person, so {} would be empty. Say which party type a person is (PartyTypes, as \
             `12506=Person`), or export sqldictionary",
            table.driver,
            table.name()
        ),
        example: None,
    }))
}
