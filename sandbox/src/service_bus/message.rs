//! What is sent, and what becomes of it in a subscription.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::amqp::Original;

/// The longest message id and partition key, in characters.
const ID_CHARACTERS: usize = 128;

/// The value of an application property.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Property {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Double(f64),
    /// A truth value.
    Bool(bool),
}

impl Property {
    /// Bytes that the value counts towards the message's size.
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Integer(_) | Self::Double(_) => 8,
            Self::Bool(_) => 1,
        }
    }
}

impl From<&str> for Property {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Properties to be added to a message, or to take the place of what it has.
pub type Changes = BTreeMap<String, Property>;

/// A message as its sender gives it.
///
/// See <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messages-payloads>.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewMessage {
    /// Names the message for duplicate detection; made up by the broker when absent.
    pub message_id: Option<String>,
    /// The payload, which the broker does not look at.
    pub body: Bytes,
    /// The payload's media type.
    pub content_type: Option<String>,
    /// What the message is about; called label over REST.
    pub subject: Option<String>,
    /// The message or conversation that this one belongs to.
    pub correlation_id: Option<String>,
    /// Where it should go.
    pub to: Option<String>,
    /// Where an answer should go.
    pub reply_to: Option<String>,
    /// Refused: no subscription here has sessions.
    pub session_id: Option<String>,
    /// Keeps messages together on a partitioned entity.
    pub partition_key: Option<String>,
    /// How long the message lives once it is enqueued, unless topic or subscription say shorter.
    pub time_to_live: Option<Duration>,
    /// Not enqueued before this time.
    pub scheduled_enqueue_time: Option<DateTime<Utc>>,
    /// The sender's own properties.
    pub application_properties: BTreeMap<String, Property>,
    /// The message as it came over AMQP, for receivers over AMQP: the other fields say what everybody understands.
    pub original: Option<Arc<Original>>,
}

impl NewMessage {
    /// Bytes that count towards the size limit: the body and all properties.
    pub fn size(&self) -> usize {
        let texts = [
            &self.message_id,
            &self.content_type,
            &self.subject,
            &self.correlation_id,
            &self.to,
            &self.reply_to,
            &self.session_id,
            &self.partition_key,
        ];
        let system: usize = texts.into_iter().flatten().map(String::len).sum();
        let own: usize = self.application_properties.iter().map(|(name, value)| name.len() + value.size()).sum();
        self.body.len() + system + own
    }

    /// What a broker without sessions and partitions refuses, whatever the topic.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > ID_CHARACTERS);
        if self.session_id.is_some() {
            Some("sessions are not supported by this entity")
        } else if too_long(&self.message_id) {
            Some("the message id is longer than 128 characters")
        } else if self.message_id.as_ref().is_some_and(String::is_empty) {
            Some("the message id is empty")
        } else if too_long(&self.partition_key) {
            Some("the partition key is longer than 128 characters")
        } else if self.time_to_live.is_some_and(|time| time.is_zero()) {
            Some("the time to live is not positive")
        } else {
            None
        }
    }
}

/// Why a message is among the dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// `MaxDeliveryCountExceeded`, `TTLExpiredException`, or what the receiver said.
    pub reason: String,
    /// More about it.
    pub description: String,
    /// The entity that it comes from, `topic/Subscriptions/subscription`.
    pub source: String,
}

/// One subscription's copy of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its place in the topic, from 1; given when it is enqueued.
    pub sequence_number: i64,
    /// The sender's id, or the broker's when the sender gave none.
    pub message_id: String,
    /// When it became available (for a scheduled message: after its time had come).
    pub enqueued_time: DateTime<Utc>,
    /// How long it lives after that: the shortest of what message, topic and subscription say.
    pub time_to_live: Duration,
    /// How often it was handed to a receiver, including this time.
    pub delivery_count: u32,
    /// Set among the dead letters only.
    pub dead_letter: Option<DeadLetter>,
    /// Whether a receiver set it aside: from then on it is handed out by its number only.
    pub deferred: bool,
    /// Properties that receivers added or changed when they gave it back.
    pub changes: Changes,
    /// What the sender gave.
    pub content: Arc<NewMessage>,
}

impl Message {
    /// When its time to live ends.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.enqueued_time + self.time_to_live
    }

    /// The sender's properties, with what receivers made of them.
    pub fn properties(&self) -> impl Iterator<Item = (&String, &Property)> {
        let unchanged =
            self.content.application_properties.iter().filter(|(name, _)| !self.changes.contains_key(*name));
        unchanged.chain(&self.changes)
    }
}
