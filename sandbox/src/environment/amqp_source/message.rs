//! Translates AMQP messages into the host's messages.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use fe2o3_amqp::types::messaging::annotations::OwnedKey;
use fe2o3_amqp::types::messaging::{self, Body, MessageId, Properties};
use fe2o3_amqp::types::primitives::SimpleValue;
use serde_amqp::Value as Amqp;
use serde_amqp::primitives::Symbol;
use serde_json::Value;
use uuid::Uuid;

use crate::host::Message;

/// The message, and the end of its lock.
pub(super) fn read(message: messaging::Message<Body<Amqp>>) -> (DateTime<Utc>, Message) {
    let annotations = message.message_annotations.unwrap_or_default().0;
    let annotation = |name: &str| annotations.get(&OwnedKey::Symbol(Symbol::from(name)));
    let time = |name: &str| annotation(name).and_then(time).unwrap_or_default();
    let text = |name: &str| annotation(name).and_then(text);
    let header = message.header.unwrap_or_default();
    let properties = message.properties.unwrap_or_default();
    let enqueued_time = time("x-opt-enqueued-time");
    let lives = Duration::from_millis(header.ttl.unwrap_or(u32::MAX).into());
    let Properties { message_id, to, subject, reply_to, correlation_id, content_type, group_id, .. } = properties;
    let message = Message {
        sequence_number: annotation("x-opt-sequence-number").and_then(integer).unwrap_or_default(),
        message_id: message_id.map(id),
        body: body(message.body),
        content_type: content_type.map(|Symbol(name)| name),
        correlation_id: correlation_id.map(id),
        subject,
        to,
        reply_to,
        reply_to_session_id: properties.reply_to_group_id,
        session_id: group_id,
        partition_key: text("x-opt-partition-key"),
        enqueued_time,
        expires_at: enqueued_time + lives,
        delivery_count: header.delivery_count + 1,
        dead_letter_source: text("x-opt-deadletter-source"),
        application_properties: message
            .application_properties
            .map(|map| map.0.into_inner())
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name, json(value)?)))
            .collect::<BTreeMap<_, _>>(),
    };
    (time("x-opt-locked-until"), message)
}

fn body(body: Body<Amqp>) -> Bytes {
    match body {
        Body::Data(sections) => sections.into_iter().flat_map(|data| data.0.into_vec()).collect::<Vec<u8>>().into(),
        Body::Value(messaging::AmqpValue(Amqp::String(text))) => text.into(),
        Body::Value(_) | Body::Sequence(_) | Body::Empty => Bytes::new(),
    }
}

fn id(id: MessageId) -> String {
    match id {
        MessageId::String(text) => text,
        MessageId::Ulong(number) => number.to_string(),
        MessageId::Uuid(uuid) => Uuid::from_bytes(uuid.into_inner()).to_string(),
        MessageId::Binary(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

fn time(value: &Amqp) -> Option<DateTime<Utc>> {
    match value {
        Amqp::Timestamp(time) => DateTime::from_timestamp_millis(time.milliseconds()),
        _ => None,
    }
}

fn text(value: &Amqp) -> Option<String> {
    match value {
        Amqp::String(text) | Amqp::Symbol(Symbol(text)) => Some(text.clone()),
        _ => None,
    }
}

fn integer(value: &Amqp) -> Option<i64> {
    match value {
        Amqp::Long(number) => Some(*number),
        _ => None,
    }
}

/// An application property; values without a JSON equivalent are omitted.
fn json(value: SimpleValue) -> Option<Value> {
    Some(match value {
        SimpleValue::Bool(value) => value.into(),
        SimpleValue::Int(number) => number.into(),
        SimpleValue::Long(number) => number.into(),
        SimpleValue::Double(number) => number.0.into(),
        SimpleValue::String(text) => text.into(),
        SimpleValue::Timestamp(time) => {
            DateTime::from_timestamp_millis(time.milliseconds())?.to_rfc3339_opts(SecondsFormat::Millis, true).into()
        }
        _ => return None,
    })
}
