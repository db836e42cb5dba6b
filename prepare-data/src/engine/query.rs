//! Runs statements and registers tables.

use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::datatypes::{Field, Schema, SchemaRef};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};

use super::batches::{conform, plain_type};
use crate::error::{Context, Error, Result};
use crate::sql::Script;

/// Runs the steps of a file, each under its name, and returns the last one's rows, not yet computed. The other steps are
/// kept in memory, except views: they are small by design, and the plans of later steps need their exact sizes.
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

/// Computes rows and registers them under a name; returns how many there are.
///
/// # Errors
/// They cannot be computed.
pub async fn materialize(session: &SessionContext, name: &str, rows: DataFrame) -> Result<usize> {
    let (table, count) = in_memory(name, rows).await?;
    register(session, name, table)?;
    Ok(count)
}

/// Computes rows; returns them with their number.
///
/// # Errors
/// They cannot be computed.
pub async fn in_memory(name: &str, rows: DataFrame) -> Result<(Arc<MemTable>, usize)> {
    // The parts of a union differ in what may be NULL, and scans use other types for text than plans declare. A table has
    // one schema.
    let fields =
        rows.schema().fields().iter().map(|field| Field::new(field.name(), plain_type(field.data_type()), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut partitions: Vec<Vec<RecordBatch>> = rows.collect_partitioned().await.context(format!("compute {name}"))?;
    let mut count = 0;
    for batch in partitions.iter_mut().flatten() {
        count += batch.num_rows();
        *batch = conform(batch, &schema).map_err(DataFusionError::from).context(format!("keep {name}"))?;
    }
    let table = MemTable::try_new(schema, partitions).context(format!("keep {name}"))?;
    Ok((Arc::new(table), count))
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
    let batch = RecordBatch::new_empty(Arc::clone(&schema));
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]]).context("make an empty table")?))
}

/// A time as a literal.
pub fn timestamp_literal(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}
