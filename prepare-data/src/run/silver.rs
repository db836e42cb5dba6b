//! Standardised tables: kept up to date by what is new in the export, or views where two layers are kept.

use std::sync::Arc;
use std::time::Instant;

use deltalake::DeltaTable;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use futures::FutureExt;

use super::context::Run;
use super::gate::{self, Problem};
use super::inputs::{Changes, Input, Inputs, rows_of};
use super::report::{How, Layer, Report, TableReport};
use super::state::{SilverState, State};
use crate::delta::{Part, Staged};
use crate::engine::{Engine, empty, keep, register, run_script, sql};
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
            report.seen(&silver.position);
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
        Some(source) if run.keeps_silver() => silver.keep(source, state).await?,
        Some(source) => Outcome::of(silver.view(source).await?),
    };
    Ok((&table.name, outcome))
}

/// What came of a table.
struct Outcome {
    /// None if the gate stopped the run.
    input: Option<Input>,
    entry: Option<TableReport>,
    state: Option<SilverState>,
    problem: Option<Problem>,
}

impl Outcome {
    fn of(input: Input) -> Self {
        Self { input: Some(input), entry: None, state: None, problem: None }
    }
}

struct Silver<'a> {
    run: &'a Run<'a>,
    table: &'a SourceTable,
    script: &'a Script,
}

impl Silver<'_> {
    /// A table that the export lacks counts as empty; but not one that was there before.
    async fn absent(&self) -> Result<Input> {
        if self.run.keeps_silver() && self.run.silver(&self.table.name).open().await?.is_some() {
            return Err(Error::Export(format!(
                "{} was exported before and is not any more: add it to the export again, or remove {} if that is meant",
                self.table.name,
                self.run.silver(&self.table.name)
            )));
        }
        let session = self.run.engine.session();
        register(&session, &self.bronze(), empty(Arc::new(self.table.bronze_schema()?))?)?;
        let rows = self.rows(&session).await?;
        let rows = rows.into_view();
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

    /// Brings the kept table up to date.
    async fn keep(&self, source: &Source, state: &State) -> Result<Outcome> {
        let started = Instant::now();
        let name = &self.table.name;
        let base = self.run.silver(name).open().await?;
        let before = base.as_ref().and_then(DeltaTable::version);
        let made_by = format!("{}{}", self.run.made_by(&[Some(self.script)]), self.columns());
        let known = state.silver.get(name).filter(|known| Some(known.version) == before && known.made_by == made_by);
        let session = self.run.engine.session();
        let position = source.position(&session).await?;
        let (how, staged) = match (&base, known) {
            (Some(base), Some(known)) if !self.run.reconcile => {
                if known.position == position {
                    (How::Unchanged, None)
                } else {
                    self.new_rows(source, &session, base, known).await?
                }
            }
            _ => (How::Whole, self.whole(source, base.clone()).await?),
        };
        let mut entry = TableReport::new(Layer::Silver, name, how);
        let replaced = how == How::Whole && staged.as_ref().is_some_and(|staged| staged.images.is_none());
        let mut changes = if replaced { Changes::Unknown } else { Changes::None };
        let table = match staged {
            None => base,
            Some(mut staged) => {
                entry.counts = staged.counts;
                let problem = gate::vanishing(self.run, &staged).or_else(|| gate::keys(&staged));
                if problem.is_some() {
                    return Ok(Outcome { input: None, entry: Some(entry), state: None, problem });
                }
                if let Some(images) = staged.images.take() {
                    changes = Changes::Rows(images);
                }
                Some(staged.commit().await?)
            }
        };
        let Some(table) = table else { return Err(Error::Export(format!("{name} has no rows and no table"))) };
        let now = table.version();
        entry.finished(&table, started)?;
        let since = known.map(|known| known.position.clone()).filter(|_| how != How::Whole);
        let input = Input { rows: rows_of(self.run, &table).await?, changes, before, now, exported: true, since };
        let state = SilverState { version: now.unwrap_or_default(), position, made_by };
        Ok(Outcome { input: Some(input), entry: Some(entry), state: Some(state), problem: None })
    }

    async fn whole(&self, source: &Source, base: Option<DeltaTable>) -> Result<Option<Staged>> {
        let _alone = self.run.memory.write().await;
        let compute = |engine| self.difference(engine, source, base.clone()).boxed();
        self.run.engine.within_memory(&self.table.name, compute).await
    }

    async fn difference(&self, engine: Engine, source: &Source, base: Option<DeltaTable>) -> Result<Option<Staged>> {
        let session = engine.session();
        let bronze = source.all(&session).await?;
        register(&session, &self.bronze(), bronze.into_view())?;
        let rows = self.rows(&session).await?;
        self.run.stager(&engine, Layer::Silver, &self.table.name)?.difference(base, Part::all(rows)).await
    }

    async fn new_rows(
        &self,
        source: &Source,
        session: &SessionContext,
        base: &DeltaTable,
        known: &SilverState,
    ) -> Result<(How, Option<Staged>)> {
        let Some(bronze) = source.since(session, &known.position).await? else {
            return Ok((How::Whole, self.whole(source, Some(base.clone())).await?));
        };
        let _shared = self.run.memory.read().await;
        if keep(session, &self.bronze(), bronze).await? == 0 {
            return Ok((How::Unchanged, None));
        }
        let rows = self.rows(session).await?;
        let affected =
            sql(session, &self.table.name, &format!("select distinct id as key from {}", self.bronze())).await?;
        Ok((
            How::Changes,
            self.run
                .stager(self.run.engine, Layer::Silver, &self.table.name)?
                .changes(base.clone(), rows, affected)
                .await?,
        ))
    }

    /// The standardised rows of whatever is registered as bronze.
    async fn rows(&self, session: &SessionContext) -> Result<DataFrame> {
        let current = run_script(session, &self.run.catalog.current_rows_of(&self.table.name)?).await?;
        register(session, &format!("current_{}", self.table.name), current.into_view())?;
        run_script(session, self.script).await
    }

    fn bronze(&self) -> String {
        format!("bronze_{}", self.table.name)
    }

    fn columns(&self) -> String {
        format!("/{}", self.table.columns.len())
    }
}
