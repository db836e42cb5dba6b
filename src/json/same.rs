//! Whether two JSON texts are the same value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::RawObject;
use super::number::Number;

/// Whether both are the same value. Numbers are compared as numbers, whatever their notation and size. The order of fields
/// does not matter.
pub(crate) fn same_value(one: &RawValue, other: &RawValue) -> bool {
    let (left, right) = (one.get(), other.get());
    match (left.as_bytes().first(), right.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => same_objects(one, other),
        (Some(b'['), Some(b'[')) => same_arrays(left, right),
        (Some(b'"'), Some(b'"')) => text(left).is_some_and(|left| Some(left) == text(right)),
        _ => left == right || Number::parse(left).is_some_and(|number| Some(number) == Number::parse(right)),
    }
}

fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

fn same_objects(one: &RawValue, other: &RawValue) -> bool {
    let (Some(left), Some(right)) = (RawObject::split(one), RawObject::split(other)) else { return false };
    // If a field occurs twice, the last value counts.
    fn fields<'a>(object: &'a RawObject<'_>) -> BTreeMap<&'a Cow<'a, str>, &'a RawValue> {
        object.0.iter().map(|(name, value)| (name, value.as_ref())).collect()
    }
    let (left, right) = (fields(&left), fields(&right));
    left.len() == right.len()
        && left.iter().zip(&right).all(|((name, value), (other, theirs))| name == other && same_value(value, theirs))
}

fn same_arrays(left: &str, right: &str) -> bool {
    let items = |json| serde_json::from_str::<Vec<&RawValue>>(json).ok();
    let (Some(left), Some(right)) = (items(left), items(right)) else { return false };
    left.len() == right.len() && left.into_iter().zip(right).all(|(one, other)| same_value(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        same_value(&raw(one), &raw(other))
    }

    #[test]
    fn values_are_compared_and_not_their_notation() {
        for (one, other) in [
            ("2", "2.0"),
            ("0", "-0.0"),
            ("\"\\u0041\"", "\"A\""),
            ("[1, 2.50]", "[1.0,25e-1]"),
            (r#"{"a":1,"b":{"c":[0]}}"#, r#"{"b":{"c":[0.0]},"a":3,"a":1e0}"#),
            ("true", "true"),
            ("null", "null"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in
            [("2", "\"2\""), ("1", "true"), ("[1]", "[1,1]"), (r#"{"a":1}"#, r#"{"b":1}"#), ("[]", "{}"), ("null", "0")]
        {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
