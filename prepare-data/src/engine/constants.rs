//! Parameters as constants.

use deltalake::datafusion::common::config::ConfigOptions;
use deltalake::datafusion::common::tree_node::Transformed;
use deltalake::datafusion::common::{JoinType, ScalarValue, TableReference};
use deltalake::datafusion::error::Result;
use deltalake::datafusion::logical_expr::{Join, LogicalPlan, LogicalPlanBuilder};
use deltalake::datafusion::optimizer::AnalyzerRule;
use deltalake::datafusion::prelude::{Expr, lit};

/// Puts the values of a table of one row in the place of its cross joins.
///
/// A condition on a constant reaches the scans, and rows that do not fulfil it are not read. In a join it would be compared with
/// every row, and if memory runs out meanwhile, the engine starts a part of the plan for the second time, and panics
/// (DataFusion 55: `initiate_fallback` of its nested loop join, over a repartitioned input).
#[derive(Debug)]
pub struct Constants {
    table: TableReference,
    values: Vec<(String, ScalarValue)>,
}

impl Constants {
    /// For a table with these columns.
    pub fn new(table: &str, values: Vec<(String, ScalarValue)>) -> Self {
        Self { table: TableReference::bare(table), values }
    }

    fn is_table(&self, plan: &LogicalPlan) -> bool {
        matches!(plan, LogicalPlan::TableScan(scan) if scan.table_name == self.table)
    }

    fn replace(&self, join: Join) -> Result<Transformed<LogicalPlan>> {
        let is_cross = join.join_type == JoinType::Inner && join.on.is_empty() && join.filter.is_none();
        let other = match (self.is_table(&join.left), self.is_table(&join.right)) {
            (false, true) if is_cross => &join.left,
            (true, false) if is_cross => &join.right,
            _ => return Ok(Transformed::no(LogicalPlan::Join(join))),
        };
        let columns = join.schema.iter().map(|(table, field)| {
            let value = self.values.iter().find(|(name, _)| name == field.name() && table == Some(&self.table));
            match value {
                Some((name, value)) => lit(value.clone()).alias_qualified(table.cloned(), name),
                None => Expr::from((table, field)),
            }
        });
        let constant = LogicalPlanBuilder::from(other.as_ref().clone()).project(columns)?.build()?;
        Ok(Transformed::yes(constant))
    }
}

impl AnalyzerRule for Constants {
    fn name(&self) -> &'static str {
        "constants"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let replaced = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) => self.replace(join),
            other => Ok(Transformed::no(other)),
        })?;
        Ok(replaced.data)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deltalake::arrow::util::pretty::pretty_format_batches;
    use deltalake::datafusion::prelude::SessionContext;

    use super::*;
    use crate::engine::{Engine, materialize, sql};

    async fn session() -> SessionContext {
        let session = Engine::new(16 << 20, 2).unwrap().session();
        for (name, rows) in [("settings", "select 3 as least, 'x' as mark"), ("numbers", "values (1), (3), (5)")] {
            let rows = sql(&session, name, rows).await.unwrap();
            materialize(&session, name, rows).await.unwrap();
        }
        let values = vec![("least".to_owned(), 3_i64.into()), ("mark".to_owned(), "x".into())];
        session.add_analyzer_rule(Arc::new(Constants::new("settings", values)));
        session
    }

    /// The rows, and whether the plan joins.
    async fn run(statement: &str) -> (String, bool) {
        let session = session().await;
        let rows = sql(&session, "rows", statement).await.unwrap();
        let plan = rows.clone().into_optimized_plan().unwrap().to_string();
        let rows = pretty_format_batches(&rows.collect().await.unwrap()).unwrap().to_string();
        let cells = rows.lines().skip(3).filter(|line| line.starts_with('|')).map(|line| line.replace(['|', ' '], ""));
        (cells.collect::<Vec<_>>().join(" "), plan.contains("Join"))
    }

    #[tokio::test]
    async fn a_cross_join_is_replaced_on_either_side() {
        let right = "select column1, settings.mark from numbers cross join settings \
                     where column1 >= settings.least order by column1";
        assert_eq!(run(right).await, ("3x 5x".to_owned(), false));
        let left = "with one as (select sum(column1) as total, least from settings cross join numbers group by least) \
                    select total, least from one";
        assert_eq!(run(left).await, ("93".to_owned(), false));
    }

    #[tokio::test]
    async fn the_table_itself_and_other_joins_stay() {
        assert_eq!(run("select mark from settings where least = 3").await, ("x".to_owned(), false));
        let joined = "select count(*) from numbers inner join settings on settings.least = numbers.column1";
        assert_eq!(run(joined).await, ("1".to_owned(), true));
    }
}
