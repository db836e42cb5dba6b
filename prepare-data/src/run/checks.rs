//! Checks of the published tables: references without a target. They stop nothing.

use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::Int64Type;

use super::context::Run;
use super::inputs::rows_of;
use super::report::Gap;
use crate::engine::{register, run_script};
use crate::error::{Context, Result};

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
