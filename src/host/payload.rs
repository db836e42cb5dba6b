//! Reads the payload of an invocation.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::events::RetryHistory;
use crate::functions::Delivery;
use crate::json::{JsonError, decode_text, read_json, unescaped};

/// Why a payload cannot be read as a Service Bus invocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvocationError {
    /// It does not have the host's format.
    #[error("the invocation's payload cannot be read: {0}")]
    Shape(JsonError),
    /// It contains no message.
    #[error("the invocation's payload contains no message: Data must have the binding of function.json")]
    NoMessage,
}

/// Values stay text until they are needed, because the host copies the whole order into the metadata.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Payload<'a> {
    #[serde(borrow, default)]
    data: HashMap<Cow<'a, str>, &'a RawValue>,
    #[serde(borrow, default)]
    metadata: HashMap<Cow<'a, str>, &'a RawValue>,
}

/// Reads a Service Bus invocation. The body comes from `Data` only, because the host copies its top-level fields into
/// `Metadata` and overwrites system properties of the same name.
pub fn read_delivery(payload: &[u8]) -> Result<Delivery, InvocationError> {
    let Payload { data, metadata } = read_json(payload).map_err(InvocationError::Shape)?;
    let message = data.into_values().next().ok_or(InvocationError::NoMessage)?;
    let entry = |name: &str| serde_json::from_str::<Value>(metadata.get(name)?.get()).ok();
    let delivery_count =
        entry("DeliveryCount").as_ref().and_then(number).and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let properties = entry("ApplicationProperties").or_else(|| entry("UserProperties")).as_ref().and_then(object);
    let property = |name: &str| properties.as_ref()?.get(name).and_then(text);
    Ok(Delivery {
        body: body(message),
        delivery_count,
        enqueued_at: entry("EnqueuedTimeUtc").as_ref().and_then(time),
        history: RetryHistory::from_properties(property),
    })
}

/// The byte order mark, which some senders write before their JSON.
const MARK: char = '\u{feff}';

/// A message in any of the host's encodings: text as a JSON string within a JSON string, an object, or bytes
/// (`"dataType": "binary"`) as base64.
fn body(data: &RawValue) -> Vec<u8> {
    let Some(outer) = string_of(data.get()) else { return data.get().as_bytes().to_vec() };
    let outer = outer.trim_start_matches(MARK);
    if let Some(inner) = string_of(outer) {
        return without_marks(inner);
    }
    if outer.trim_start().starts_with('{') {
        return outer.as_bytes().to_vec();
    }
    STANDARD.decode(outer.trim()).map_or_else(|_| outer.as_bytes().to_vec(), decode_text)
}

/// A large body is copied only if it has a mark.
fn without_marks(body: String) -> Vec<u8> {
    if body.starts_with(MARK) { body.trim_start_matches(MARK).as_bytes().to_vec() } else { body.into_bytes() }
}

/// The text of a JSON string.
fn string_of(json: &str) -> Option<String> {
    unescaped(json).or_else(|| serde_json::from_str(json).ok())
}

/// The host encodes most metadata as JSON within a JSON string. Other hosts write the value itself.
fn unwrapped(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

fn number(value: &Value) -> Option<i64> {
    match unwrapped(value) {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().trim_matches('"').parse().ok(),
        _ => None,
    }
}

/// A time in UTC. The host writes none of its zone.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    let text = text(value)?;
    let without_zone = NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(without_zone.and_utc())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(serde_json::from_str::<String>(text).unwrap_or_else(|_| text.clone())),
        other => Some(other.to_string()),
    }
}

fn object(value: &Value) -> Option<serde_json::Map<String, Value>> {
    match unwrapped(value) {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn delivery(payload: &Value) -> Delivery {
        read_delivery(payload.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_body_is_read_in_every_encoding_of_the_host() {
        let body = r#"{"a":184.2200000000000000,"b":"\"quoted\""}"#;
        let twice = serde_json::to_string(body).unwrap();
        let encodings = [Value::String(twice), Value::String(body.to_owned()), Value::String(STANDARD.encode(body))];
        for encoded in encodings {
            let payload = json!({"Data": {"message": encoded}, "Metadata": {"DeliveryCount": "3"}});
            let delivery = delivery(&payload);
            assert_eq!(String::from_utf8(delivery.body).unwrap(), body);
            assert_eq!(delivery.delivery_count, 3);
        }
        let marked = format!("\u{feff}{body}");
        let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(body.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let encodings = [
            serde_json::to_string(&marked).unwrap(),
            marked.clone(),
            STANDARD.encode(&marked),
            format!("\u{feff}{}", serde_json::to_string(body).unwrap()),
            STANDARD.encode(utf16),
        ];
        for encoded in encodings {
            let delivery = delivery(&json!({"Data": {"message": encoded}}));
            assert_eq!(String::from_utf8(delivery.body).unwrap(), body, "{encoded}");
        }
        let object = format!(r#"{{"Data":{{"message":{body}}},"Metadata":{{"DeliveryCount":2}}}}"#);
        assert_eq!(read_delivery(object.as_bytes()).unwrap().body, body.as_bytes());
    }

    #[test]
    fn the_history_of_a_rescheduled_message_is_read() {
        let payload = json!({"Data": {"message": "\"{}\""}, "Metadata": {
            "DeliveryCount": "1",
            "ApplicationProperties": {"RetryAttempts": "4", "RetryFailingSince": "1700000000000", "RetryJourneysStarted": "{\"a\":1700000001000}"}}});
        let history = delivery(&payload).history;
        assert_eq!(history.attempts, 4);
        assert_eq!(history.failing_since, chrono::DateTime::from_timestamp(1_700_000_000, 0));
        assert_eq!(history.started.keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn the_time_in_the_subscription_is_read() {
        let enqueued = |time: Value| {
            let payload = json!({"Data": {"message": "\"{}\""}, "Metadata": {"EnqueuedTimeUtc": time}});
            delivery(&payload).enqueued_at
        };
        let expected = DateTime::from_timestamp(1_715_763_728, 0);
        for text in ["2024-05-15T09:02:08", "2024-05-15T09:02:08Z", "\"2024-05-15T09:02:08\""] {
            assert_eq!(enqueued(json!(text)), expected, "{text}");
        }
        assert_eq!(enqueued(json!("yesterday")), None);
        assert_eq!(enqueued(Value::Null), None);
    }

    #[test]
    fn invalid_payloads_are_errors() {
        for invalid in ["", "null", "[]", "{", "{\"Data\":{}}", "{\"Data\":5}", "\u{0}"] {
            assert!(read_delivery(invalid.as_bytes()).is_err(), "{invalid}");
        }
    }
}
