//! Finds values that are not of the type of their column.

use deltalake::datafusion::error::Result as QueryResult;
use deltalake::datafusion::logical_expr::conditional_expressions::CaseBuilder;
use deltalake::datafusion::prelude::{DataFrame, SessionContext, col, ident, lit};

use super::{CsvSource, nothing};
use crate::error::{Context, Result};
use crate::lake::conform;
use crate::sql::SourceTable;

impl CsvSource {
    /// Each row with an unreadable value, and the first such column.
    pub(in crate::lake) async fn unreadable(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        folder: Option<&str>,
    ) -> Result<DataFrame> {
        let what = format!("find unreadable values in {}", table.name);
        let mut parts = Vec::new();
        for rows in self.text(session, table, folder).await? {
            if let Some(found) = unreadable_rows(rows, table)? {
                parts.push(found.context(&what)?);
            }
        }
        let all = parts.into_iter().map(Ok).reduce(|one: QueryResult<DataFrame>, other| one?.union(other?));
        match all {
            Some(rows) => rows.context(&what),
            None => session
                .read_batch(nothing(table)?)
                .and_then(|empty| empty.select(vec![lit("").alias("id"), lit("").alias("column_name")]))
                .context(&what),
        }
    }
}

/// `None` if all columns are text, or there is no id.
fn unreadable_rows(rows: DataFrame, table: &SourceTable) -> Result<Option<QueryResult<DataFrame>>> {
    let schema = rows.schema().as_arrow().clone();
    let Some(id) = conform::source_column(&schema, "id").map(|field| field.name().clone()) else { return Ok(None) };
    let (mut unreadable, mut names) = (Vec::new(), Vec::new());
    for column in table.bronze_columns()? {
        let Some(found) = conform::source_column(&schema, &column.name) else { continue };
        if conform::is_text(&column.data_type()?) {
            continue;
        }
        unreadable.push(conform::is_unreadable(&ident(found.name()), &column)?);
        names.push(lit(column.name.clone()));
    }
    if names.is_empty() {
        return Ok(None);
    }
    let found = CaseBuilder::new(None, unreadable, names, None)
        .end()
        .and_then(|name| rows.select(vec![ident(id).alias("id"), name.alias("column_name")]))
        .and_then(|rows| rows.filter(col("column_name").is_not_null()));
    Ok(Some(found))
}
