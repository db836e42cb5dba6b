//! What of a filter an index can answer.

use std::ops::Bound;

use serde_json::Value;

use super::ast::{BinaryOp, Expr, Query};

/// Values of one type that a property must lie between.
pub(in crate::cosmos) type KeyRange = (Bound<Value>, Bound<Value>);

/// A part of the filter that every result meets: the value at `path` lies in one of `ranges`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cosmos) struct Condition {
    pub(in crate::cosmos) path: Vec<String>,
    pub(in crate::cosmos) ranges: Vec<KeyRange>,
}

impl Query {
    /// The parts of the filter that an index over a path can answer.
    pub(in crate::cosmos) fn conditions(&self) -> Vec<Condition> {
        let is_plain = self.from.as_ref().is_some_and(|from| from.iterations.is_empty());
        let mut conditions = Vec::new();
        if let (true, Some(filter)) = (is_plain, &self.filter) {
            collect(&filter.expr, &mut conditions);
        }
        conditions
    }

    /// The values that the property at `path` must equal, if the filter says which.
    pub(in crate::cosmos) fn values_at(&self, path: &[String]) -> Option<Vec<Value>> {
        let condition = self.conditions().into_iter().find(|condition| condition.path == path)?;
        let exact = |range: KeyRange| match range {
            (Bound::Included(low), Bound::Included(high)) if low == high => Some(low),
            _ => None,
        };
        condition.ranges.into_iter().map(exact).collect()
    }
}

fn collect(expr: &Expr, conditions: &mut Vec<Condition>) {
    if let Expr::Binary(BinaryOp::And, left, right) = expr {
        collect(left, conditions);
        collect(right, conditions);
    } else {
        conditions.extend(condition(expr));
    }
}

fn condition(expr: &Expr) -> Option<Condition> {
    let (path, ranges) = match expr {
        Expr::Binary(operator, left, right) => {
            if let Some(range) = literal(right).and_then(|value| range(*operator, value)) {
                (left, vec![range])
            } else {
                (right, vec![range(mirrored(*operator), literal(left)?)?])
            }
        }
        Expr::Between(value, low, high) => {
            (value, vec![(Bound::Included(literal(low)?.clone()), Bound::Included(literal(high)?.clone()))])
        }
        Expr::In(value, list) => (value, list.iter().map(|item| exactly(literal(item)?)).collect::<Option<_>>()?),
        Expr::Call(function, arguments) if function.is_array_contains(arguments) => {
            let [Expr::Literal(Value::Array(list)), value] = arguments.as_slice() else { return None };
            return Some(Condition { path: names(value)?, ranges: list.iter().map(exactly).collect::<Option<_>>()? });
        }
        _ => return None,
    };
    Some(Condition { path: names(path)?, ranges })
}

fn names(expr: &Expr) -> Option<Vec<String>> {
    let path = expr.path()?;
    (!path.is_empty()).then(|| path.into_iter().map(str::to_owned).collect())
}

/// Arrays and objects are not in the index.
fn literal(expr: &Expr) -> Option<&Value> {
    match expr {
        Expr::Literal(value) if !value.is_array() && !value.is_object() => Some(value),
        _ => None,
    }
}

fn exactly(value: &Value) -> Option<KeyRange> {
    let is_simple = !value.is_array() && !value.is_object();
    is_simple.then(|| (Bound::Included(value.clone()), Bound::Included(value.clone())))
}

fn range(operator: BinaryOp, value: &Value) -> Option<KeyRange> {
    let value = value.clone();
    match operator {
        BinaryOp::Equal => exactly(&value),
        BinaryOp::Less => Some((Bound::Unbounded, Bound::Excluded(value))),
        BinaryOp::LessOrEqual => Some((Bound::Unbounded, Bound::Included(value))),
        BinaryOp::Greater => Some((Bound::Excluded(value), Bound::Unbounded)),
        BinaryOp::GreaterOrEqual => Some((Bound::Included(value), Bound::Unbounded)),
        _ => None,
    }
}

/// `1 < c.x` is `c.x > 1`.
fn mirrored(operator: BinaryOp) -> BinaryOp {
    match operator {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessOrEqual => BinaryOp::GreaterOrEqual,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterOrEqual => BinaryOp::LessOrEqual,
        other => other,
    }
}
