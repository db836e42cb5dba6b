//! How values compare: <https://learn.microsoft.com/azure/cosmos-db/nosql/query/equality-comparison-operators>.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// The order of types in `ORDER BY`; undefined (0) comes first.
pub(in crate::cosmos) fn type_rank(value: Option<&Value>) -> u8 {
    match value {
        None => 0,
        Some(Value::Null) => 1,
        Some(Value::Bool(_)) => 2,
        Some(Value::Number(_)) => 3,
        Some(Value::String(_)) => 4,
        Some(Value::Array(_)) => 5,
        Some(Value::Object(_)) => 6,
    }
}

/// Whether two values are equal; undefined unless both have the same type.
pub(super) fn equal(left: &Value, right: &Value) -> Option<bool> {
    (type_rank(Some(left)) == type_rank(Some(right))).then(|| same(left, right))
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => numbers(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => left == right,
    }
}

/// Orders two values of the same simple type; undefined for all others.
pub(super) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => Some(numbers(a, b)),
        (Value::String(a), Value::String(b)) => Some(texts(a, b)),
        _ => None,
    }
}

/// A total order over all values, by type first: the order of `ORDER BY`, `MIN` and `MAX`.
pub(in crate::cosmos) fn order(left: Option<&Value>, right: Option<&Value>) -> Ordering {
    type_rank(left).cmp(&type_rank(right)).then_with(|| match (left, right) {
        (Some(left), Some(right)) => compare(left, right).unwrap_or_else(|| left.to_string().cmp(&right.to_string())),
        _ => Ordering::Equal,
    })
}

/// Integers compare exactly; everything else compares as doubles.
fn numbers(left: &Number, right: &Number) -> Ordering {
    match (left.as_i64(), right.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// Strings compare by UTF-16 code units, which differs from UTF-8 only beyond the basic plane.
fn texts(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() { left.cmp(right) } else { left.encode_utf16().cmp(right.encode_utf16()) }
}

/// A number as JSON shows it: without a fraction where there is none.
pub(super) fn number(number: f64) -> Option<Value> {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "the number is an integer that fits")]
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn different_types_are_neither_equal_nor_different() {
        assert_eq!(equal(&json!(1), &json!("1")), None);
        assert_eq!(equal(&json!(1), &json!(1.0)), Some(true));
        assert_eq!(equal(&json!({"a": [1]}), &json!({"a": [1.0]})), Some(true));
        assert_eq!(compare(&json!([1]), &json!([2])), None);
    }

    #[test]
    fn types_are_ordered() {
        let ordered = [None, Some(json!(null)), Some(json!(false)), Some(json!(7)), Some(json!("a")), Some(json!([]))];
        for pair in ordered.windows(2) {
            assert_eq!(order(pair[0].as_ref(), pair[1].as_ref()), Ordering::Less, "{pair:?}");
        }
    }
}
