//! The parameters of a custom trigger: one value each, in the JSON form of the declared type.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::pointer::{self, Pointer, View};
use crate::json::Number;
use crate::text::without_forbidden;

/// The types of a trigger's parameters (`customapirequestparameter.type` in Dataverse).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of Dataverse")]
pub enum Type {
    Boolean,
    DateTime,
    Decimal,
    Float,
    Guid,
    Integer,
    Money,
    String,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Now,
    ContactId,
    /// The first pointer whose value is not empty.
    Message(Vec<Pointer>),
}

#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) source: Source,
    pub(super) kind: Type,
    pub(super) default: Option<Box<RawValue>>,
    pub(super) optional: bool,
}

/// A required parameter without a value of the right type in this message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {name} has no {kind} value in this event (read from {sources})")]
pub struct MissingParameter {
    /// The name of the parameter.
    pub name: String,
    kind: String,
    sources: String,
}

impl Parameter {
    /// The value as JSON. `None` omits an optional parameter.
    pub(super) fn fill(
        &self,
        name: &str,
        view: &View<'_>,
        contact: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<Box<RawValue>>, MissingParameter> {
        let found = match &self.source {
            Source::Now => to_raw_value(&timestamp(now)).ok(),
            Source::ContactId => to_raw_value(&contact).ok(),
            Source::Message(pointers) => self.look_up(pointers, view),
        };
        match found.or_else(|| self.default.clone()) {
            None if !self.optional => Err(self.missing(name)),
            found => Ok(found),
        }
    }

    /// The first value that is not empty. For a text parameter, an empty text is the second choice.
    fn look_up(&self, pointers: &[Pointer], view: &View<'_>) -> Option<Box<RawValue>> {
        let values = || pointers.iter().filter_map(|pointer| view.get(pointer));
        values().filter(|value| !pointer::is_empty(value)).find_map(|value| self.kind.convert(&value)).or_else(|| {
            let is_empty_text = |value: &RawValue| value.get().starts_with('"') && pointer::is_empty(value);
            let found = values().any(|value| self.kind == Type::String && is_empty_text(&value));
            if found { to_raw_value("").ok() } else { None }
        })
    }

    fn missing(&self, name: &str) -> MissingParameter {
        let sources = match &self.source {
            Source::Message(pointers) => pointers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            Source::Now | Source::ContactId => String::new(),
        };
        MissingParameter { name: name.to_owned(), kind: format!("{:?}", self.kind), sources }
    }
}

/// A time in the format of Dataverse.
fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl Type {
    /// The value in the JSON form of this type, if it can be converted. Numbers keep all digits.
    pub(super) fn convert(self, value: &RawValue) -> Option<Box<RawValue>> {
        let text = pointer::scalar(value)?;
        let text = if self == Self::String { text } else { text.trim().to_owned() };
        match self {
            Self::String => to_raw_value(&without_forbidden(&text)).ok(),
            Self::Decimal | Self::Money | Self::Float => number(&text),
            Self::Integer => whole(&text),
            Self::Boolean => text.to_ascii_lowercase().parse::<bool>().ok().and_then(|yes| to_raw_value(&yes).ok()),
            Self::Guid => Uuid::parse_str(&text).ok().and_then(|id| to_raw_value(&id).ok()),
            Self::DateTime => time(&text).and_then(|time| to_raw_value(&timestamp(time)).ok()),
        }
    }
}

/// Digits stay as they are. An exponent is resolved, because not every reader of decimals accepts one.
fn number(text: &str) -> Option<Box<RawValue>> {
    let number = Number::parse(text)?;
    let has_exponent = text.contains(['e', 'E']);
    let text = if has_exponent || number.whole() == Some(0) { number.plain()? } else { text.to_owned() };
    RawValue::from_string(text).ok()
}

/// Commerce writes whole numbers as `2.0`, which Dataverse does not accept.
fn whole(text: &str) -> Option<Box<RawValue>> {
    to_raw_value(&Number::parse(text)?.whole()?).ok()
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let time =
        DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}Z"))).ok()?;
    Some(time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(kind: Type, value: &str) -> Option<String> {
        let raw = RawValue::from_string(value.to_owned()).unwrap();
        kind.convert(&raw).map(|value| value.get().to_owned())
    }

    #[test]
    fn values_have_the_declared_type_and_keep_all_digits() {
        let cases = [
            (Type::Decimal, "184.2200000000000000", Some("184.2200000000000000")),
            (Type::Decimal, "\"12.50\"", Some("12.50")),
            (Type::Decimal, "\"many\"", None),
            (Type::String, "184.20", Some("\"184.20\"")),
            (Type::String, "\"O'Brien \\\"Bob\\\"\"", Some("\"O'Brien \\\"Bob\\\"\"")),
            (Type::String, "\"Ann\\u000bSmith\\ud83d\"", Some("\"Ann Smith\u{fffd}\"")),
            (Type::Integer, "2.0", Some("2")),
            (Type::Integer, "2.5", None),
            (Type::Integer, "1e2", Some("100")),
            (Type::Integer, "-0", Some("0")),
            (Type::Integer, "123456789012345678901234567890", None),
            (Type::Decimal, "1.842E2", Some("184.2")),
            (Type::Decimal, "\" 12.50 \"", Some("12.50")),
            (Type::Boolean, "true", Some("true")),
            (Type::Guid, "\"2cf6659a-a87e-4603-b4a9-4438ccb27fad\"", Some("\"2cf6659a-a87e-4603-b4a9-4438ccb27fad\"")),
            (Type::DateTime, "\"2024-05-15T11:02:08+02:00\"", Some("\"2024-05-15T09:02:08.000Z\"")),
            (Type::DateTime, "\"soon\"", None),
            (Type::String, "{}", None),
        ];
        for (kind, value, expected) in cases {
            assert_eq!(convert(kind, value).as_deref(), expected, "{kind:?} {value}");
        }
    }
}
