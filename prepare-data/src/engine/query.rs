//! Runs statements and registers tables.

use std::sync::Arc;

use deltalake::arrow::datatypes::SchemaRef;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};

use super::kept::{Scratch, keep, no_rows};
use crate::error::{Context, Error, Result};
use crate::sql::Script;

/// Runs the steps of a file, each under its name, and returns the last one's rows, not yet computed. The other steps are
/// computed, except views: the plans of later steps need their exact sizes.
///
/// # Errors
/// A statement fails.
pub async fn run_script(session: &SessionContext, script: &Script) -> Result<DataFrame> {
    let (last, before) = script
        .steps
        .split_last()
        .ok_or_else(|| Error::Catalog(format!("{}.sql contains no statement", script.name)))?;
    for step in before {
        let rows = sql(session, &script.name, &step.sql).await?;
        if step.is_view {
            register(session, &step.name, rows.into_view())?;
        } else {
            materialize(session, &step.name, rows).await?;
        }
    }
    sql(session, &script.name, &last.sql).await
}

/// Plans a statement.
///
/// # Errors
/// It cannot be planned.
pub async fn sql(session: &SessionContext, name: &str, statement: &str) -> Result<DataFrame> {
    session.sql(statement).await.context(format!("plan {name}"))
}

/// Computes rows and registers them under a name; returns how many there are. Many rows are kept in temporary files.
///
/// # Errors
/// They cannot be computed or kept.
pub async fn materialize(session: &SessionContext, name: &str, rows: DataFrame) -> Result<usize> {
    let scratch = session.copied_config().get_extension::<Scratch>();
    let (table, count) = compute(name, rows, scratch).await?;
    register(session, name, table)?;
    Ok(count)
}

/// Computes rows and keeps them as long as the scratch, or in memory without one; returns them with their number.
///
/// # Errors
/// They cannot be computed or kept.
pub async fn compute(
    name: &str,
    rows: DataFrame,
    scratch: Option<Arc<Scratch>>,
) -> Result<(Arc<dyn TableProvider>, usize)> {
    keep(rows, scratch).await.context(format!("compute {name}"))
}

/// Computes rows and keeps them in memory; returns them with their number.
///
/// # Errors
/// They cannot be computed.
pub async fn in_memory(name: &str, rows: DataFrame) -> Result<(Arc<dyn TableProvider>, usize)> {
    compute(name, rows, None).await
}

/// Registers a table under a name, and replaces an earlier one.
///
/// # Errors
/// The name is not valid.
pub fn register(session: &SessionContext, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
    session.deregister_table(name).context(format!("replace {name}"))?;
    session.register_table(name, table).map(drop).context(format!("register {name}"))
}

/// A table without rows.
///
/// # Errors
/// The schema is not valid.
pub fn empty(schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
    no_rows(&schema).context("make an empty table")
}

/// A time as a literal.
pub fn timestamp_literal(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}
