//! One preparation, from the export to the published tables.
//!
//! Modules import only modules of lower layers:
//! `mod → {silver, gold, rejected, maintenance} → {checks, gate, known_rows, own_columns, rejections} → inputs → companies →
//! context → {report, state} → {gate_error, layer, shared_steps}`.

mod checks;
mod companies;
mod context;
mod gate;
mod gate_error;
mod gold;
mod inputs;
mod known_rows;
mod layer;
mod maintenance;
mod own_columns;
mod rejected;
mod rejections;
mod report;
mod shared_steps;
mod silver;
mod state;

use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use tokio::sync::RwLock;

pub use gate_error::GateError;
pub use layer::{How, Layer};
pub use report::{Gap, Report, TableReport};

use self::context::Run;
use self::gold::PreparedTable;
use self::inputs::Inputs;
use self::rejections::Rejections;
use self::shared_steps::SharedSteps;
use self::state::State;
use crate::engine::Engine;
use crate::error::{Context, Error, Result};
use crate::lake::Export;
use crate::overlay;
use crate::settings::Settings;
use crate::sql::{Catalog, GoldTable};

/// Prepares the export once. After an interrupted run, the result is the same as without the interruption.
///
/// # Errors
/// The export cannot be read, the results cannot be written, or an SQL file or an overlay is wrong. A run that the gate stops
/// is not an error: its report has problems, and nothing was published, except what a weekly run publishes before it compares
/// all rows.
pub async fn prepare(settings: &Settings) -> Result<Report> {
    prepare_tables(settings, &settings.catalog()?).await
}

/// The same with SQL files that are loaded already.
///
/// # Errors
/// As [`prepare`].
pub async fn prepare_tables(settings: &Settings, catalog: &Catalog) -> Result<Report> {
    let started = Instant::now();
    let additions = overlay::check(catalog).await?;
    let engine = Engine::new(settings.memory, settings.threads)?;
    let as_of = settings.as_of.unwrap_or_else(Utc::now);
    let mut state = State::read(&settings.prepared).await?;
    if let Some(table) = &settings.rebuild {
        if !catalog.has_table(table) {
            return Err(Error::Settings(format!(
                "there is no table {table} to rebuild; `prepare-data dictionary` lists them"
            )));
        }
        state.forget(table);
    }
    let export = Export::discover(&settings.lake, &settings.patterns, &catalog.sources, &state.positions()).await?;
    let run = |reconcile| {
        let (memory, shared_steps) = (RwLock::new(()), SharedSteps::new(engine.scratch()));
        Run { settings, catalog, engine: &engine, export: &export, as_of, reconcile, memory, shared_steps }
    };
    let is_due = settings.full || state.reconciled_at.is_none_or(|last| as_of - last >= settings.reconcile_after);
    // A comparison computes every difference twice. After known changes are published, few differences are left.
    let changes_first = is_due && !settings.full && state.reconciled_at.is_some() && run(is_due).keeps_silver();
    let mut report = prepare_once(&run(is_due && !changes_first), &mut state).await?;
    if changes_first && report.published_all() {
        report = prepare_once(&run(true), &mut state).await?.after(report);
    }
    report.skipped_folders = export.skipped().await;
    report.overlay = additions;
    report.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let text = serde_json::to_string_pretty(&report).context("write the report")?;
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
    checks::require_names(run, &inputs).await?;
    companies::require(run, |table| inputs.silver.get(table).map(|input| Arc::clone(&input.rows))).await?;
    inputs.compute_shared(run).await?;

    let prepared = gold::prepare(run, state, &inputs, &mut report).await?;
    report.problems.extend(gold::gate_errors(run, &inputs, &prepared, state).await?);
    if report.problems.is_empty() {
        let rejections = publish(run, prepared, state, &inputs, &mut report).await?;
        rejected::update(run, state, &inputs, rejections, &mut report).await?;
        state.companies.clone_from(&run.settings.companies);
        if run.reconcile {
            state.reconciled_at = Some(run.as_of);
        }
        maintenance::maintain(run, state, &mut report).await?;
        // After maintenance, so that they are known for the versions that it makes.
        report.gaps = checks::gaps(run, state).await?;
        state.write(&run.settings.prepared).await?;
    }
    Ok(report)
}

/// Commits all gold tables; returns how their rejected rows are updated.
async fn publish<'a>(
    run: &Run<'a>,
    prepared: Vec<PreparedTable<'a>>,
    state: &mut State,
    inputs: &Inputs,
    report: &mut Report,
) -> Result<Vec<(&'a GoldTable, Rejections)>> {
    let mut all = Vec::new();
    for PreparedTable { table, current, pending, rejections } in prepared {
        let now = match pending {
            Some(pending) => Some(pending.commit().await?),
            None => current,
        };
        let version = now.and_then(|table| table.version()).unwrap_or_default();
        report.published(table.name(), version);
        state.gold.insert(table.name().to_owned(), gold::state_of(run, inputs, table, version));
        all.push((table, rejections));
    }
    Ok(all)
}
