//! The body of an invocation: `{"Data": {...}, "Metadata": {...}}`.
//!
//! The encodings are those of the host's `GetHttpScriptInvocationContextValue` and of the Service Bus extension's
//! binding data. Open points are noted where they matter.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::function::ServiceBusTrigger;
use super::message::Delivery;

/// The host's JSON parser reads no more objects and arrays inside each other.
const MAX_DEPTH: usize = 64;

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
            "Last": exact(status.last, "+00:00"),
            "LastUpdated": exact(status.last_updated, "+00:00"),
            "Next": exact(status.next, "+00:00"),
        })
    });
    let data = json!({ "Schedule": { "AdjustForDST": true }, "ScheduleStatus": status, "IsPastDue": past_due });
    json!({ "Data": { binding: data }, "Metadata": { "sys": system(function, now) } })
}

/// The body of a message invocation.
pub(super) fn message(function: &str, trigger: &ServiceBusTrigger, now: DateTime<Utc>, delivery: &Delivery) -> Value {
    let body = &delivery.message.body;
    let mut metadata = Metadata(binding_data(trigger, delivery));
    // Like everything else, it is overridden by a property of the body.
    metadata.0.insert("sys".to_owned(), system(function, now));
    let data = if trigger.binary {
        Value::String(STANDARD.encode(body))
    } else {
        let text = String::from_utf8_lossy(body);
        metadata.flatten(&text);
        encoded(&text)
    };
    json!({ "Data": { trigger.binding.as_str(): data }, "Metadata": metadata.0 })
}

fn system(function: &str, now: DateTime<Utc>) -> Value {
    json!({
        "MethodName": function,
        "UtcNow": exact(now, "Z"),
        "RandGuid": Uuid::new_v4().to_string(),
    })
}

/// A time within an object, as Json.NET writes it: in units of 100 nanoseconds, without zeros at the end.
fn exact(time: DateTime<Utc>, zone: &str) -> String {
    let fraction = format!(".{:07}", time.timestamp_subsec_nanos() / 100);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction}{zone}", time.format("%Y-%m-%dT%H:%M:%S"))
}

/// A `DateTimeOffset` in the metadata: without fractions of a second.
fn offset(time: DateTime<Utc>) -> Value {
    Value::String(time.format("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}

/// A `DateTime` in the metadata: without fraction and time zone, although it is UTC.
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

fn binding_data(trigger: &ServiceBusTrigger, delivery: &Delivery) -> Map<String, Value> {
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
    // SDK objects, most of which have no content after serialization.
    for name in ["MessageReceiver", "MessageSession", "MessageActions", "SessionActions", "ReceiveActions"] {
        data.insert(name.to_owned(), json!({}));
    }
    data.insert("Client".to_owned(), client(trigger));
    data
}

/// The client library's object. `0` is the transport type of AMQP over TCP.
fn client(trigger: &ServiceBusTrigger) -> Value {
    static IDENTIFIER: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);
    let namespace = trigger.connection.namespace();
    json!({
        "FullyQualifiedNamespace": namespace,
        "IsClosed": false,
        "TransportType": 0,
        "Identifier": format!("{namespace}-{}", *IDENTIFIER),
    })
}

struct Metadata(Map<String, Value>);

impl Metadata {
    /// Copies the top-level properties of a JSON object over the binding data, including system keys.
    fn flatten(&mut self, body: &str) {
        let Ok(body) = serde_json::from_str::<Value>(body) else { return };
        if depth(&body) > MAX_DEPTH {
            return;
        }
        let Value::Object(properties) = body else { return };
        for (name, value) in properties {
            let value = match value {
                Value::Array(_) | Value::Null => continue,
                Value::Object(_) => value,
                Value::Bool(value) => encoded(if value { "True" } else { "False" }),
                Value::Number(value) => encoded(&number(&value)),
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

/// How many objects and arrays are inside each other.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// A number as .NET writes it: `1e3` and `1000.0` are `1000`, and very large or small ones have an exponent.
fn number(number: &serde_json::Number) -> String {
    let Some(double) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let scientific = format!("{double:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..15).contains(&exponent) {
        return double.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}E{sign}{:02}", exponent.abs())
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
    fn a_body_may_override_even_sys() {
        let metadata = &payload(r#"{"sys":{"mine":true}}"#, false)["Metadata"];
        assert_eq!(metadata["sys"], json!({ "mine": true }));
    }

    #[test]
    fn a_deeply_nested_body_is_not_flattened() {
        for (lists, flattened) in [(62, true), (63, false), (69, false)] {
            let body = format!(r#"{{"a":{{"b":{}{}}}}}"#, "[".repeat(lists), "]".repeat(lists));
            let payload = payload(&body, false);
            assert_eq!(payload["Metadata"].get("a").is_some(), flattened, "{lists}");
            assert_eq!(payload["Data"]["message"], encoded(&body));
        }
    }

    #[test]
    fn numbers_have_the_format_of_dotnet() {
        for (sent, written) in [
            ("1e3", "1000"),
            ("1000.0", "1000"),
            ("184.2200", "184.22"),
            ("-0.5", "-0.5"),
            ("9007199254740993", "9007199254740993"),
            ("1e15", "1E+15"),
            ("1.5e300", "1.5E+300"),
            ("0.0001", "0.0001"),
            ("0.00001", "1E-05"),
        ] {
            let metadata = &payload(&format!(r#"{{"n":{sent}}}"#), false)["Metadata"];
            assert_eq!(metadata["n"], format!("\"{written}\""), "{sent}");
        }
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
