//! Messages as HTTP headers and bodies.
//!
//! <https://learn.microsoft.com/rest/api/servicebus/message-headers-and-properties>,
//! <https://learn.microsoft.com/rest/api/servicebus/send-message-batch>

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Delivery, Message, NewMessage, Property};
use super::reply::ErrorReply;

/// The header with the system properties, as JSON.
pub(super) const BROKER_PROPERTIES: &str = "BrokerProperties";
/// The content type of a batch.
pub(super) const BATCH: &str = "application/vnd.microsoft.servicebus.json";
/// The content type of replies whose message has none.
const ATOM: &str = "application/atom+xml;type=entry;charset=utf-8";

/// Headers that belong to HTTP or to the request itself. Any other header is a property of the message.
const NOT_PROPERTIES: [&str; 33] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "authorization",
    "brokerproperties",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authorization",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "warning",
    "x-ms-retrypolicy",
];

/// The broker properties that a sender can set. Other names are ignored, as documented.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BrokerProperties {
    correlation_id: Option<String>,
    label: Option<String>,
    message_id: Option<String>,
    partition_key: Option<String>,
    reply_to: Option<String>,
    scheduled_enqueue_time_utc: Option<String>,
    session_id: Option<String>,
    /// Seconds.
    time_to_live: Option<f64>,
    /// `[d.]hh:mm:ss`
    time_to_live_time_span: Option<String>,
    to: Option<String>,
}

impl BrokerProperties {
    fn into_message(self, body: Bytes) -> Option<NewMessage> {
        let time_to_live = match (self.time_to_live, self.time_to_live_time_span) {
            (Some(seconds), _) => Some(time_to_live(seconds)?),
            (None, Some(span)) => Some(time_span(&span)?),
            (None, None) => None,
        };
        let scheduled_enqueue_time = match self.scheduled_enqueue_time_utc {
            // Only this form is documented, with `GMT` or an offset.
            Some(time) => Some(DateTime::parse_from_rfc2822(time.trim()).ok()?.to_utc()),
            None => None,
        };
        Some(NewMessage {
            message_id: self.message_id.filter(|id| !id.is_empty()),
            body,
            content_type: None,
            subject: self.label,
            correlation_id: self.correlation_id,
            to: self.to,
            reply_to: self.reply_to,
            session_id: self.session_id,
            partition_key: self.partition_key,
            time_to_live,
            scheduled_enqueue_time,
            application_properties: BTreeMap::new(),
            original: None,
        })
    }
}

/// The longest time to live means "never" and must be accepted.
fn time_to_live(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn time_span(text: &str) -> Option<Duration> {
    let (days, time) = text.split_once('.').filter(|(days, _)| !days.contains(':')).unwrap_or(("0", text));
    let days: u64 = days.parse().ok()?;
    let mut parts = time.split(':');
    let mut part = || parts.next()?.parse::<f64>().ok().filter(|part| *part >= 0.0);
    let seconds = part()? * 3600.0 + part()? * 60.0 + part()?;
    if parts.next().is_some() {
        return None;
    }
    Duration::from_secs(days.checked_mul(86_400)?).checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// One message: broker properties in a JSON header, each application property in its own header, and the payload.
pub(super) fn single(headers: &HeaderMap, body: Bytes, strict: bool) -> Result<NewMessage, ErrorReply> {
    let mut message = match headers.get(BROKER_PROPERTIES) {
        None => NewMessage { body, ..NewMessage::default() },
        Some(value) => {
            let value = text(value, BROKER_PROPERTIES)?;
            let error = || ErrorReply::bad_header(BROKER_PROPERTIES, value);
            let properties: BrokerProperties = serde_json::from_str(value).map_err(|_| error())?;
            properties.into_message(body).ok_or_else(error)?
        }
    };
    if let Some(value) = headers.get(header::CONTENT_TYPE) {
        message.content_type = Some(text(value, "Content-Type")?.to_owned());
    }
    for (name, value) in headers.iter().filter(|(name, _)| !NOT_PROPERTIES.contains(&name.as_str())) {
        let property = property(text(value, name.as_str())?, strict);
        let property = property
            .ok_or_else(|| ErrorReply::bad_header(name.as_str(), &String::from_utf8_lossy(value.as_bytes())))?;
        message.application_properties.insert(name.as_str().to_owned(), property);
    }
    Ok(message)
}

fn text<'a>(value: &'a HeaderValue, name: &str) -> Result<&'a str, ErrorReply> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| ErrorReply::bad_header(name, "(not UTF-8)"))
}

/// The value of a header: text has double quotes, numbers and Booleans have none.
fn property(value: &str, strict: bool) -> Option<Property> {
    match serde_json::from_str::<Value>(value).ok().as_ref().and_then(scalar) {
        Some(property) => Some(property),
        // There are two reports about text without quotes: it is rejected, or it is accepted as text.
        None if strict => None,
        None => Some(Property::Text(value.to_owned())),
    }
}

fn scalar(value: &Value) -> Option<Property> {
    match value {
        Value::String(text) => Some(Property::Text(text.clone())),
        Value::Bool(value) => Some(Property::Bool(*value)),
        Value::Number(number) => {
            number.as_i64().map(Property::Integer).or_else(|| number.as_f64().map(Property::Double))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// One entry of a batch. All documented examples have a text as body; anything else is rejected.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    body: String,
    #[serde(default)]
    broker_properties: Option<BrokerProperties>,
    #[serde(default)]
    user_properties: Option<BTreeMap<String, Value>>,
}

/// A batch: a JSON array. Headers of the request are not properties of its messages.
pub(super) fn batch(body: &[u8]) -> Result<Vec<NewMessage>, ErrorReply> {
    let invalid = |why: &str| ErrorReply::bad(format!("The batch is invalid: {why}."));
    let entries: Vec<Entry> = serde_json::from_slice(body).map_err(|error| invalid(&error.to_string()))?;
    if entries.is_empty() {
        return Err(invalid("it has no messages"));
    }
    entries.into_iter().map(|entry| message(entry).ok_or_else(|| invalid("a property has an invalid value"))).collect()
}

fn message(entry: Entry) -> Option<NewMessage> {
    let mut message = entry.broker_properties.unwrap_or_default().into_message(entry.body.into())?;
    for (name, value) in entry.user_properties.unwrap_or_default() {
        message.application_properties.insert(name, scalar(&value)?);
    }
    Some(message)
}

/// The headers of a received message. `locked` decides whether its lock is included.
pub(super) fn headers(delivery: &Delivery, locked: bool) -> HeaderMap {
    let message = &delivery.message;
    let mut headers = HeaderMap::new();
    let mut put = |name: &str, value: &str| {
        // A name or value that HTTP cannot represent came over another protocol, and is omitted.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    };
    for (name, value) in properties(message) {
        put(&name, &ascii(&value));
    }
    put(header::CONTENT_TYPE.as_str(), message.content.content_type.as_deref().unwrap_or(ATOM));
    put(BROKER_PROPERTIES, &ascii(&broker_properties(delivery, locked)));
    headers
}

/// The application properties and, for a dead letter, its reason and description.
fn properties(message: &Message) -> BTreeMap<String, Value> {
    let mut properties: BTreeMap<_, _> =
        message.properties().map(|(name, value)| (name.clone(), json!(value))).collect();
    if let Some(dead) = &message.dead_letter {
        properties.insert("DeadLetterReason".to_owned(), json!(dead.reason));
        properties.insert("DeadLetterErrorDescription".to_owned(), json!(dead.description));
    }
    properties
}

fn broker_properties(delivery: &Delivery, locked: bool) -> Value {
    let Message { message_id, sequence_number, content, .. } = &delivery.message;
    let mut all = json!({
        "DeliveryCount": delivery.message.delivery_count,
        "EnqueuedSequenceNumber": sequence_number,
        "EnqueuedTimeUtc": http_date(delivery.message.enqueued_time),
        "MessageId": message_id,
        "SequenceNumber": sequence_number,
        "State": "Active",
        "TimeToLive": delivery.message.time_to_live.as_secs_f64(),
    });
    if locked {
        all["LockToken"] = json!(delivery.lock_token.to_string());
        all["LockedUntilUtc"] = json!(http_date(delivery.locked_until));
    }
    let optional = [
        ("CorrelationId", &content.correlation_id),
        ("Label", &content.subject),
        ("PartitionKey", &content.partition_key),
        ("ReplyTo", &content.reply_to),
        ("SessionId", &content.session_id),
        ("To", &content.to),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            all[name] = json!(value);
        }
    }
    if let Some(time) = content.scheduled_enqueue_time {
        all["ScheduledEnqueueTimeUtc"] = json!(http_date(time));
    }
    all
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// JSON that is valid in a header: non-ASCII characters are `\u` escapes.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_read_in_the_dotnet_format() {
        assert_eq!(time_span("00:00:40"), Some(Duration::from_secs(40)));
        assert_eq!(time_span("0.00:00:10"), Some(Duration::from_secs(10)));
        assert_eq!(time_span("14.00:00:00.5"), Some(Duration::from_millis(1_209_600_500)));
        assert_eq!(time_span("10675199.02:48:05.4775807").map(|span| span.as_secs() / 86_400), Some(10_675_199));
        assert_eq!(time_span("40"), None);
    }

    #[test]
    fn properties_have_types() {
        assert_eq!(property("\"High\"", true), Some(Property::from("High")));
        assert_eq!(property("42", true), Some(Property::Integer(42)));
        assert_eq!(property("1.5", true), Some(Property::Double(1.5)));
        assert_eq!(property("true", true), Some(Property::Bool(true)));
        assert_eq!(property("High", false), Some(Property::from("High")));
        assert_eq!(property("High", true), None);
    }

    #[test]
    fn headers_can_contain_any_text() {
        assert_eq!(ascii(&json!("Zoë 😀")), r#""Zo\u00eb \ud83d\ude00""#);
    }
}
