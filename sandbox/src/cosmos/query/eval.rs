//! Evaluates expressions. `None` stands for the undefined value.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::ast::{Aggregate, BinaryOp, Expr};
use super::functions::like;
use super::value::{compare, equal, number, order};

pub(super) type Evaluated<'a> = Option<Cow<'a, Value>>;

/// The values of the aliases for one item, or for one combination of joined elements.
#[derive(Clone, Debug, Default)]
pub(super) struct Row(pub(super) Vec<(String, Value)>);

/// What an expression is evaluated against.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The row; of a group, its first one. An empty group has none.
    pub(super) row: Option<&'a Row>,
    /// The rows that aggregates go over.
    pub(super) group: &'a [Row],
}

impl<'a> Scope<'a> {
    pub(super) fn of_row(row: &'a Row) -> Self {
        Self { row: Some(row), group: &[] }
    }

    /// Whether the expression is true, and neither false nor undefined.
    pub(super) fn is_true(&self, expr: &'a Expr) -> bool {
        self.evaluate(expr).is_some_and(|value| *value == Value::Bool(true))
    }

    pub(super) fn evaluate(&self, expr: &'a Expr) -> Evaluated<'a> {
        match expr {
            Expr::Literal(value) => Some(Cow::Borrowed(value)),
            Expr::Undefined => None,
            Expr::Alias(name) => {
                let (_, value) = self.row?.0.iter().find(|(alias, _)| alias == name)?;
                Some(Cow::Borrowed(value))
            }
            Expr::Property(inner, name) => member(self.evaluate(inner)?, name),
            Expr::Index(inner, index) => {
                let (inner, index) = (self.evaluate(inner)?, self.evaluate(index)?);
                match &*index {
                    Value::String(name) => member(inner, name),
                    index => element(inner, usize::try_from(index.as_u64()?).ok()?),
                }
            }
            Expr::Aggregate(aggregate, inner) => self.aggregate(*aggregate, inner).map(Cow::Owned),
            Expr::Call(function, arguments) => {
                let arguments: Vec<_> = arguments.iter().map(|argument| self.evaluate(argument)).collect();
                function.call(&arguments).map(Cow::Owned)
            }
            Expr::Conditional(condition, then, otherwise) => {
                self.evaluate(if self.is_true(condition) { then } else { otherwise })
            }
            Expr::Binary(BinaryOp::Coalesce, left, right) => self.evaluate(left).or_else(|| self.evaluate(right)),
            Expr::Array(elements) => {
                let elements = elements.iter().filter_map(|element| self.evaluate(element));
                Some(Cow::Owned(elements.map(Cow::into_owned).collect()))
            }
            Expr::Object(fields) => {
                let fields = fields.iter().filter_map(|(name, field)| Some((name, self.evaluate(field)?)));
                let fields: Map<_, _> = fields.map(|(name, field)| (name.clone(), field.into_owned())).collect();
                Some(Cow::Owned(Value::Object(fields)))
            }
            Expr::Binary(operator, left, right) => match logical(*operator) {
                Some(decisive) => self.logic(decisive, left, right).map(owned),
                None => arithmetic(*operator, &*self.evaluate(left)?, &*self.evaluate(right)?).map(Cow::Owned),
            },
            Expr::Negate(inner) => number(-self.evaluate(inner)?.as_f64()?).map(Cow::Owned),
            Expr::Not(_) | Expr::In(..) | Expr::Between(..) | Expr::Like(..) => self.test(expr).map(owned),
        }
    }

    fn test(&self, expr: &'a Expr) -> Option<bool> {
        match expr {
            Expr::Not(inner) => self.evaluate(inner)?.as_bool().map(|value| !value),
            Expr::In(value, list) => {
                let value = self.evaluate(value)?;
                let mut result = Some(false);
                for element in list {
                    match self.evaluate(element).and_then(|element| equal(&value, &element)) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => result = None,
                    }
                }
                result
            }
            Expr::Between(value, low, high) => {
                let value = self.evaluate(value)?;
                let low = compare(&value, &*self.evaluate(low)?)?;
                let high = compare(&value, &*self.evaluate(high)?)?;
                Some(low != Ordering::Less && high != Ordering::Greater)
            }
            Expr::Like(text, pattern) => Some(like(self.evaluate(text)?.as_str()?, self.evaluate(pattern)?.as_str()?)),
            _ => None,
        }
    }

    /// `AND` and `OR` over true, false and undefined. One operand that is `decisive` decides.
    fn logic(&self, decisive: bool, left: &'a Expr, right: &'a Expr) -> Option<bool> {
        let left = self.evaluate(left).and_then(|value| value.as_bool());
        if left == Some(decisive) {
            return left;
        }
        let right = self.evaluate(right).and_then(|value| value.as_bool());
        if right == Some(decisive) {
            return right;
        }
        left.and(right)
    }

    fn aggregate(&self, aggregate: Aggregate, inner: &'a Expr) -> Option<Value> {
        let values = || self.group.iter().filter_map(|row| Scope::of_row(row).evaluate(inner));
        let ordered = |left: &Cow<'_, Value>, right: &Cow<'_, Value>| order(Some(left), Some(right));
        // One value that is not a number makes a sum undefined.
        let sum = || values().try_fold(0.0, |sum, value| Some(sum + value.as_f64()?));
        match aggregate {
            Aggregate::Count => Some(values().count().into()),
            Aggregate::Min => values().min_by(ordered).map(Cow::into_owned),
            Aggregate::Max => values().max_by(ordered).map(Cow::into_owned),
            Aggregate::Sum => number(sum()?),
            Aggregate::Average => {
                #[allow(clippy::cast_precision_loss, reason = "there are never so many rows")]
                let count = values().count() as f64;
                if count > 0.0 { number(sum()? / count) } else { None }
            }
        }
    }
}

fn owned<'a>(value: bool) -> Cow<'a, Value> {
    Cow::Owned(Value::Bool(value))
}

fn member<'a>(value: Cow<'a, Value>, name: &str) -> Evaluated<'a> {
    match value {
        Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.get_mut(name).map(|member| Cow::Owned(member.take())),
    }
}

fn element(value: Cow<'_, Value>, index: usize) -> Evaluated<'_> {
    match value {
        Cow::Borrowed(value) => value.get(index).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.get_mut(index).map(|element| Cow::Owned(element.take())),
    }
}

/// The operand that decides a logical operator.
fn logical(operator: BinaryOp) -> Option<bool> {
    match operator {
        BinaryOp::And => Some(false),
        BinaryOp::Or => Some(true),
        _ => None,
    }
}

fn arithmetic(operator: BinaryOp, left: &Value, right: &Value) -> Option<Value> {
    let doubles = || Some((left.as_f64()?, right.as_f64()?));
    let ordering = || compare(left, right);
    match operator {
        BinaryOp::Equal => equal(left, right).map(Value::from),
        BinaryOp::NotEqual => equal(left, right).map(|equal| (!equal).into()),
        BinaryOp::Less => Some(ordering()?.is_lt().into()),
        BinaryOp::LessOrEqual => Some(ordering()?.is_le().into()),
        BinaryOp::Greater => Some(ordering()?.is_gt().into()),
        BinaryOp::GreaterOrEqual => Some(ordering()?.is_ge().into()),
        BinaryOp::Add => doubles().and_then(|(a, b)| number(a + b)),
        BinaryOp::Subtract => doubles().and_then(|(a, b)| number(a - b)),
        BinaryOp::Multiply => doubles().and_then(|(a, b)| number(a * b)),
        BinaryOp::Divide => doubles().and_then(|(a, b)| number(a / b)),
        BinaryOp::Modulo => doubles().and_then(|(a, b)| number(a % b)),
        BinaryOp::Concat => Some(format!("{}{}", left.as_str()?, right.as_str()?).into()),
        BinaryOp::And | BinaryOp::Or | BinaryOp::Coalesce => None,
    }
}
