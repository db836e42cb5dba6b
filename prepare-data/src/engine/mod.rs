//! The query engine: sessions that are all configured alike, and what statements are run with.

mod batches;
mod constants;
mod dynamic_filters;
mod kept;
mod query;

use std::num::NonZeroUsize;
use std::sync::Arc;

use deltalake::datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use deltalake::datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use deltalake::datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use deltalake::datafusion::prelude::{SessionConfig, SessionContext};
use deltalake::delta_datafusion::DeltaSessionContext;
use futures::future::BoxFuture;

pub(crate) use batches::{conform, plain_type};
pub use constants::Constants;
pub use dynamic_filters::with_dynamic_filters;
pub use query::{compute, empty, in_memory, materialize, register, run_script, sql, timestamp_literal};

pub use self::kept::Scratch;
use crate::error::{Context, Error, Result};

/// Makes sessions. They share memory, disk and object stores, and nothing else.
#[derive(Clone, Debug)]
pub struct Engine {
    runtime: Arc<RuntimeEnv>,
    memory: usize,
    threads: usize,
    joins: Joins,
}

/// How large tables are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joins {
    /// By hash: fast, with one of the tables in memory.
    Hash,
    /// By sort and merge: any size, because sorts spill to disk.
    SortMerge,
}

/// A table below this size (in bytes, in rows) is built once for all threads when it is joined. The rows of the other table
/// then keep their partitions and their order.
const SMALL_TABLE: (usize, usize) = (64 * 1024 * 1024, 1024 * 1024);

/// A table that a statement makes for later ones is kept in files if it would take a larger part of the memory than this one.
const KEPT_IN_MEMORY: usize = 16;

/// Memory consumers that the error names when memory runs out.
const REPORTED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(5).unwrap();

/// Memory that each of many concurrent sorts reserves for merging, in bytes.
const SORT_RESERVATION: usize = 1024 * 1024;

impl Engine {
    /// An engine that may use this many bytes for sorting, grouping and joining before it spills to disk.
    ///
    /// # Errors
    /// The temporary folder cannot be used.
    pub fn new(memory: usize, threads: usize) -> Result<Self> {
        let pool = TrackConsumersPool::new(FairSpillPool::new(memory), REPORTED_CONSUMERS);
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::OsTmpDirectory);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).with_disk_manager_builder(disk);
        let runtime = runtime.build_arc().context("set up the query engine")?;
        Ok(Self { runtime, memory, threads, joins: Joins::Hash })
    }

    /// Runs some work. If memory is not sufficient, runs it again with joins that need little memory.
    ///
    /// # Errors
    /// Those of the work; [`Error::OutOfMemory`] if memory was not sufficient the second time either.
    pub async fn within_memory<'a, T>(&self, name: &str, work: impl Fn(Self) -> BoxFuture<'a, Result<T>>) -> Result<T> {
        match work(self.clone()).await {
            Err(error) if error.is_out_of_memory() && self.joins == Joins::Hash => {
                tracing::info!(table = name, %error, "not enough memory for hash joins: using sort-merge joins");
                let sorted = work(Self { joins: Joins::SortMerge, ..self.clone() }).await;
                sorted.map_err(|error| match error.is_out_of_memory() {
                    true => Error::OutOfMemory(Box::new(error)),
                    false => error,
                })
            }
            done => done,
        }
    }

    /// Number of threads of a statement.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// A session without tables.
    pub fn session(&self) -> SessionContext {
        SessionContext::new_with_config_rt(self.config(), Arc::clone(&self.runtime))
    }

    /// A session for the write operations of the Delta library, which need its own query planner.
    pub fn delta_session(&self) -> SessionContext {
        DeltaSessionContext::with_runtime_env(Arc::clone(&self.runtime)).into()
    }

    /// A place for rows that are kept. Many are kept in files, which are deleted with it.
    pub fn scratch(&self) -> Arc<Scratch> {
        Arc::new(Scratch::new(self.memory / KEPT_IN_MEMORY))
    }

    fn config(&self) -> SessionConfig {
        let mut config = SessionConfig::new()
            .with_target_partitions(self.threads)
            .with_information_schema(false)
            .set_str("datafusion.execution.time_zone", "UTC")
            .with_extension(self.scratch());
        let options = config.options_mut();
        // Most conditions here keep one row in a hundred: the other rows are not decoded.
        options.execution.parquet.pushdown_filters = true;
        options.optimizer.enable_join_dynamic_filter_pushdown = false; // see `with_dynamic_filters`
        let (bytes, rows) = SMALL_TABLE;
        options.optimizer.hash_join_single_partition_threshold = bytes;
        options.optimizer.hash_join_single_partition_threshold_rows = rows;
        if self.joins == Joins::SortMerge {
            options.optimizer.prefer_hash_join = false;
            options.execution.target_partitions = self.threads.max(2); // with a single partition, joins always hash
            options.execution.sort_spill_reservation_bytes = SORT_RESERVATION;
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

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
    async fn a_join_that_does_not_fit_in_memory_is_sorted() {
        let small = Engine::new(16 << 20, 2).unwrap();
        assert!(matches(small.clone()).await.unwrap_err().is_out_of_memory());
        let rows = small.within_memory("matches", |engine| matches(engine).boxed()).await;
        assert_eq!(rows.unwrap(), 999_999);
    }

    #[tokio::test]
    async fn an_error_about_memory_names_the_remedy() {
        let sort = |engine: Engine| {
            let statement = "select -value as n from generate_series(1, 1000000) order by n";
            async move { in_memory("sorted", sql(&engine.session(), "sorted", statement).await?).await }.boxed()
        };
        let error = Engine::new(512 * 1024, 2).unwrap().within_memory("sorted", sort).await.unwrap_err();
        assert!(error.to_string().contains("--memory-mib"), "{error}");
    }

    #[tokio::test]
    async fn other_errors_are_not_retried() {
        let attempts = AtomicUsize::new(0);
        let fail = |engine: Engine| {
            attempts.fetch_add(1, Ordering::Relaxed);
            async move { sql(&engine.session(), "wrong", "select nothing").await.map(drop) }.boxed()
        };
        Engine::new(16 << 20, 2).unwrap().within_memory("wrong", fail).await.unwrap_err();
        assert_eq!(attempts.into_inner(), 1);
    }
}
