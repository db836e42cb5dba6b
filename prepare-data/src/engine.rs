//! The query engine, set up alike for every run.

use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::arrow::error::ArrowError;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use deltalake::datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use deltalake::datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use deltalake::datafusion::prelude::{DataFrame, SessionConfig, SessionContext};

use crate::error::{Result, Trying};
use crate::sql::Script;

/// Makes sessions that share memory, disk and stores, and nothing else.
#[derive(Clone, Debug)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    threads: usize,
}

/// Consumers that are named when memory runs out.
const NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(5).unwrap();

impl Engine {
    /// An engine that may use so many bytes for sorting, grouping and joining before it spills to disk.
    ///
    /// # Errors
    /// The temporary folder cannot be used.
    pub fn new(memory: usize, threads: usize) -> Result<Self> {
        let pool = TrackConsumersPool::new(FairSpillPool::new(memory), NAMED);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).with_disk_manager_builder(disk);
        Ok(Self { runtime: runtime.build_arc().trying("set up the query engine")?, threads })
    }

    /// How many things are done at once.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// A session without tables.
    pub fn session(&self) -> SessionContext {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.threads)
            .with_information_schema(false)
            .set_str("datafusion.execution.time_zone", "UTC");
        // Rows that a condition leaves out are not decoded: most conditions here keep one row in a hundred.
        config.options_mut().execution.parquet.pushdown_filters = true;
        SessionContext::new_with_config_rt(config, Arc::clone(&self.runtime))
    }
}

/// Runs the steps of a file, each under its name, and gives the last one's rows, not yet computed. Steps before it are
/// kept in memory: they are small by design, and the plans of later steps need their true sizes.
///
/// # Errors
/// A statement fails.
pub async fn run_script(session: &SessionContext, script: &Script) -> Result<DataFrame> {
    let (last, before) = script
        .steps
        .split_last()
        .ok_or_else(|| crate::error::Error::Catalog(format!("{}.sql holds no statement", script.name)))?;
    for step in before {
        let rows = sql(session, &script.name, &step.sql).await?;
        keep(session, &step.name, rows).await?;
    }
    sql(session, &script.name, &last.sql).await
}

/// Plans a statement.
///
/// # Errors
/// It cannot be planned.
pub async fn sql(session: &SessionContext, name: &str, statement: &str) -> Result<DataFrame> {
    session.sql(statement).await.trying(format!("plan {name}"))
}

/// Computes rows and gives them a name; how many there are.
///
/// # Errors
/// They cannot be computed.
pub async fn keep(session: &SessionContext, name: &str, rows: DataFrame) -> Result<usize> {
    let table = in_memory(name, rows).await?;
    let count = table.1;
    register(session, name, table.0)?;
    Ok(count)
}

/// Computes rows; with how many there are.
///
/// # Errors
/// They cannot be computed.
pub async fn in_memory(name: &str, rows: DataFrame) -> Result<(Arc<MemTable>, usize)> {
    // Parts of a union say differently whether a column may be NULL, and scans hold text in other forms than plans say;
    // a table has one schema.
    let fields = rows.schema().fields().iter().map(|field| Field::new(field.name(), plain(field.data_type()), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut partitions: Vec<Vec<RecordBatch>> = rows.collect_partitioned().await.trying(format!("compute {name}"))?;
    let mut count = 0;
    for batch in partitions.iter_mut().flatten() {
        count += batch.num_rows();
        *batch = conform(batch, &schema).map_err(DataFusionError::from).trying(format!("keep {name}"))?;
    }
    let table = MemTable::try_new(schema, partitions).trying(format!("keep {name}"))?;
    Ok((Arc::new(table), count))
}

fn plain(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        other => other.clone(),
    }
}

/// The same rows in the types of a schema, whose columns come in the same order.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<Vec<_>, _>>()?)
}

/// Gives a table a name, in place of any that had it.
///
/// # Errors
/// The name is no name.
pub fn register(session: &SessionContext, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
    session.deregister_table(name).trying(format!("replace {name}"))?;
    session.register_table(name, table).map(drop).trying(format!("register {name}"))
}

/// A table without rows.
///
/// # Errors
/// The columns are no columns.
pub fn empty(schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
    let none = RecordBatch::new_empty(Arc::clone(&schema));
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![none]]).trying("make an empty table")?))
}

/// A time as a literal.
pub fn timestamp_literal(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}
