//! One preparation, from the export to the published tables.

mod context;
mod gate;
mod gold;
mod inputs;
mod quality;
mod report;
mod silver;
mod state;

use std::time::Instant;

use chrono::Utc;
use tokio::sync::RwLock;

pub use gate::Problem;
pub use report::{Gap, How, Layer, Report, TableReport};

use self::context::Run;
use self::gold::Prepared;
use self::inputs::Inputs;
use self::quality::Rejections;
use self::state::State;
use crate::engine::Engine;
use crate::error::{Result, Trying};
use crate::lake::Export;
use crate::settings::Settings;
use crate::sql::{Catalog, GoldTable};

/// Tables are tidied once in this time.
const TIDY_AFTER: chrono::TimeDelta = chrono::TimeDelta::days(1);

/// Prepares the export once. Whatever was interrupted before, the result is that of a run that was not.
///
/// # Errors
/// The export cannot be read, or the results cannot be written. A run that the gate stops is no error: its report has
/// problems, and nothing was published but what a weekly run publishes before it compares everything.
pub async fn prepare(settings: &Settings) -> Result<Report> {
    let started = Instant::now();
    let catalog = Catalog::load(settings.sql.as_deref())?;
    let engine = Engine::new(settings.memory, settings.threads)?;
    let as_of = settings.as_of.unwrap_or_else(Utc::now);
    let mut state = State::read(&settings.prepared).await?;
    let export = Export::discover(&settings.lake, &settings.patterns, &catalog.sources).await?;
    let turn = |reconcile| {
        let memory = RwLock::new(());
        Run { settings, catalog: &catalog, engine: &engine, export: &export, as_of, reconcile, memory }
    };
    let due = settings.full || state.reconciled_at.is_none_or(|last| as_of - last >= settings.reconcile_after);
    // A comparison computes what differs twice; after what is known to differ is published, hardly anything does.
    let changes_first = due && !settings.full && state.reconciled_at.is_some() && turn(due).keeps_silver();
    let mut report = prepare_once(&turn(due && !changes_first), &mut state).await?;
    if changes_first && report.published_all() {
        report = prepare_once(&turn(true), &mut state).await?.after(report);
    }
    report.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let text = serde_json::to_string_pretty(&report).trying("write the report")?;
    settings.prepared.write("quality/report.json", text).await?;
    Ok(report)
}

async fn prepare_once(run: &Run<'_>, state: &mut State) -> Result<Report> {
    let mut report = Report::new(run.as_of, run.reconcile);
    let mut inputs = Inputs::default();
    if !silver::prepare(run, state, &mut inputs, &mut report).await? {
        return Ok(report);
    }
    state.write(&run.settings.prepared).await?;
    inputs.share(run).await?;

    let prepared = gold::prepare(run, state, &inputs, &mut report).await?;
    report.problems.extend(gate::problems(run, &inputs, &prepared).await?);
    if report.problems.is_empty() {
        let rejections = publish(run, prepared, state, &inputs, &mut report).await?;
        quality::rejected(run, state, &inputs, rejections, &mut report).await?;
        report.gaps = quality::gaps(run).await?;
        if run.reconcile {
            state.reconciled_at = Some(run.as_of);
        }
        tidy(run, state, &mut report).await?;
        state.write(&run.settings.prepared).await?;
    }
    Ok(report)
}

/// Commits what was prepared; with what is to become of the rejected rows.
async fn publish<'a>(
    run: &Run<'a>,
    prepared: Vec<Prepared<'a>>,
    state: &mut State,
    inputs: &Inputs,
    report: &mut Report,
) -> Result<Vec<(&'a GoldTable, Rejections)>> {
    let mut all = Vec::new();
    for Prepared { table, present, staged, rejections } in prepared {
        let now = match staged {
            Some(staged) => Some(staged.commit().await?),
            None => present,
        };
        let version = now.and_then(|table| table.version()).unwrap_or_default();
        report.published(table.name(), version);
        state.gold.insert(table.name().to_owned(), gold::state_of(run, inputs, table, version));
        all.push((table, rejections));
    }
    Ok(all)
}

/// Puts small files together and removes unneeded ones, of tables that this run changed anyway.
async fn tidy(run: &Run<'_>, state: &mut State, report: &mut Report) -> Result<()> {
    if state.tidied_at.is_some_and(|last| run.as_of - last < TIDY_AFTER) {
        return Ok(());
    }
    for table in report.tables.iter_mut().filter(|table| table.changed()) {
        let location = run.location(table.layer, &table.table);
        let Some(open) = location.open().await? else { continue };
        let (tidied, upkeep) = run.stager(run.engine, table.layer, &table.table)?.maintain(open).await?;
        table.upkeep = upkeep;
        let version = tidied.version().unwrap_or_default();
        if table.version != Some(version) {
            table.version = Some(version);
            state.moved(table.layer, &table.table, version);
        }
    }
    state.tidied_at = Some(run.as_of);
    Ok(())
}
