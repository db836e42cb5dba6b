//! Rows that had to be left out, and references that lead nowhere.

use std::time::Instant;

use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::Int64Type;
use deltalake::datafusion::prelude::DataFrame;

use super::context::Run;
use super::inputs::{Inputs, rows_of};
use super::report::{Gap, How, Layer, Report, TableReport};
use super::state::{GoldState, State};
use crate::delta::Stager;
use crate::engine::{register, run_script, sql};
use crate::error::{Result, Trying};

const ABOUT: &str = "Rows of the export that are in no published table, with the reason";

/// Keeps the table of rejected rows.
pub(super) async fn rejected(run: &Run<'_>, state: &mut State, inputs: &Inputs, report: &mut Report) -> Result<()> {
    let started = Instant::now();
    let scripts: Vec<_> = run.catalog.gold.iter().filter_map(|table| Some((table, table.rejected.as_ref()?))).collect();
    let made_by = run.made_by(&scripts.iter().map(|(_, script)| Some(*script)).collect::<Vec<_>>());
    let reads: Vec<String> = scripts.iter().flat_map(|(table, _)| table.reads.clone()).collect();
    let location = run.location(Layer::Quality, "rejected");
    let base = location.open().await?;
    let unchanged = state.rejected.as_ref().is_some_and(|known| {
        base.as_ref().and_then(deltalake::DeltaTable::version) == Some(known.version)
            && known.made_by == made_by
            && known.inputs == inputs.before(&reads)
            && inputs.unchanged(&reads)
    });
    let mut entry = TableReport::new(Layer::Quality, "rejected", if unchanged { How::Unchanged } else { How::Whole });
    let table = match (unchanged, base) {
        (true, Some(base)) => base,
        (_, base) => {
            let mut all: Option<DataFrame> = None;
            for (table, script) in &scripts {
                if inputs.silver.get(&table.driver).is_some_and(|driver| !driver.exported) {
                    continue;
                }
                let session = inputs.session(run, None).await?;
                register(&session, "rows", run_script(&session, script).await?.into_view())?;
                let rows = sql(&session, table.name(), &rejections(table.name())).await?;
                all = Some(match all {
                    None => rows,
                    Some(others) => others.union(rows).trying("gather rejected rows")?,
                });
            }
            let Some(mut all) = all else { return Ok(()) };
            all = all.union(unreadable(run, state, base.as_ref()).await?).trying("gather rejected rows")?;
            let session = run.engine.session();
            register(&session, "rows", all.into_view())?;
            let all = sql(&session, "rejected", "select distinct * from rows").await?;
            let stager = Stager::new(run.engine, location, "rejected", "rejection_id", ABOUT);
            let staged = match base.clone() {
                None => Some(stager.replace(None, all).await?),
                Some(base) => stager.difference(base, all).await?,
            };
            match (staged, base) {
                (Some(staged), _) => {
                    entry.counts = staged.counts;
                    staged.commit().await?
                }
                (None, Some(base)) => base,
                (None, None) => return Ok(()),
            }
        }
    };
    entry.finished(&table, started)?;
    report.rejected = reasons(run, &table).await?;
    let version = table.version().unwrap_or_default();
    state.rejected = Some(GoldState { version, made_by, as_of: run.as_of, inputs: inputs.now(&reads) });
    report.tables.push(entry);
    Ok(())
}

fn rejections(table: &str) -> String {
    format!(
        "select concat_ws('/', '{table}', source_table, source_id, reason) as rejection_id, '{table}' as published_table, \
         source_table, source_id, dataareaid as company, key, reason from rows"
    )
}

/// Values of change files that could not be read, of all files in a whole run, else those of new files besides the known.
async fn unreadable(run: &Run<'_>, state: &State, base: Option<&deltalake::DeltaTable>) -> Result<DataFrame> {
    let session = run.engine.session();
    let columns = "rejection_id, published_table, source_table, source_id, company, key, reason";
    let mut all = match base.filter(|_| !run.reconcile) {
        Some(base) => {
            base.update_datafusion_session(&session.state()).trying("read rejected rows")?;
            register(&session, "known", rows_of(run, base).await?)?;
            sql(&session, "rejected", &format!("select {columns} from known where reason like 'unreadable%'")).await?
        }
        None => {
            sql(
                &session,
                "rejected",
                &format!(
                    "select {} where false",
                    columns.split(", ").map(|c| format!("'' as {c}")).collect::<Vec<_>>().join(", ")
                ),
            )
            .await?
        }
    };
    for (name, source) in run.export.sources.iter().filter(|(_, source)| source.is_text()) {
        let since = state.silver.get(name).map(|known| &known.position).filter(|_| !run.reconcile);
        let Some(rows) = source.unreadable(&session, since)? else { continue };
        register(&session, &format!("unreadable_{name}"), rows.into_view())?;
        let rows = sql(
            &session,
            name,
            &format!(
                "select concat_ws('/', '{name}', id, 'unreadable', column_name) as rejection_id, cast(null as varchar) as \
                 published_table, '{name}' as source_table, id as source_id, cast(null as varchar) as company, \
                 cast(null as varchar) as key, 'unreadable_' || column_name as reason from unreadable_{name}"
            ),
        )
        .await?;
        all = all.union(rows).trying("gather unreadable values")?;
    }
    Ok(all)
}

async fn reasons(run: &Run<'_>, table: &deltalake::DeltaTable) -> Result<std::collections::BTreeMap<String, u64>> {
    let session = run.engine.session();
    table.update_datafusion_session(&session.state()).trying("read rejected rows")?;
    register(&session, "rejected", rows_of(run, table).await?)?;
    let counted = "select cast(reason as varchar) as reason, count(*) as rows from rejected group by reason";
    let batches = sql(&session, "rejected", counted).await?.collect().await.trying("count rejected rows")?;
    let mut reasons = std::collections::BTreeMap::new();
    for batch in &batches {
        let names = deltalake::arrow::compute::cast(batch.column(0), &deltalake::arrow::datatypes::DataType::Utf8)
            .map_err(deltalake::DeltaTableError::from)
            .trying("count rejected rows")?;
        let counts = batch.column(1).as_primitive::<Int64Type>();
        for (name, count) in names.as_string::<i32>().iter().zip(counts) {
            reasons.insert(name.unwrap_or_default().to_owned(), count.unwrap_or_default().unsigned_abs());
        }
    }
    Ok(reasons)
}

/// References between published tables that lead nowhere.
pub(super) async fn gaps(run: &Run<'_>) -> Result<Vec<Gap>> {
    let session = run.engine.session();
    let mut present = Vec::new();
    for table in &run.catalog.gold {
        let Some(open) = run.gold(table.name()).open().await? else { continue };
        open.update_datafusion_session(&session.state()).trying("read published tables")?;
        register(&session, table.name(), rows_of(run, &open).await?)?;
        present.push(table.name());
    }
    let mut gaps = Vec::new();
    for check in &run.catalog.checks {
        let reads = check.directive("reads").unwrap_or_default();
        if !reads.split(',').all(|table| present.contains(&table.trim())) {
            continue;
        }
        let batches = run_script(&session, check).await?.collect().await.trying(format!("check {}", check.name))?;
        let value = |column: usize| {
            let batch = batches.iter().find(|batch| batch.num_rows() > 0);
            batch.map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0).unsigned_abs())
        };
        gaps.push(Gap { check: check.name.clone(), about: check.about.clone(), gaps: value(0), of: value(1) });
    }
    Ok(gaps)
}
