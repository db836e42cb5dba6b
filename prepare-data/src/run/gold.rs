//! Published tables: staged all together, committed only if the gate lets all of them through.

use std::time::Instant;

use super::context::Run;
use super::inputs::Inputs;
use super::report::{How, Layer, Report, TableReport};
use super::state::{GoldState, State};
use crate::delta::{Staged, Stager};
use crate::engine::{keep, run_script, sql};
use crate::error::Result;
use crate::sql::{GoldTable, Script};

/// Stages every gold table whose driver is exported, by its place in the catalog.
pub(super) async fn stage(
    run: &Run<'_>,
    state: &State,
    inputs: &Inputs,
    report: &mut Report,
) -> Result<Vec<(usize, Option<Staged>)>> {
    let mut all = Vec::new();
    for (index, table) in run.catalog.gold.iter().enumerate() {
        if inputs.silver.get(&table.driver).is_some_and(|driver| !driver.exported) {
            report.left_out.push(table.name().to_owned());
            continue;
        }
        let started = Instant::now();
        let (how, staged) = Gold { run, inputs, table }.stage(state.gold.get(table.name())).await?;
        let mut entry = TableReport::new(Layer::Gold, table.name(), how);
        entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(staged) = &staged {
            entry.counts = staged.counts;
            entry.columns_change = staged.columns_change;
        } else if let Some(present) = run.gold(table.name()).open().await? {
            entry.counts.before = crate::delta::row_count(&present)?;
            entry.counts.after = entry.counts.before;
        }
        report.tables.push(entry);
        all.push((index, staged));
    }
    Ok(all)
}

pub(super) fn state_of(run: &Run<'_>, inputs: &Inputs, table: &GoldTable, version: u64) -> GoldState {
    GoldState { version, made_by: made_by(run, table), as_of: run.as_of, inputs: inputs.now(&table.reads) }
}

fn made_by(run: &Run<'_>, table: &GoldTable) -> String {
    run.made_by(&[Some(&table.rows), table.changes.as_ref()])
}

struct Gold<'a> {
    run: &'a Run<'a>,
    inputs: &'a Inputs,
    table: &'a GoldTable,
}

impl Gold<'_> {
    async fn stage(&self, known: Option<&GoldState>) -> Result<(How, Option<Staged>)> {
        let Some(base) = self.run.gold(self.table.name()).open().await? else {
            let session = self.inputs.session(self.run, None).await?;
            let rows = run_script(&session, &self.table.rows).await?;
            return Ok((How::Whole, Some(self.stager().replace(None, rows).await?)));
        };
        // What is known counts only if the table was made by these statements from the tables as they were before this run.
        let known = known.filter(|known| {
            base.version() == Some(known.version)
                && known.made_by == made_by(self.run, self.table)
                && known.inputs == self.inputs.before(&self.table.reads)
                && !self.run.settings.full
        });
        let Some(known) = known else {
            let session = self.inputs.session(self.run, None).await?;
            let rows = run_script(&session, &self.table.rows).await?;
            return Ok((How::Whole, self.stager().difference(base, rows).await?));
        };
        if self.inputs.unchanged(&self.table.reads) && !depends_on_time(&self.table.rows) {
            return Ok((How::Unchanged, None));
        }
        let session = self.inputs.session(self.run, Some(known.as_of)).await?;
        let Some(changes) = &self.table.changes else {
            let rows = run_script(&session, &self.table.rows).await?;
            return Ok((How::Whole, self.stager().difference(base, rows).await?));
        };
        if !self.inputs.register_changes(&session, &self.table.reads)? {
            let rows = run_script(&session, &self.table.rows).await?;
            return Ok((How::Whole, self.stager().difference(base, rows).await?));
        }
        for step in &changes.steps {
            let rows = sql(&session, &changes.name, &step.sql).await?;
            let name = step.name.strip_prefix("narrow ").unwrap_or(&step.name);
            if keep(&session, name, rows).await? == 0 && name == "affected" {
                return Ok((How::Unchanged, None));
            }
        }
        let rows = run_script(&session, &self.table.rows).await?;
        let affected = sql(&session, self.table.name(), "select distinct key from affected").await?;
        Ok((How::Changes, self.stager().changes(base, rows, affected).await?))
    }

    fn stager(&self) -> Stager {
        let (name, location) = (self.table.name(), self.run.gold(self.table.name()));
        Stager::new(self.run.engine, location, name, &self.table.key, &self.table.rows.about)
    }
}

/// Whether rows change by the mere passing of time.
fn depends_on_time(rows: &Script) -> bool {
    rows.text().contains("as_of")
}
