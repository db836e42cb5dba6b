//! Steps that the incremental runs of several tables begin with: computed once for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::prelude::SessionContext;
use tokio::sync::{Mutex, OnceCell};

use crate::engine::{Scratch, compute, register, sql, with_dynamic_filters};
use crate::error::Result;
use crate::sql::Step;

/// The rows of a step, once a table has computed them.
type Rows = Arc<OnceCell<Arc<dyn TableProvider>>>;

/// The results of a run's shared steps, kept until the run ends.
#[derive(Debug)]
pub(super) struct SharedSteps {
    scratch: Arc<Scratch>,
    /// By the time of the last run, and the statements up to this one: a step may read what those before it made.
    rows: Mutex<BTreeMap<(DateTime<Utc>, String), Rows>>,
}

impl SharedSteps {
    pub(super) fn new(scratch: Arc<Scratch>) -> Self {
        Self { scratch, rows: Mutex::default() }
    }

    /// The steps of one table that was computed at this time before.
    pub(super) fn since(&self, previous: DateTime<Utc>) -> StepsOfTable<'_> {
        StepsOfTable { shared: self, previous, statements: String::new() }
    }
}

/// The shared steps of one table, in their order.
pub(super) struct StepsOfTable<'a> {
    shared: &'a SharedSteps,
    previous: DateTime<Utc>,
    statements: String,
}

impl StepsOfTable<'_> {
    /// Registers the rows of the next step. Computes them, unless another table has done so.
    pub(super) async fn register(&mut self, session: &SessionContext, step: &Step) -> Result<()> {
        self.statements.push_str(&step.sql);
        let key = (self.previous, self.statements.clone());
        let cell = Arc::clone(self.shared.rows.lock().await.entry(key).or_default());
        let name = step.table();
        let computed = async || -> Result<_> {
            let rows = with_dynamic_filters(sql(session, name, &step.sql).await?);
            Ok(compute(name, rows, Some(Arc::clone(&self.shared.scratch))).await?.0)
        };
        let rows = cell.get_or_try_init(computed).await?;
        register(session, name, Arc::clone(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, materialize};

    fn step(name: &str, sql: &str) -> Step {
        Step { name: name.to_owned(), sql: sql.to_owned(), is_view: false }
    }

    /// Runs the steps in a session whose table `sales` has this number; returns what `sales` is then.
    async fn sales_after(shared: &SharedSteps, since: i64, number: i64, steps: &[Step]) -> usize {
        let session = Engine::new(64 << 20, 2).unwrap().session();
        let rows = sql(&session, "sales", &format!("select value as n from generate_series(1, {number})")).await;
        materialize(&session, "sales", rows.unwrap()).await.unwrap();
        let mut table = shared.since(DateTime::from_timestamp(since, 0).unwrap());
        for step in steps {
            table.register(&session, step).await.unwrap();
        }
        session.table("sales").await.unwrap().count().await.unwrap()
    }

    #[tokio::test]
    async fn tables_that_begin_with_the_same_steps_share_their_rows() {
        let shared = SharedSteps::new(Engine::new(64 << 20, 2).unwrap().scratch());
        let odd = step("narrow sales", "select n from sales where n % 2 = 1");
        let young = step("narrow sales", "select n from sales where n > 4");
        assert_eq!(sales_after(&shared, 0, 8, &[odd.clone(), young.clone()]).await, 2);
        // Another number of sales shows where the rows come from.
        assert_eq!(sales_after(&shared, 0, 100, &[odd.clone(), young.clone()]).await, 2);
        assert_eq!(sales_after(&shared, 0, 100, std::slice::from_ref(&odd)).await, 4);
        // The same statement after another one, or since another time, gives other rows.
        assert_eq!(sales_after(&shared, 0, 100, &[young]).await, 96);
        assert_eq!(sales_after(&shared, 1, 100, &[odd]).await, 50);
    }
}
