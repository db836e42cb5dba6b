//! The companies to publish. Silver tables have the rows of all; published tables are made of those of the chosen ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use deltalake::arrow::array::AsArray;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::SessionContext;

use super::context::Run;
use crate::engine::{register, sql};
use crate::error::{Context, Error, Result};

/// Tables that every company which sells has rows in.
const TABLES: [&str; 2] = ["custtable", "inventtable"];

/// Of the rows of a silver table, those of the chosen companies, and those that name no company.
pub(super) fn chosen(
    run: &Run<'_>,
    session: &SessionContext,
    table: &str,
    rows: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>> {
    let companies = &run.settings.companies;
    let source = run.catalog.sources.tables.iter().find(|source| source.name == table);
    let Some(company) = source.filter(|_| !companies.is_empty()).and_then(|source| source.company_expression()) else {
        return Ok(rows);
    };
    let choosing = || format!("choose the companies of {table}");
    let rows = session.read_table(rows).context(choosing())?;
    let codes: Vec<_> = companies.iter().map(|code| format!("'{}'", code.replace('\'', "''"))).collect();
    let condition = format!("{company} is null or {company} in ({})", codes.join(", "));
    let condition = rows.parse_sql_expr(&condition).context(choosing())?;
    Ok(rows.filter(condition).context(choosing())?.into_view())
}

/// Refuses companies that the export does not have: a misspelled code would publish nothing.
pub(super) async fn require(run: &Run<'_>, silver: impl Fn(&str) -> Option<Arc<dyn TableProvider>>) -> Result<()> {
    let chosen = &run.settings.companies;
    if chosen.is_empty() {
        return Ok(());
    }
    let session = run.engine.session();
    let mut known = BTreeSet::new();
    for table in TABLES {
        let Some(rows) = silver(table) else { continue };
        register(&session, table, rows)?;
        known.extend(companies_of(&session, table).await?);
    }
    let unknown: Vec<_> = chosen.iter().filter(|code| !known.contains(*code)).cloned().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::Settings(format!(
        "the export has no customer and no item of the company {} (--companies, Companies); it has those of {}",
        unknown.join(", "),
        known.into_iter().collect::<Vec<_>>().join(", ")
    )))
}

async fn companies_of(session: &SessionContext, table: &str) -> Result<Vec<String>> {
    let statement = format!("select distinct dataareaid from {table} where dataareaid is not null");
    let listing = || format!("list the companies of {table}");
    let batches = sql(session, table, &statement).await?.collect().await.context(listing())?;
    let mut codes = Vec::new();
    for batch in &batches {
        let column = cast(batch.column(0), &DataType::Utf8).map_err(DataFusionError::from).context(listing())?;
        codes.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(codes)
}
