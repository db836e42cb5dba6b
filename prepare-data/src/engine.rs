//! The query engine, set up alike for every run.

use std::sync::Arc;

use deltalake::arrow::array::RecordBatch;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::arrow::error::ArrowError;
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::ScalarValue;
use deltalake::datafusion::common::tree_node::TreeNode;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use deltalake::datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use deltalake::datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use deltalake::datafusion::logical_expr::LogicalPlan;
use deltalake::datafusion::prelude::{DataFrame, Expr, SessionConfig, SessionContext};
use futures::future::BoxFuture;

use crate::error::{Error, Result, Trying};
use crate::sql::Script;

/// Makes sessions that share memory, disk and stores, and nothing else.
#[derive(Clone, Debug)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    threads: usize,
    joins: Joins,
}

/// How large tables are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joins {
    /// One of them in memory: quick.
    Hashed,
    /// Both sorted, on disk where need be: any size.
    Sorted,
}

/// A table below this size is held once and by all threads when it is joined, and the rows of the other one stay where, and in
/// the order in which, they are. In bytes, and in rows.
const SMALL_TABLE: (usize, usize) = (64 * 1024 * 1024, 1024 * 1024);

/// Consumers that are named when memory runs out.
const NAMED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(5).unwrap();

/// What each of many sorts at a time keeps back for merging, in bytes.
const SORT_RESERVE: usize = 1024 * 1024;

impl Engine {
    /// An engine that may use so many bytes for sorting, grouping and joining before it spills to disk.
    ///
    /// # Errors
    /// The temporary folder cannot be used.
    pub fn new(memory: usize, threads: usize) -> Result<Self> {
        let pool = TrackConsumersPool::new(FairSpillPool::new(memory), NAMED);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).with_disk_manager_builder(disk);
        let runtime = runtime.build_arc().trying("set up the query engine")?;
        Ok(Self { runtime, threads, joins: Joins::Hashed })
    }

    /// Does some work, and if memory does not suffice, does it again with joins that need little.
    ///
    /// # Errors
    /// Those of the work; [`Error::OutOfMemory`] if memory did not suffice the second time either.
    pub async fn within_memory<'a, T>(&self, name: &str, work: impl Fn(Self) -> BoxFuture<'a, Result<T>>) -> Result<T> {
        match work(self.clone()).await {
            Err(error) if error.is_out_of_memory() && self.joins == Joins::Hashed => {
                tracing::info!(table = name, %error, "memory does not suffice for joining by hashing: joining by sorting");
                let sorted = work(Self { joins: Joins::Sorted, ..self.clone() }).await;
                sorted.map_err(|error| match error.is_out_of_memory() {
                    true => Error::OutOfMemory(Box::new(error)),
                    false => error,
                })
            }
            done => done,
        }
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
        let options = config.options_mut();
        // Rows that a condition leaves out are not decoded: most conditions here keep one row in a hundred.
        options.execution.parquet.pushdown_filters = true;
        options.optimizer.enable_join_dynamic_filter_pushdown = false; // see `search`
        let (bytes, rows) = SMALL_TABLE;
        options.optimizer.hash_join_single_partition_threshold = bytes;
        options.optimizer.hash_join_single_partition_threshold_rows = rows;
        if self.joins == Joins::Sorted {
            options.optimizer.prefer_hash_join = false;
            options.execution.target_partitions = self.threads.max(2); // a single one always hashes
            options.execution.sort_spill_reservation_bytes = SORT_RESERVE;
        }
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

/// Lets a statement that finds few rows of large tables tell the scans which rows it looks for, so that of all others nothing
/// but the columns that it joins by is read. Joins within joins are left as they are: where the outer one finds that it needs no
/// row of a partition, the inner one waits for that partition's report for ever (DataFusion 55 counts reports of partitions that
/// nobody reads only if both sides are partitioned, <https://github.com/apache/datafusion/pull/21666>).
pub fn search(rows: DataFrame) -> DataFrame {
    if joins_within(rows.logical_plan()) > 1 {
        return rows;
    }
    let (mut state, plan) = rows.into_parts();
    state.config_mut().options_mut().optimizer.enable_join_dynamic_filter_pushdown = true;
    DataFrame::new(state, plan)
}

/// The most joins on a way from the top of a plan to a table. A subquery in a condition will be one.
fn joins_within(plan: &LogicalPlan) -> usize {
    let subqueries = plan.expressions().into_iter().filter(|expression| {
        let is_subquery =
            |part: &Expr| Ok(matches!(part, Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_)));
        expression.exists(is_subquery).unwrap_or(true)
    });
    let own = usize::from(matches!(plan, LogicalPlan::Join(_))) + 2 * subqueries.count();
    own + plan.inputs().into_iter().map(joins_within).max().unwrap_or_default()
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

/// Text in its one plain form.
pub(crate) fn plain(kind: &DataType) -> DataType {
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn matches(engine: Engine) -> Result<usize> {
        let session = engine.session();
        let statement = "select one.value as n from generate_series(1, 1000000) one \
                         inner join generate_series(2, 1000001) other on other.value = one.value";
        let (_, rows) = in_memory("matches", sql(&session, "matches", statement).await?).await?;
        Ok(rows)
    }

    #[tokio::test]
    async fn what_cannot_be_hashed_in_memory_is_sorted() {
        let small = Engine::new(16 << 20, 2).unwrap();
        assert!(matches(small.clone()).await.unwrap_err().is_out_of_memory());
        let rows = small.within_memory("matches", |engine| matches(engine).boxed()).await;
        assert_eq!(rows.unwrap(), 999_999);
    }

    #[tokio::test]
    async fn what_cannot_be_sorted_either_says_what_to_do() {
        let sort = |engine: Engine| {
            let statement = "select -value as n from generate_series(1, 1000000) order by n";
            async move { in_memory("sorted", sql(&engine.session(), "sorted", statement).await?).await }.boxed()
        };
        let error = Engine::new(512 * 1024, 2).unwrap().within_memory("sorted", sort).await.unwrap_err();
        assert!(error.to_string().contains("--memory-mib"), "{error}");
    }

    #[tokio::test]
    async fn other_errors_are_not_tried_again() {
        let tried = std::sync::atomic::AtomicUsize::new(0);
        let fail = |engine: Engine| {
            tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { sql(&engine.session(), "wrong", "select nothing").await.map(drop) }.boxed()
        };
        Engine::new(16 << 20, 2).unwrap().within_memory("wrong", fail).await.unwrap_err();
        assert_eq!(tried.into_inner(), 1);
    }

    #[tokio::test]
    async fn only_a_join_on_its_own_tells_scans_what_it_looks_for() {
        let session = Engine::new(16 << 20, 2).unwrap().session();
        let tells = async |statement: &str| {
            let rows = search(sql(&session, "search", statement).await.unwrap());
            rows.into_parts().0.config_options().optimizer.enable_join_dynamic_filter_pushdown
        };
        let numbers = "(select 1 as n)";
        let join = format!("select a.n from {numbers} a left semi join {numbers} b on b.n = a.n");
        assert!(tells(&join).await);
        assert!(tells(&format!("{join} union {join}")).await);
        assert!(!tells(&format!("{join} left semi join {numbers} c on c.n = a.n")).await);
        assert!(!tells(&format!("{join} where a.n in (select 1)")).await);
    }
}
