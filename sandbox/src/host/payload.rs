//! The body of an invocation: `{"Data": {...}, "Metadata": {...}}`.
//!
//! The encodings are those of the host's `GetHttpScriptInvocationContextValue` and of the Service Bus extension's
//! binding data. Open points are noted where they matter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::function::ServiceBusTrigger;
use super::message::Delivery;

/// A timer's `ScheduleStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScheduleStatus {
    pub last: DateTime<Utc>,
    pub last_updated: DateTime<Utc>,
    pub next: DateTime<Utc>,
}

/// The body of a timer invocation. Its data is a plain object.
pub(super) fn timer(
    function: &str,
    binding: &str,
    now: DateTime<Utc>,
    status: Option<ScheduleStatus>,
    past_due: bool,
) -> Value {
    let status = status.map(|status| {
        json!({
            "Last": offset(status.last), "LastUpdated": offset(status.last_updated), "Next": offset(status.next),
        })
    });
    let data = json!({ "Schedule": { "AdjustForDST": true }, "ScheduleStatus": status, "IsPastDue": past_due });
    json!({ "Data": { binding: data }, "Metadata": { "sys": system(function, now) } })
}

/// The body of a message invocation.
pub(super) fn message(function: &str, trigger: &ServiceBusTrigger, now: DateTime<Utc>, delivery: &Delivery) -> Value {
    let body = &delivery.message.body;
    let mut metadata = Metadata(binding_data(delivery));
    let data = if trigger.binary {
        Value::String(STANDARD.encode(body))
    } else {
        let text = String::from_utf8_lossy(body);
        metadata.flatten(&text);
        encoded(&text)
    };
    metadata.0.insert("sys".to_owned(), system(function, now));
    json!({ "Data": { trigger.binding.as_str(): data }, "Metadata": metadata.0 })
}

fn system(function: &str, now: DateTime<Utc>) -> Value {
    json!({
        "MethodName": function,
        "UtcNow": now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "RandGuid": Uuid::new_v4().to_string(),
    })
}

/// A `DateTimeOffset` in the host's format: without fractions of a second.
fn offset(time: DateTime<Utc>) -> Value {
    Value::String(time.format("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}

/// A `DateTime` in the host's format: without fraction and time zone, although it is UTC.
fn zoneless(time: DateTime<Utc>) -> Value {
    Value::String(time.format("%Y-%m-%dT%H:%M:%S").to_string())
}

/// A string value is serialized twice: `abc` becomes `"\"abc\""`.
fn encoded(text: &str) -> Value {
    let json = Value::from(text).to_string();
    // The host's serializer also escapes JavaScript's line terminators.
    let json = json.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    Value::String(json)
}

fn binding_data(delivery: &Delivery) -> Map<String, Value> {
    let message = &delivery.message;
    let properties: Map<_, _> = message.application_properties.clone().into_iter().collect();
    let mut data = Map::from_iter([
        // Numbers become strings without inner quotes.
        ("DeliveryCount".to_owned(), Value::String(message.delivery_count.to_string())),
        ("SequenceNumber".to_owned(), Value::String(message.sequence_number.to_string())),
        ("LockToken".to_owned(), encoded(&delivery.lock_token.to_string())),
        ("ExpiresAtUtc".to_owned(), zoneless(message.expires_at)),
        ("ExpiresAt".to_owned(), offset(message.expires_at)),
        ("EnqueuedTimeUtc".to_owned(), zoneless(message.enqueued_time)),
        ("EnqueuedTime".to_owned(), offset(message.enqueued_time)),
        ("ApplicationProperties".to_owned(), Value::Object(properties.clone())),
        ("UserProperties".to_owned(), Value::Object(properties)),
    ]);
    let texts = [
        ("DeadLetterSource", &message.dead_letter_source),
        ("MessageId", &message.message_id),
        ("ContentType", &message.content_type),
        ("ReplyTo", &message.reply_to),
        ("To", &message.to),
        ("Subject", &message.subject),
        ("Label", &message.subject),
        ("CorrelationId", &message.correlation_id),
        ("SessionId", &message.session_id),
        ("ReplyToSessionId", &message.reply_to_session_id),
        ("PartitionKey", &message.partition_key),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            data.insert(name.to_owned(), encoded(text));
        }
    }
    // SDK objects that have no useful content after serialization. Their exact form is not documented.
    for name in ["MessageReceiver", "MessageActions", "SessionActions", "ReceiveActions", "Client"] {
        data.insert(name.to_owned(), json!({}));
    }
    data
}

struct Metadata(Map<String, Value>);

impl Metadata {
    /// Copies the top-level properties of a JSON object over the binding data, including system keys.
    fn flatten(&mut self, body: &str) {
        let Ok(Value::Object(properties)) = serde_json::from_str(body) else { return };
        for (name, value) in properties {
            let value = match value {
                Value::Array(_) | Value::Null => continue,
                Value::Object(_) => value,
                Value::Bool(value) => encoded(if value { "True" } else { "False" }),
                Value::Number(value) => encoded(&value.to_string()),
                Value::String(value) => encoded(&reformatted(&value)),
            };
            self.put(name, value);
        }
    }

    /// The host's dictionary is case-insensitive and keeps the first spelling.
    fn put(&mut self, name: String, value: Value) {
        // Names with this suffix are used for the trigger's own value.
        if name.to_ascii_lowercase().ends_with("trigger") {
            return;
        }
        let spelled = self.0.keys().find(|key| key.eq_ignore_ascii_case(&name)).cloned();
        self.0.insert(spelled.unwrap_or(name), value);
    }
}

/// The host's parser recognizes ISO times and writes them in another format.
fn reformatted(text: &str) -> String {
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc).naive_utc());
    let time = zoned.or_else(|_| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f"));
    time.map_or_else(|_| text.to_owned(), |time| time.format("%m/%d/%Y %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::host::function::{Connection, Entity};
    use crate::host::testing::message as plain;

    fn trigger(binary: bool) -> ServiceBusTrigger {
        ServiceBusTrigger {
            binding: "message".to_owned(),
            entity: Entity::Queue("q".to_owned()),
            connection: Connection::String("c".to_owned()),
            binary,
        }
    }

    fn payload(body: &str, binary: bool) -> Value {
        let clock = Clock::real();
        let delivery =
            Delivery { lock_token: Uuid::nil(), locked_until: clock.now(), message: plain(body), hold: clock.hold() };
        message("process-message", &trigger(binary), clock.now(), &delivery)
    }

    #[test]
    fn a_body_is_encoded_twice() {
        let payload = payload(r#"{"a":1}"#, false);
        assert_eq!(payload["Data"].to_string(), r#"{"message":"\"{\\\"a\\\":1}\""}"#);
    }

    #[test]
    fn a_binary_body_is_encoded_once_and_not_flattened() {
        let payload = payload(r#"{"a":1}"#, true);
        assert_eq!(payload["Data"].to_string(), r#"{"message":"eyJhIjoxfQ=="}"#);
        assert_eq!(payload["Metadata"].get("a"), None);
    }

    #[test]
    fn metadata_has_the_format_of_the_host() {
        let metadata = &payload("x", false)["Metadata"];
        assert_eq!(metadata["DeliveryCount"], "1");
        assert_eq!(metadata["SequenceNumber"], "123");
        assert_eq!(metadata["MessageId"], r#""m-1""#);
        assert_eq!(metadata["EnqueuedTimeUtc"], "2024-05-15T09:02:08");
        assert_eq!(metadata["EnqueuedTime"], "2024-05-15T09:02:08+00:00");
        assert_eq!(metadata["ApplicationProperties"]["EventType"], "Checkout");
        assert_eq!(metadata.get("CorrelationId"), None);
        assert!(metadata["sys"]["MethodName"].is_string());
    }

    #[test]
    fn properties_of_the_body_override_the_metadata() {
        let body = r#"{"messageId":"mine","OrderDetails":{"n":1},"list":[1],"at":"2024-05-15T09:02:08Z","ok":true}"#;
        let metadata = &payload(body, false)["Metadata"];
        assert_eq!(metadata["MessageId"], r#""mine""#);
        assert_eq!(metadata.get("messageId"), None);
        assert_eq!(metadata["OrderDetails"], json!({ "n": 1 }));
        assert_eq!(metadata.get("list"), None);
        assert_eq!(metadata["at"], r#""05/15/2024 09:02:08""#);
        assert_eq!(metadata["ok"], r#""True""#);
    }
}
