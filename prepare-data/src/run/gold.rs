//! Published tables: staged all together, committed only if the gate lets all of them through.

use std::time::Instant;

use deltalake::DeltaTable;
use futures::FutureExt;

use super::context::Run;
use super::inputs::Inputs;
use super::quality::Rejections;
use super::report::{How, Layer, Report, TableReport};
use super::state::{GoldState, State};
use crate::delta::{Part, Staged, row_count};
use crate::engine::{Engine, keep, run_script, search, sql};
use crate::error::Result;
use crate::sql::{GoldTable, Script};

/// A gold table before it is published.
pub(super) struct Prepared<'a> {
    pub(super) table: &'a GoldTable,
    /// As it is; none if it is new.
    pub(super) present: Option<DeltaTable>,
    /// What changes; none if nothing does.
    pub(super) staged: Option<Staged>,
    pub(super) rejections: Rejections,
}

/// Prepares every gold table whose driver is exported.
pub(super) async fn prepare<'a>(
    run: &Run<'a>,
    state: &State,
    inputs: &Inputs,
    report: &mut Report,
) -> Result<Vec<Prepared<'a>>> {
    let (exported, left_out): (Vec<_>, Vec<_>) = run.catalog.gold.iter().partition(|table| inputs.has(&table.driver));
    report.left_out.extend(left_out.iter().map(|table| table.name().to_owned()));
    let tables = exported.into_iter().map(|table| prepare_one(run, state, inputs, table).boxed()).collect();
    let (entries, prepared): (Vec<_>, Vec<_>) = run.each(tables).await?.into_iter().unzip();
    report.tables.extend(entries);
    Ok(prepared)
}

async fn prepare_one<'a>(
    run: &Run<'a>,
    state: &State,
    inputs: &Inputs,
    table: &'a GoldTable,
) -> Result<(TableReport, Prepared<'a>)> {
    let started = Instant::now();
    let present = run.gold(table.name()).open().await?;
    let gold = Gold { run, inputs, table, present: present.as_ref() };
    let (how, staged, rejections) = gold.prepare(state.gold.get(table.name())).await?;
    let mut entry = TableReport::new(Layer::Gold, table.name(), how);
    entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(staged) = &staged {
        entry.counts = staged.counts;
        entry.columns_change = staged.columns_change;
    } else if let Some(present) = &present {
        entry.counts.before = row_count(present)?;
        entry.counts.after = entry.counts.before;
    }
    Ok((entry, Prepared { table, present, staged, rejections }))
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
    present: Option<&'a DeltaTable>,
}

type Outcome = (How, Option<Staged>, Rejections);

impl Gold<'_> {
    async fn prepare(&self, known: Option<&GoldState>) -> Result<Outcome> {
        // What is known counts only if the table was made by these statements from the tables as they were before this run.
        let known = known.filter(|known| {
            self.present.and_then(DeltaTable::version) == Some(known.version)
                && known.made_by == made_by(self.run, self.table)
                && known.inputs == self.inputs.before(&self.table.reads)
                && !self.run.reconcile
        });
        let (Some(known), Some(present)) = (known, self.present) else { return self.whole().await };
        if self.inputs.unchanged(&self.table.reads) && !depends_on_time(&self.table.rows) {
            return Ok((How::Unchanged, None, Rejections::Unchanged));
        }
        match &self.table.changes {
            Some(changes) => self.changes(present, changes, known).await,
            None => self.whole().await,
        }
    }

    async fn whole(&self) -> Result<Outcome> {
        let _alone = if self.table.is_small() { None } else { Some(self.run.memory.write().await) };
        let compute = |engine| self.difference(engine).boxed();
        let staged = self.run.engine.within_memory(self.table.name(), compute).await?;
        Ok((How::Whole, staged, Rejections::Whole))
    }

    async fn difference(&self, engine: Engine) -> Result<Option<Staged>> {
        let session = self.inputs.session(self.run, &engine, None)?;
        let rows = run_script(&session, &self.table.rows).await?;
        self.run
            .stager(&engine, Layer::Gold, self.table.name())?
            .difference(self.present.cloned(), Part::all(rows))
            .await
    }

    async fn changes(&self, present: &DeltaTable, changes: &Script, known: &GoldState) -> Result<Outcome> {
        let engine = self.run.engine;
        let session = self.inputs.session(self.run, engine, Some(known.as_of))?;
        if !self.inputs.register_changes(&session, &self.table.reads)? {
            return self.whole().await;
        }
        let _shared = self.run.memory.read().await;
        for step in &changes.steps {
            let rows = sql(&session, &changes.name, &step.sql).await?;
            let name = step.name.strip_prefix("narrow ").unwrap_or(&step.name);
            if keep(&session, name, search(rows)).await? == 0 && name == "affected" {
                return Ok((How::Unchanged, None, Rejections::Unchanged));
            }
        }
        let rejections = Rejections::changes(self.table, &session).await?;
        let rows = run_script(&session, &self.table.rows).await?;
        let affected = sql(&session, self.table.name(), "select distinct key from affected").await?;
        let staged =
            self.run.stager(engine, Layer::Gold, self.table.name())?.changes(present.clone(), rows, affected).await?;
        Ok((How::Changes, staged, rejections))
    }
}

/// Whether rows change by the mere passing of time.
fn depends_on_time(rows: &Script) -> bool {
    rows.statements().contains("as_of")
}
