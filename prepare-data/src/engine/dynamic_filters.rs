//! Dynamic filters: a join passes the keys that it looks for to the scan of the other table.

use deltalake::datafusion::common::tree_node::TreeNode;
use deltalake::datafusion::logical_expr::LogicalPlan;
use deltalake::datafusion::prelude::{DataFrame, Expr};

/// Lets the join of a statement pass its keys to the scans. Of all other rows, only the join columns are read.
///
/// Nested joins stay without: where the outer join needs no row of a partition, the inner join waits for that partition's
/// report forever (DataFusion 55 counts reports of partitions that nobody reads only if both sides are partitioned,
/// <https://github.com/apache/datafusion/pull/21666>).
pub fn with_dynamic_filters(rows: DataFrame) -> DataFrame {
    if nested_joins(rows.logical_plan()) > 1 {
        return rows;
    }
    let (mut state, plan) = rows.into_parts();
    state.config_mut().options_mut().optimizer.enable_join_dynamic_filter_pushdown = true;
    DataFrame::new(state, plan)
}

/// The most joins on a path from the top of a plan to a table. A subquery in a condition will become a join.
fn nested_joins(plan: &LogicalPlan) -> usize {
    let subqueries = plan.expressions().into_iter().filter(|expression| {
        let is_subquery =
            |part: &Expr| Ok(matches!(part, Expr::InSubquery(_) | Expr::Exists(_) | Expr::ScalarSubquery(_)));
        expression.exists(is_subquery).unwrap_or(true)
    });
    let own = usize::from(matches!(plan, LogicalPlan::Join(_))) + 2 * subqueries.count();
    own + plan.inputs().into_iter().map(nested_joins).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, sql};

    #[tokio::test]
    async fn only_a_single_join_gets_dynamic_filters() {
        let session = Engine::new(16 << 20, 2).unwrap().session();
        let has_filters = async |statement: &str| {
            let rows = with_dynamic_filters(sql(&session, "filters", statement).await.unwrap());
            rows.into_parts().0.config_options().optimizer.enable_join_dynamic_filter_pushdown
        };
        let numbers = "(select 1 as n)";
        let join = format!("select a.n from {numbers} a left semi join {numbers} b on b.n = a.n");
        assert!(has_filters(&join).await);
        assert!(has_filters(&format!("{join} union {join}")).await);
        assert!(!has_filters(&format!("{join} left semi join {numbers} c on c.n = a.n")).await);
        assert!(!has_filters(&format!("{join} where a.n in (select 1)")).await);
    }
}
