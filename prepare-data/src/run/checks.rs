//! Checks of the published tables: references without a target. They stop nothing.

use std::collections::BTreeMap;

use deltalake::arrow::array::AsArray;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Int64Type};
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::SessionContext;

use super::context::Run;
use super::inputs::{Inputs, rows_of};
use super::report::Gap;
use super::state::{CheckState, State};
use crate::engine::{register, run_script, sql};
use crate::error::{Context, Error, Result};
use crate::sql::Script;

/// The results of the checks whose tables are all published. A check is run again only if one of its tables has a new version.
/// Own checks always are: they may depend on the time.
pub(super) async fn gaps(run: &Run<'_>, state: &mut State) -> Result<Vec<Gap>> {
    let session = run.engine.session();
    let mut published = BTreeMap::new();
    for table in &run.catalog.gold {
        let Some(open) = run.gold(table.name()).open().await? else { continue };
        let snapshot = open.snapshot().context("read a published table")?;
        published.insert(table.name(), format!("{}/{}", snapshot.metadata().id(), snapshot.version()));
        register(&session, table.name(), rows_of(run, &open).await?)?;
    }
    let mut known = std::mem::take(&mut state.checks);
    let mut gaps = Vec::new();
    for check in &run.catalog.checks {
        let reads = check.directive("reads").unwrap_or_default().split(',').map(str::trim);
        let inputs = reads.map(|table| Some((table.to_owned(), published.get(table)?.clone())));
        let Some(inputs) = inputs.collect::<Option<BTreeMap<_, _>>>() else { continue };
        let definition_hash = run.definition_hash(&[Some(check)]);
        let is_own = run.catalog.overlay.as_ref().is_some_and(|own| own.checks.contains(&check.name));
        let known = known.remove(&check.name).filter(|known| {
            known.definition_hash == definition_hash && known.inputs == inputs && !is_own && !run.reconcile
        });
        let (found, of) = match known {
            Some(known) => (known.gaps, known.of),
            None => count(&session, check).await?,
        };
        gaps.push(Gap { check: check.name.clone(), about: check.about.clone(), gaps: found, of });
        state.checks.insert(check.name.clone(), CheckState { definition_hash, inputs, gaps: found, of });
    }
    Ok(gaps)
}

/// Runs a check: how many references have no target, and how many there are.
async fn count(session: &SessionContext, check: &Script) -> Result<(u64, u64)> {
    let batches = run_script(session, check).await?.collect().await.context(format!("check {}", check.name))?;
    let value = |column: usize| {
        let batch = batches.iter().find(|batch| batch.num_rows() > 0);
        batch.map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0).unsigned_abs())
    };
    Ok((value(0), value(1)))
}

/// Parameters that name a record of a table of the export, and what the record is.
const NAMES: [(&str, &str, &str); 3] = [
    ("category_hierarchy", "ecorescategoryhierarchy", "category hierarchy"),
    ("brand_attribute", "ecoresattribute", "product attribute"),
    ("exchange_rate_type", "exchangeratetype", "exchange rate type"),
];

/// Refuses names that the export does not have: columns would be empty, and nobody would see why.
pub(super) async fn require_names(run: &Run<'_>, inputs: &Inputs) -> Result<()> {
    for (parameter, table, what) in NAMES {
        if let Some(wanted) = run.settings.parameters.get(parameter).filter(|_| inputs.has(table)) {
            require_name(run, inputs, (parameter, table, what), wanted).await?;
        }
    }
    Ok(())
}

async fn require_name(
    run: &Run<'_>,
    inputs: &Inputs,
    (parameter, table, what): (&str, &str, &str),
    wanted: &str,
) -> Result<()> {
    let session = inputs.session(run, run.engine, None)?;
    let statement = format!("select name, cast(recid as string) as number from {table} order by name nulls last");
    let listing = || format!("list the names of {table}");
    let batches = sql(&session, table, &statement).await?.collect().await.context(listing())?;
    let mut names = Vec::new();
    for batch in &batches {
        let text = |column: usize| cast(batch.column(column), &DataType::Utf8).map_err(DataFusionError::from);
        let (name, number) = (text(0).context(listing())?, text(1).context(listing())?);
        for (name, number) in name.as_string::<i32>().iter().zip(number.as_string::<i32>()) {
            if name.is_some_and(|name| name.to_lowercase() == wanted.to_lowercase()) || number == Some(wanted) {
                return Ok(());
            }
            names.extend(name.or(number).map(str::to_owned));
        }
    }
    Err(Error::Settings(format!(
        "there is no {what} `{wanted}` (parameter {parameter}); the export has {}",
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    )))
}
