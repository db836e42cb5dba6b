//! Standardised tables: stored and updated from what is new in the export, or views if only two layers are stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use deltalake::DeltaTable;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use futures::FutureExt;

use super::context::Run;
use super::gate;
use super::gate_error::GateError;
use super::inputs::{Changes, Input, Inputs, rows_of};
use super::known_rows::{add_known, keep_new};
use super::layer::{How, Layer};
use super::report::{Report, TableReport};
use super::state::{SilverState, State};
use crate::delta::PendingCommit;
use crate::engine::{Engine, empty, materialize, register, run_script, sql};
use crate::error::{Error, Result};
use crate::lake::Source;
use crate::sql::{Script, SourceTable};

/// Prepares every silver table; `false` if the gate stopped the run.
pub(super) async fn prepare(
    run: &Run<'_>,
    state: &mut State,
    inputs: &mut Inputs,
    report: &mut Report,
) -> Result<bool> {
    let tables = run.catalog.sources.tables.iter().map(|table| outcome(run, table, state).boxed()).collect();
    for (name, outcome) in run.each(tables).await? {
        report.tables.extend(outcome.entry);
        report.problems.extend(outcome.problem);
        if let Some(silver) = outcome.state {
            report.add_position(&silver.position);
            state.silver.insert(name.to_owned(), silver);
        }
        inputs.silver.extend(outcome.input.map(|input| (name.to_owned(), input)));
    }
    Ok(report.problems.is_empty())
}

async fn outcome<'a>(run: &Run<'_>, table: &'a SourceTable, state: &State) -> Result<(&'a str, Outcome)> {
    let Some(script) = run.catalog.silver.get(&table.name) else {
        return Err(Error::Catalog(format!("sql/silver/{}.sql is missing", table.name)));
    };
    let silver = Silver { run, table, script };
    let outcome = match run.export.sources.get(&table.name) {
        None => Outcome::of(silver.absent().await?),
        Some(source) if run.keeps_silver() => silver.update(source, state).await?,
        Some(source) => Outcome::of(silver.view(source).await?),
    };
    Ok((&table.name, outcome))
}

/// The result of one table.
struct Outcome {
    /// `None` if the gate stopped the run.
    input: Option<Input>,
    entry: Option<TableReport>,
    state: Option<SilverState>,
    problem: Option<GateError>,
}

impl Outcome {
    fn of(input: Input) -> Self {
        Self { input: Some(input), entry: None, state: None, problem: None }
    }
}

/// Whether change folders were deleted since all of them were read: the stored table is then the only complete one.
fn is_pruned(source: &Source, saved: &SilverState) -> bool {
    saved.first_folder.as_deref().is_some_and(|first| source.first_folder().is_none_or(|now| now > first))
}

struct Silver<'a> {
    run: &'a Run<'a>,
    table: &'a SourceTable,
    script: &'a Script,
}

impl Silver<'_> {
    /// A table that is not exported counts as empty, unless it was exported before.
    async fn absent(&self) -> Result<Input> {
        if self.run.keeps_silver() && self.run.silver(&self.table.name).open().await?.is_some() {
            return Err(Error::Export(format!(
                "{} was exported before and is not exported now: add it to the export again, or remove {} if that is intended",
                self.table.name,
                self.run.silver(&self.table.name)
            )));
        }
        // Without the plan that finds the present rows: each statement that reads the table would plan it again.
        let session = self.run.engine.session();
        register(&session, &format!("current_{}", self.table.name), empty(Arc::new(self.table.current_schema()?))?)?;
        let rows = run_script(&session, self.script).await?;
        let rows = empty(Arc::clone(rows.schema().inner()))?;
        Ok(Input { rows, changes: Changes::None, before: None, now: None, exported: false, since: None })
    }

    async fn view(&self, source: &Source) -> Result<Input> {
        let session = self.run.engine.session();
        let bronze = source.all(&session).await?;
        register(&session, &self.bronze(), bronze.into_view())?;
        let rows = self.rows(&session).await?;
        let rows = rows.into_view();
        Ok(Input { rows, changes: Changes::Unknown, before: None, now: None, exported: true, since: None })
    }

    /// Updates the stored table.
    async fn update(&self, source: &Source, state: &State) -> Result<Outcome> {
        let started = Instant::now();
        let name = &self.table.name;
        let base = self.run.silver(name).open().await?;
        let before = base.as_ref().and_then(DeltaTable::version);
        let definition_hash = format!("{}{}", self.run.definition_hash(&[Some(self.script)]), self.columns());
        let saved = state.silver.get(name);
        let session = self.run.engine.session();
        let position = source.position(&session, saved.map(|saved| &saved.position)).await?;
        let pruned = saved.filter(|saved| base.is_some() && is_pruned(source, saved));
        if pruned.is_some_and(|saved| saved.definition_hash != definition_hash) {
            return Err(self.needs_history(source));
        }
        // Reading the same folders once more changes nothing, so a run that was interrupted does no harm here.
        let known = pruned.or_else(|| {
            saved.filter(|saved| Some(saved.version) == before && saved.definition_hash == definition_hash)
        });
        let (how, pending) = match (&base, known) {
            (Some(base), Some(known)) if !self.run.reconcile || pruned.is_some() => {
                if known.position == position && Some(known.version) == before {
                    (How::Unchanged, None)
                } else {
                    self.new_rows(source, &session, base, known).await?
                }
            }
            _ => (How::Whole, self.whole(source, base.clone()).await?),
        };
        let mut entry = TableReport::new(Layer::Silver, name, how);
        let replaced = how == How::Whole && pending.as_ref().is_some_and(|pending| pending.images.is_none());
        let mut changes = if replaced { Changes::Unknown } else { Changes::None };
        let table = match pending {
            None => base,
            Some(mut pending) => {
                entry.counts = pending.counts;
                let problem = gate::row_loss(self.run, &pending, None).or_else(|| gate::keys(&pending));
                if problem.is_some() {
                    return Ok(Outcome { input: None, entry: Some(entry), state: None, problem });
                }
                if let Some(images) = pending.images.take() {
                    changes = Changes::Rows(images);
                }
                Some(pending.commit().await?)
            }
        };
        let Some(table) = table else { return Err(Error::Export(format!("{name} has no rows and no table"))) };
        let now = table.version();
        entry.finished(&table, started)?;
        let since = known.map(|known| known.position.clone()).filter(|_| how != How::Whole);
        let rows = rows_of(self.run, &table).await?;
        // Plans are shorter where they can tell that there are no rows.
        let rows = if entry.counts.after == 0 { empty(rows.schema())? } else { rows };
        let input = Input { rows, changes, before, now, exported: true, since };
        let none = BTreeMap::new();
        let deletes = source.deletes(known.filter(|_| how != How::Whole).map_or(&none, |known| &known.deletes));
        let first_folder = match known.filter(|_| how != How::Whole) {
            Some(known) => known.first_folder.clone(),
            None => source.first_folder().map(str::to_owned),
        };
        let state = SilverState { version: now.unwrap_or_default(), position, definition_hash, first_folder, deletes };
        Ok(Outcome { input: Some(input), entry: Some(entry), state: Some(state), problem: None })
    }

    async fn whole(&self, source: &Source, base: Option<DeltaTable>) -> Result<Option<PendingCommit>> {
        let _exclusive = self.run.memory.write().await;
        let compute = |engine| self.difference(engine, source, base.clone()).boxed();
        self.run.engine.within_memory(&self.table.name, compute).await
    }

    async fn difference(
        &self,
        engine: Engine,
        source: &Source,
        base: Option<DeltaTable>,
    ) -> Result<Option<PendingCommit>> {
        let session = engine.session();
        let bronze = source.all(&session).await?;
        register(&session, &self.bronze(), bronze.into_view())?;
        let rows = self.rows(&session).await?;
        self.run.table_writer(&engine, Layer::Silver, &self.table.name)?.difference(base, rows).await
    }

    async fn new_rows(
        &self,
        source: &Source,
        session: &SessionContext,
        base: &DeltaTable,
        known: &SilverState,
    ) -> Result<(How, Option<PendingCommit>)> {
        let Some(bronze) = source.since(session, &known.position).await? else {
            return Ok((How::Whole, self.whole(source, Some(base.clone())).await?));
        };
        let _shared = self.run.memory.read().await;
        if materialize(session, &self.bronze(), bronze).await? == 0 {
            return Ok((How::Unchanged, None));
        }
        let mut affected = format!("select distinct id as key from {}", self.bronze());
        if source.is_text() {
            add_known(self.run, session, self.table, base, &known.deletes).await?;
            self.current(session).await?;
            keep_new(session, &self.table.name).await?;
            affected.push_str(" bronze left anti join kept_ids on kept_ids.id = bronze.id where lakefolder <> ''");
        } else {
            self.current(session).await?;
        }
        let rows = run_script(session, self.script).await?;
        let affected = sql(session, &self.table.name, &affected).await?;
        Ok((
            How::Changes,
            self.run
                .table_writer(self.run.engine, Layer::Silver, &self.table.name)?
                .changes(base.clone(), rows, affected)
                .await?,
        ))
    }

    /// The standardised rows of the table that is registered as bronze.
    async fn rows(&self, session: &SessionContext) -> Result<DataFrame> {
        self.current(session).await?;
        run_script(session, self.script).await
    }

    /// Registers the present rows of bronze.
    async fn current(&self, session: &SessionContext) -> Result<()> {
        let current = run_script(session, &self.run.catalog.current_rows_of(&self.table.name)?).await?;
        register(session, &format!("current_{}", self.table.name), current.into_view())
    }

    fn needs_history(&self, source: &Source) -> Error {
        let name = &self.table.name;
        Error::Export(format!(
            "{name} has to be computed anew, because its columns or its SQL changed, and the change folders before {} were \
             deleted. Nothing was changed. Put these folders back; or export {name} again in Synapse Link (remove and add the \
             table), and then run `prepare-data rebuild {name}`",
            source.first_folder().unwrap_or("the next one")
        ))
    }

    fn bronze(&self) -> String {
        format!("bronze_{}", self.table.name)
    }

    fn columns(&self) -> String {
        format!("/{}", self.table.columns.len())
    }
}
