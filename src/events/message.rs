//! The message on the topic: `OrderDetails`, `CustomerDetails`, `EventDetails`, each an object or `null`.
//!
//! A Logic App made for Microsoft's sample can subscribe beside us, so the body holds these three and nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::raw::{RawObject, is_array};
use super::{CommerceEvent, MalformedEvent, Record};

/// A message as received.
#[derive(Clone, Debug)]
pub struct Message {
    /// The order, or the cart of an `AddCartLines`; `None` where the event has none.
    pub order: Option<Box<RawValue>>,
    /// The customer; `None` for guests.
    pub customer: Option<Box<RawValue>>,
    /// The event, as text for the journeys' pointers.
    pub event_text: Box<RawValue>,
    /// The event, understood.
    pub event: CommerceEvent,
}

/// Why a body is not a message of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is not JSON, or not of the right shape.
    #[error("the message body is not ours: {0}")]
    Shape(JsonProblem),
    /// Its event cannot be worked on.
    #[error("the message's EventDetails cannot be used: {0}")]
    Event(#[from] MalformedEvent),
}

/// Where JSON went wrong, without quoting it: values may be personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonProblem(String);

impl JsonProblem {
    /// The problem at a path, as `serde_path_to_error` found it.
    pub fn at(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let (path, inner) = (error.path(), error.inner());
        let kind = match inner.classify() {
            serde_json::error::Category::Syntax => "not JSON",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Data => "a field is missing or has the wrong type",
            serde_json::error::Category::Io => "it could not be read",
        };
        Self(format!("{kind}, at {path} (line {}, column {})", inner.line(), inner.column()))
    }
}

impl fmt::Display for JsonProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads JSON, naming the path of a mistake and never a value.
pub fn read_json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, JsonProblem> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| JsonProblem::at(&error))?;
    json.end().map_err(|error| {
        JsonProblem(format!("more text follows (line {}, column {})", error.line(), error.column()))
    })?;
    Ok(value)
}

#[derive(Deserialize)]
struct Received {
    #[serde(rename = "OrderDetails", default)]
    order: Option<Box<RawValue>>,
    #[serde(rename = "CustomerDetails", default)]
    customer: Option<Box<RawValue>>,
    #[serde(rename = "EventDetails")]
    event: Box<RawValue>,
}

impl Message {
    /// Reads a body. Extra fields are nobody's concern.
    pub fn decode(body: &[u8]) -> Result<Self, MessageError> {
        let Received { order, customer, event: event_text } = read_json(body).map_err(MessageError::Shape)?;
        let event: CommerceEvent = read_json(event_text.get().as_bytes()).map_err(MessageError::Shape)?;
        event.check()?;
        Ok(Self { order, customer, event_text, event })
    }
}

/// How much had to be left out of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slimmed {
    /// The arrays within the order's lines.
    LineDetails,
    /// The order's lines.
    Lines,
    /// All arrays of order and customer.
    AllArrays,
}

impl Slimmed {
    const STAGES: [Self; 3] = [Self::LineDetails, Self::Lines, Self::AllArrays];

    /// The word for it in the record and in the message's `Slimmed` property.
    pub fn name(self) -> &'static str {
        match self {
            Self::LineDetails => "lineDetails",
            Self::Lines => "lines",
            Self::AllArrays => "allArrays",
        }
    }
}

/// A message to be published.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// `MessageId`.
    pub id: String,
    /// The body.
    pub body: String,
    /// Application properties.
    pub properties: Vec<(&'static str, String)>,
    /// What had to be left out.
    pub slimmed: Option<Slimmed>,
}

#[derive(Serialize)]
struct Sent<'a> {
    #[serde(rename = "OrderDetails")]
    order: Option<&'a RawValue>,
    #[serde(rename = "CustomerDetails")]
    customer: Option<&'a RawValue>,
    #[serde(rename = "EventDetails")]
    event: EventDetails<'a>,
}

/// The event with what the reference adds to it.
#[derive(Serialize)]
struct EventDetails<'a> {
    #[serde(flatten)]
    event: &'a CommerceEvent,
    id: &'a str,
    status: super::Status,
    #[serde(rename = "retryCount")]
    retry_count: u32,
}

impl OutgoingMessage {
    /// Composes the message of an event. One that does not fit is slimmed until it does; `None` if even the slimmest
    /// does not.
    pub fn compose(
        record: &Record,
        order: Option<&RawValue>,
        customer: Option<&RawValue>,
        fits: impl Fn(&Self) -> bool,
    ) -> Option<Self> {
        let whole = Self::build(record, order, customer, None)?;
        if fits(&whole) {
            return Some(whole);
        }
        Slimmed::STAGES.into_iter().find_map(|stage| {
            let order = order.map(|order| slim_order(order, stage));
            let customer = customer.map(|customer| slim_customer(customer, stage));
            Self::build(record, order.as_deref(), customer.as_deref(), Some(stage)).filter(&fits)
        })
    }

    fn build(
        record: &Record,
        order: Option<&RawValue>,
        customer: Option<&RawValue>,
        slimmed: Option<Slimmed>,
    ) -> Option<Self> {
        let event = EventDetails {
            event: &record.event,
            id: record.id.as_str(),
            status: super::Status::Processing,
            retry_count: record.retry_count,
        };
        // Serialising what was parsed from JSON cannot fail.
        let body = serde_json::to_string(&Sent { order, customer, event }).ok()?;
        Some(Self {
            id: record.id.message_id(record.publications),
            body,
            properties: properties(record, slimmed),
            slimmed,
        })
    }
}

fn properties(record: &Record, slimmed: Option<Slimmed>) -> Vec<(&'static str, String)> {
    let mut properties = vec![
        ("EventType", record.event.event_type.clone()),
        ("EventChannelId", record.event.channel_id.clone()),
        ("EventDataAreaId", record.event.data_area_id.clone()),
        ("traceparent", traceparent(record)),
    ];
    properties.extend(slimmed.map(|slimmed| ("Slimmed", slimmed.name().to_owned())));
    properties
}

/// The W3C trace context of an event: one trace per event, a parent span per publication.
pub(crate) fn traceparent(record: &Record) -> String {
    format!("00-{:032x}-{:016x}-01", record.id.trace_id(), u64::from(record.publications) + 1)
}

fn slim_order(order: &RawValue, stage: Slimmed) -> Box<RawValue> {
    match stage {
        Slimmed::AllArrays => without_arrays(order),
        Slimmed::Lines => emptied(order, |name| LINES.contains(&name)),
        Slimmed::LineDetails => slim_lines(order).unwrap_or_else(|| order.to_owned()),
    }
}

fn slim_customer(customer: &RawValue, stage: Slimmed) -> Box<RawValue> {
    match stage {
        Slimmed::AllArrays => without_arrays(customer),
        Slimmed::LineDetails | Slimmed::Lines => customer.to_owned(),
    }
}

/// Where orders and carts keep their lines.
const LINES: [&str; 2] = ["SalesLines", "CartLines"];

fn without_arrays(object: &RawValue) -> Box<RawValue> {
    emptied(object, |_| true)
}

fn emptied(object: &RawValue, which: impl Fn(&str) -> bool) -> Box<RawValue> {
    let slimmed = RawObject::split(object).and_then(|mut fields| {
        fields.empty_arrays(which);
        fields.to_raw().ok()
    });
    slimmed.unwrap_or_else(|| object.to_owned())
}

fn slim_lines(order: &RawValue) -> Option<Box<RawValue>> {
    let mut fields = RawObject::split(order)?;
    for (name, value) in &mut fields.0 {
        if LINES.contains(&name.as_ref()) && is_array(value) {
            let lines: Vec<Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
            let slim: Vec<_> = lines.iter().map(|line| without_arrays(line)).collect();
            *value = std::borrow::Cow::Owned(serde_json::value::to_raw_value(&slim).ok()?);
        }
    }
    fields.to_raw().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn record() -> Record {
        let event: CommerceEvent = serde_json::from_str(
            r#"{"EventTransactionId":"T1","EventDateTime":"2024-07-24T14:17:02.16Z","EventType":"Checkout",
                "EventDataAreaId":"usrt","EventData":"{}","EventChannelId":5637144592,"ExtensionProperties":[]}"#,
        )
        .unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Record::new(event, uuid::Uuid::nil(), now, now)
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn body_has_exactly_three_parts_and_the_received_digits() {
        let order = raw(r#"{"AmountPaid":184.2200000000000000}"#);
        let message = OutgoingMessage::compose(&record(), Some(&order), None, |_| true).unwrap();
        assert!(message.body.starts_with(
            r#"{"OrderDetails":{"AmountPaid":184.2200000000000000},"CustomerDetails":null,"EventDetails":{"#
        ));
        let parsed: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(parsed.as_object().unwrap().len(), 3);
        assert_eq!(parsed["EventDetails"]["EventChannelId"], "5637144592");
        assert_eq!(message.properties[0], ("EventType", "Checkout".to_owned()));
    }

    #[test]
    fn a_large_order_is_slimmed_step_by_step_and_says_so() {
        let line = format!(
            r#"{{"ItemId":"1","Comment":"{}","ChargeLines":[{{"Value":"{}"}}]}}"#,
            "c".repeat(100),
            "x".repeat(1000)
        );
        let order = raw(&format!(
            r#"{{"Id":"T1","SalesLines":[{}],"TaxLines":["{}"]}}"#,
            vec![line; 10].join(","),
            "t".repeat(500)
        ));
        let slimmed = |limit| {
            OutgoingMessage::compose(&record(), Some(&order), None, |message| message.body.len() <= limit).unwrap()
        };
        assert_eq!(slimmed(100_000).slimmed, None);
        assert_eq!(slimmed(5_000).slimmed, Some(Slimmed::LineDetails));
        assert!(slimmed(5_000).body.contains(r#""ChargeLines":[]"#));
        assert_eq!(slimmed(1_500).slimmed, Some(Slimmed::Lines));
        let slimmest = slimmed(600);
        assert_eq!(slimmest.slimmed, Some(Slimmed::AllArrays));
        assert!(slimmest.properties.contains(&("Slimmed", "allArrays".to_owned())));
        assert!(OutgoingMessage::compose(&record(), Some(&order), None, |message| message.body.len() <= 100).is_none());
    }

    #[test]
    fn a_foreign_message_is_named_without_quoting_it() {
        let error = Message::decode(br#"{"EventDetails":{"EventTransactionId":["ann@example.com"]}}"#).unwrap_err();
        assert!(!error.to_string().contains("ann@"), "{error}");
        assert!(matches!(Message::decode(b"{\"hello\":1}"), Err(MessageError::Shape(_))));
        assert!(matches!(Message::decode(b"\xff\xfe"), Err(MessageError::Shape(_))));
    }

    #[test]
    fn what_is_composed_can_be_decoded() {
        let order = raw(r#"{"Id":"T1"}"#);
        let body = OutgoingMessage::compose(&record(), Some(&order), None, |_| true).unwrap().body;
        let message = Message::decode(body.as_bytes()).unwrap();
        assert_eq!(message.event.id(), record().id);
        assert_eq!(message.order.as_deref().map(RawValue::get), Some(r#"{"Id":"T1"}"#));
        assert!(message.customer.is_none());
    }
}
