//! Converts messages between the broker and AMQP.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide#messages>

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, SecondsFormat, Utc};
use fe2o3_amqp_types::messaging::{Header, MessageId, Properties};
use serde_amqp::Value;
use serde_amqp::primitives::{Symbol, Timestamp, Uuid as AmqpUuid};
use uuid::Uuid;

use super::super::{Change, Changes, Message, NewMessage, Property};
use super::sections::{APPLICATION_PROPERTIES, Builder, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, Map, Sections};
use super::settle::{DESCRIPTION, REASON};

/// The format of a transfer whose data sections are messages.
pub(super) const BATCH_FORMAT: u32 = 0x8001_3700;

const SCHEDULED: &str = "x-opt-scheduled-enqueue-time";
const PARTITION_KEY: &str = "x-opt-partition-key";

/// A message as its sender encoded it, with the types and sections that other protocols do not have.
#[derive(Clone, Debug, PartialEq)]
pub struct Original {
    priority: u8,
    annotations: Map,
    properties: Properties,
    application_properties: Map,
    body: Bytes,
}

/// How a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandedOut {
    /// With this lock token, locked until this time.
    Locked(Uuid, DateTime<Utc>),
    /// Received and deleted.
    Deleted,
    /// Peeked.
    Peeked,
}

/// The messages of a transfer: one message, or a batch.
pub(super) fn decode(payload: &Bytes, format: u32) -> Result<Vec<NewMessage>, serde_amqp::Error> {
    let sections = Sections::read(payload)?;
    if format == BATCH_FORMAT {
        return sections.data.iter().map(|data| Sections::read(data).map(new_message)).collect();
    }
    Ok(vec![new_message(sections)])
}

fn new_message(sections: Sections) -> NewMessage {
    let Sections { header, annotations, properties, application_properties, body, data, value } = sections;
    let annotation = |name: &str| annotations.get(&Value::Symbol(Symbol::from(name)));
    NewMessage {
        message_id: properties.message_id.as_ref().map(id),
        body: payload(&body, data, value.as_ref()),
        content_type: properties.content_type.as_ref().map(|symbol| symbol.0.clone()),
        subject: properties.subject.clone(),
        correlation_id: properties.correlation_id.as_ref().map(id),
        to: properties.to.clone(),
        reply_to: properties.reply_to.clone(),
        session_id: properties.group_id.clone(),
        partition_key: annotation(PARTITION_KEY).and_then(text),
        time_to_live: header.ttl.map(|milliseconds| Duration::from_millis(milliseconds.into())),
        scheduled_enqueue_time: annotation(SCHEDULED).and_then(time),
        application_properties: common(&application_properties),
        original: Some(Arc::new(Original {
            priority: header.priority.0,
            annotations,
            properties,
            application_properties,
            body,
        })),
    }
}

/// The body as bytes: data unchanged, text as UTF-8, anything else in its encoded form.
fn payload(body: &Bytes, mut data: Vec<Bytes>, value: Option<&Value>) -> Bytes {
    match (data.len(), value) {
        (1, _) => data.remove(0),
        (0, Some(Value::String(text))) => Bytes::copy_from_slice(text.as_bytes()),
        (0, _) => body.clone(),
        _ => {
            let mut whole = BytesMut::new();
            data.iter().for_each(|part| whole.extend_from_slice(part));
            whole.freeze()
        }
    }
}

fn id(id: &MessageId) -> String {
    match id {
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => Uuid::from_bytes(*uuid.as_inner()).to_string(),
        MessageId::Binary(bytes) => STANDARD.encode(bytes),
        MessageId::String(text) => text.clone(),
    }
}

/// Text, or a symbol.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) | Value::Symbol(Symbol(text)) => Some(text.clone()),
        _ => None,
    }
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::Timestamp(time) => DateTime::from_timestamp_millis(time.milliseconds()),
        _ => None,
    }
}

/// A map of properties in the types that all protocols have.
fn common(map: &Map) -> BTreeMap<String, Property> {
    map.iter().filter_map(|(name, value)| Some((text(name)?, property(value)?))).collect()
}

/// A receiver's changes, with their types.
pub(super) fn changes(map: &Map) -> Changes {
    let change = |value: &Value| Change { value: property(value), amqp: value.clone() };
    map.iter().filter_map(|(name, value)| Some((text(name)?, change(value)))).collect()
}

fn property(value: &Value) -> Option<Property> {
    Some(match value {
        Value::Bool(value) => Property::Bool(*value),
        Value::Ubyte(number) => Property::Integer((*number).into()),
        Value::Ushort(number) => Property::Integer((*number).into()),
        Value::Uint(number) => Property::Integer((*number).into()),
        Value::Ulong(number) => i64::try_from(*number).map_or(Property::Double(*number as f64), Property::Integer),
        Value::Byte(number) => Property::Integer((*number).into()),
        Value::Short(number) => Property::Integer((*number).into()),
        Value::Int(number) => Property::Integer((*number).into()),
        Value::Long(number) => Property::Integer(*number),
        Value::Float(number) => Property::Double(number.0.into()),
        Value::Double(number) => Property::Double(number.0),
        Value::Char(character) => Property::Text(character.to_string()),
        Value::Timestamp(_) => Property::Text(time(value)?.to_rfc3339_opts(SecondsFormat::Millis, true)),
        Value::Uuid(uuid) => Property::Text(Uuid::from_bytes(*uuid.as_inner()).to_string()),
        Value::Binary(bytes) => Property::Text(STANDARD.encode(bytes)),
        Value::String(text) | Value::Symbol(Symbol(text)) => Property::Text(text.clone()),
        Value::Described(described) => property(&described.value)?,
        // Lists and maps are not valid property values in Service Bus. Decimals are not supported here.
        _ => return None,
    })
}

/// A message for a receiver, with the annotations of the real service.
pub(super) fn encode(message: &Message, out: HandedOut) -> Result<Bytes, serde_amqp::Error> {
    let original = message.content.original.as_deref();
    let mut builder = Builder::default().header(&header(message, original, out))?;
    if let HandedOut::Locked(token, _) = out {
        let token = Value::Uuid(AmqpUuid::from(token.into_bytes()));
        builder = builder.map(DELIVERY_ANNOTATIONS, &symbols([("x-opt-lock-token", token)]))?;
    }
    let builder = builder
        .map(MESSAGE_ANNOTATIONS, &annotations(message, original, out))?
        .properties(&properties(message, original))?
        .map(APPLICATION_PROPERTIES, &application_properties(message, original))?;
    Ok(match original {
        Some(original) if !original.body.is_empty() => builder.encoded(&original.body),
        _ => builder.data(&message.content.body),
    }
    .build())
}

fn header(message: &Message, original: Option<&Original>, out: HandedOut) -> Header {
    // The receiver adds the current delivery to the count itself.
    let counted = u32::from(out != HandedOut::Peeked);
    let mut header = Header {
        durable: true,
        ttl: Some(u32::try_from(message.time_to_live.as_millis()).unwrap_or(u32::MAX)),
        delivery_count: message.delivery_count.saturating_sub(counted),
        ..Header::default()
    };
    if let Some(original) = original {
        header.priority.0 = original.priority;
    }
    header
}

fn annotations(message: &Message, original: Option<&Original>, out: HandedOut) -> Map {
    let mut map = original.map(|original| original.annotations.clone()).unwrap_or_default();
    let mut put = |name: &str, value: Value| drop(map.insert(Value::Symbol(Symbol::from(name)), value));
    put("x-opt-enqueued-time", timestamp(message.enqueued_time));
    put("x-opt-sequence-number", Value::Long(message.sequence_number));
    put("x-opt-enqueue-sequence-number", Value::Long(message.sequence_number));
    put("x-opt-message-state", Value::Int(message.deferred.into()));
    if let HandedOut::Locked(_, until) = out {
        put("x-opt-locked-until", timestamp(until));
    }
    if let Some(key) = &message.content.partition_key {
        put(PARTITION_KEY, Value::String(key.clone()));
    }
    if let Some(time) = message.content.scheduled_enqueue_time {
        put(SCHEDULED, timestamp(time));
    }
    map
}

fn properties(message: &Message, original: Option<&Original>) -> Properties {
    let content = &message.content;
    let mut properties = match original {
        Some(original) => original.properties.clone(),
        None => Properties {
            to: content.to.clone(),
            subject: content.subject.clone(),
            reply_to: content.reply_to.clone(),
            correlation_id: content.correlation_id.clone().map(MessageId::String),
            content_type: content.content_type.clone().map(Symbol),
            group_id: content.session_id.clone(),
            ..Properties::new()
        },
    };
    properties.message_id.get_or_insert_with(|| MessageId::String(message.message_id.clone()));
    // Clients use the difference of these two as time to live, because the header field is limited to 49 days.
    let enqueued = message.enqueued_time.timestamp_millis();
    let lives = i64::try_from(message.time_to_live.as_millis()).unwrap_or(i64::MAX);
    properties.creation_time = Some(Timestamp::from_milliseconds(enqueued));
    properties.absolute_expiry_time = Some(Timestamp::from_milliseconds(enqueued.saturating_add(lives)));
    properties
}

fn application_properties(message: &Message, original: Option<&Original>) -> Map {
    let mut map = match original {
        Some(original) => original.application_properties.clone(),
        None => message.content.application_properties.iter().map(entry).collect(),
    };
    map.as_inner_mut().extend(message.changes.iter().map(|(name, change)| (key(name), change.amqp.clone())));
    if let Some(dead) = &message.dead_letter {
        let texts = [(REASON, &dead.reason), (DESCRIPTION, &dead.description)];
        let texts = texts.into_iter().filter(|(_, value)| !value.is_empty());
        map.as_inner_mut().extend(texts.map(|(name, value)| (key(name), Value::String(value.clone()))));
    }
    map
}

fn entry((name, property): (&String, &Property)) -> (Value, Value) {
    let value = match property {
        Property::Text(text) => Value::String(text.clone()),
        Property::Integer(number) => Value::Long(*number),
        Property::Double(number) => Value::Double((*number).into()),
        Property::Bool(value) => Value::Bool(*value),
    };
    (key(name), value)
}

fn key(name: &str) -> Value {
    Value::String(name.to_owned())
}

/// A timestamp in milliseconds.
pub(super) fn timestamp(time: DateTime<Utc>) -> Value {
    Value::Timestamp(Timestamp::from_milliseconds(time.timestamp_millis()))
}

fn symbols<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries.into_iter().map(|(name, value)| (Value::Symbol(Symbol::from(name)), value)).collect()
}

/// A map with text keys, as in the bodies and properties of requests and replies.
pub(super) fn texts<const N: usize>(entries: [(&str, Value); N]) -> Map {
    let entries: BTreeMap<_, _> = entries.into_iter().collect();
    entries.into_iter().map(|(name, value)| (key(name), value)).collect()
}
