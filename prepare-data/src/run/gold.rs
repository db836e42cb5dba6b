//! Published tables. All are prepared before the first is committed, and only if the gate stops none of them.

use std::time::Instant;

use chrono::{DateTime, Utc};
use deltalake::DeltaTable;
use deltalake::datafusion::prelude::SessionContext;
use futures::FutureExt;

use super::context::Run;
use super::gate;
use super::gate_error::GateError;
use super::inputs::Inputs;
use super::layer::{How, Layer};
use super::own_columns::{self, ShippedChanges};
use super::rejections::Rejections;
use super::report::{Report, TableReport};
use super::state::{GoldState, State};
use crate::delta::{PendingCommit, row_count};
use crate::engine::{Engine, in_memory, materialize, run_script, sql, with_dynamic_filters};
use crate::error::{Context, Result};
use crate::overlay::join_own_columns;
use crate::sql::{GoldTable, Script};

/// A gold table before it is published.
pub(super) struct PreparedTable<'a> {
    pub(super) table: &'a GoldTable,
    /// The table as it is; `None` if it is new.
    pub(super) current: Option<DeltaTable>,
    /// Its changes; `None` if there are none.
    pub(super) pending: Option<PendingCommit>,
    pub(super) rejections: Rejections,
}

/// Prepares every gold table whose main source is exported.
pub(super) async fn prepare<'a>(
    run: &Run<'a>,
    state: &State,
    inputs: &Inputs,
    report: &mut Report,
) -> Result<Vec<PreparedTable<'a>>> {
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
) -> Result<(TableReport, PreparedTable<'a>)> {
    let started = Instant::now();
    let current = run.gold(table.name()).open().await?;
    let gold = Gold { run, inputs, table, current: current.as_ref() };
    let (how, pending, rejections) = gold.prepare(state.gold.get(table.name())).await?;
    let mut entry = TableReport::new(Layer::Gold, table.name(), how);
    entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Some(pending) = &pending {
        entry.counts = pending.counts;
        entry.columns_change = pending.columns_change;
    } else if let Some(current) = &current {
        entry.counts.before = row_count(current)?;
        entry.counts.after = entry.counts.before;
    }
    Ok((entry, PreparedTable { table, current, pending, rejections }))
}

/// What the gate finds in the prepared tables.
pub(super) async fn gate_errors(
    run: &Run<'_>,
    inputs: &Inputs,
    prepared: &[PreparedTable<'_>],
    state: &State,
) -> Result<Vec<GateError>> {
    let mut errors = Vec::new();
    let choice = gate::Choice { before: &state.companies, now: &run.settings.companies };
    for PreparedTable { table, pending, .. } in prepared {
        let Some(pending) = pending else { continue };
        errors.extend(gate::keys(pending));
        errors.extend(gate::row_loss(run, pending, Some(choice)));
        errors.extend(gate::empty_profile(run, inputs, table, pending).await?);
    }
    Ok(errors)
}

pub(super) fn state_of(run: &Run<'_>, inputs: &Inputs, table: &GoldTable, version: u64) -> GoldState {
    GoldState {
        version,
        definition_hash: definition_hash(run, table),
        as_of: run.as_of,
        inputs: inputs.now(&table.reads),
    }
}

fn definition_hash(run: &Run<'_>, table: &GoldTable) -> String {
    let own = table.columns.as_ref().map(|columns| &columns.script);
    run.published_hash(&[Some(&table.rows), table.changes.as_ref(), own])
}

struct Gold<'a> {
    run: &'a Run<'a>,
    inputs: &'a Inputs,
    table: &'a GoldTable,
    current: Option<&'a DeltaTable>,
}

type Outcome = (How, Option<PendingCommit>, Rejections);

impl Gold<'_> {
    async fn prepare(&self, known: Option<&GoldState>) -> Result<Outcome> {
        // The state is used only if these statements made the table from the inputs as they were before this run.
        let known = known.filter(|known| {
            self.current.and_then(DeltaTable::version) == Some(known.version)
                && known.definition_hash == definition_hash(self.run, self.table)
                && known.inputs == self.inputs.before(&self.table.reads)
                && !self.run.reconcile
        });
        let (Some(known), Some(current)) = (known, self.current) else { return self.whole().await };
        if self.inputs.unchanged(&self.table.reads) && !depends_on_time(self.table) {
            return Ok((How::Unchanged, None, Rejections::Unchanged));
        }
        match &self.table.changes {
            Some(changes) => self.changes(current, changes, known).await,
            None => self.whole().await,
        }
    }

    async fn whole(&self) -> Result<Outcome> {
        let is_small = self.table.is_small() && self.table.columns.is_none();
        let _exclusive = if is_small { None } else { Some(self.run.memory.write().await) };
        let compute = |engine| self.difference(engine).boxed();
        let pending = self.run.engine.within_memory(self.table.name(), compute).await?;
        Ok((How::Whole, pending, Rejections::Whole))
    }

    async fn difference(&self, engine: Engine) -> Result<Option<PendingCommit>> {
        let session = self.inputs.session(self.run, &engine, None)?;
        let rows = run_script(&session, &self.table.rows).await?;
        let rows = join_own_columns(&session, self.table, rows).await?;
        let rows = match self.current {
            // A comparison reads the rows twice. Small ones are kept, so that they are computed once.
            Some(_) if self.table.is_small() => {
                materialize(&session, self.table.name(), rows).await?;
                session.table(self.table.name()).await.context("read the rows")?
            }
            _ => rows,
        };
        self.run.table_writer(&engine, Layer::Gold, self.table.name())?.difference(self.current.cloned(), rows).await
    }

    async fn changes(&self, current: &DeltaTable, changes: &Script, known: &GoldState) -> Result<Outcome> {
        let engine = self.run.engine;
        let session = self.inputs.session(self.run, engine, Some(known.as_of))?;
        if !self.inputs.register_changes(self.run, &session, &self.table.reads)? {
            return self.whole().await;
        }
        let shared = self.run.memory.read().await;
        if !self.narrowed(&session, changes, known.as_of).await? {
            drop(shared);
            return self.own_changes(current, None, Rejections::Unchanged).await;
        }
        let rejections = Rejections::changes(self.table, &session).await?;
        let rows = run_script(&session, &self.table.rows).await?;
        let affected = sql(&session, self.table.name(), "select distinct key from affected").await?;
        if self.table.columns.is_some() {
            let (affected, _) = in_memory("affected", affected).await?;
            let (rows, _) = in_memory(self.table.name(), rows).await?;
            drop(shared);
            return self.own_changes(current, Some(ShippedChanges { affected, rows }), rejections).await;
        }
        let pending = self
            .run
            .table_writer(engine, Layer::Gold, self.table.name())?
            .changes(current.clone(), rows, affected)
            .await?;
        Ok((How::Changes, pending, rejections))
    }

    /// Runs the statements that limit the tables to what changed; `false` if no row is affected.
    async fn narrowed(&self, session: &SessionContext, changes: &Script, previous: DateTime<Utc>) -> Result<bool> {
        let mut shared = self.run.shared_steps.since(previous);
        let (used, own) = changes.steps.split_at(changes.used);
        for step in used {
            shared.register(session, step).await?;
        }
        for step in own {
            let rows = with_dynamic_filters(sql(session, &changes.name, &step.sql).await?);
            if materialize(session, step.table(), rows).await? == 0 && step.name == "affected" {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The changes of own columns, with those of the shipped ones.
    async fn own_changes(
        &self,
        current: &DeltaTable,
        shipped: Option<ShippedChanges>,
        rejections: Rejections,
    ) -> Result<Outcome> {
        let is_affected = shipped.is_some();
        let pending = own_columns::changes(self.run, self.inputs, self.table, current, shipped).await?;
        let how = if is_affected || pending.is_some() { How::Changes } else { How::Unchanged };
        Ok((how, pending, rejections))
    }
}

/// Whether rows change with the time of the run.
fn depends_on_time(table: &GoldTable) -> bool {
    let own = table.columns.as_ref().map(|columns| &columns.script);
    own.into_iter().chain([&table.rows]).any(|script| script.statements().contains("as_of"))
}
