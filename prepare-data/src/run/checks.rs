//! Checks of the published tables: references without a target. They stop nothing.

use deltalake::arrow::array::AsArray;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Int64Type};
use deltalake::datafusion::error::DataFusionError;

use super::context::Run;
use super::inputs::{Inputs, rows_of};
use super::report::Gap;
use crate::engine::{register, run_script, sql};
use crate::error::{Context, Error, Result};

/// Runs the checks whose tables are all published.
pub(super) async fn gaps(run: &Run<'_>) -> Result<Vec<Gap>> {
    let session = run.engine.session();
    let mut published = Vec::new();
    for table in &run.catalog.gold {
        let Some(open) = run.gold(table.name()).open().await? else { continue };
        register(&session, table.name(), rows_of(run, &open).await?)?;
        published.push(table.name());
    }
    let mut gaps = Vec::new();
    for check in &run.catalog.checks {
        let reads = check.directive("reads").unwrap_or_default();
        if !reads.split(',').all(|table| published.contains(&table.trim())) {
            continue;
        }
        let batches = run_script(&session, check).await?.collect().await.context(format!("check {}", check.name))?;
        let value = |column: usize| {
            let batch = batches.iter().find(|batch| batch.num_rows() > 0);
            batch.map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0).unsigned_abs())
        };
        gaps.push(Gap { check: check.name.clone(), about: check.about.clone(), gaps: value(0), of: value(1) });
    }
    Ok(gaps)
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
