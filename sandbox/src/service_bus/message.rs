//! Messages as they are sent, and as they are stored in a subscription.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_amqp::Value;

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
    /// A Boolean.
    Bool(bool),
}

impl Property {
    /// The number of bytes that count towards the message's size.
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

/// A property that a receiver added or replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The value in the types that all protocols have. `None` if it has none of them.
    pub value: Option<Property>,
    /// The value with its AMQP type.
    pub amqp: Value,
}

/// Changed properties by their names.
pub type Changes = BTreeMap<String, Change>;

/// A message to be sent.
///
/// See <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messages-payloads>.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewMessage {
    /// The id for duplicate detection. The broker generates one if it is absent.
    pub message_id: Option<String>,
    /// The payload.
    pub body: Bytes,
    /// The payload's media type.
    pub content_type: Option<String>,
    /// The subject; called label in the REST API.
    pub subject: Option<String>,
    /// The id of the related message or conversation.
    pub correlation_id: Option<String>,
    /// The destination.
    pub to: Option<String>,
    /// The address for replies.
    pub reply_to: Option<String>,
    /// The session. Subscriptions without sessions, like all here, ignore it.
    pub session_id: Option<String>,
    /// The key that keeps messages together in a partitioned entity.
    pub partition_key: Option<String>,
    /// The time to live after enqueuing, unless the topic or the subscription has a shorter one.
    pub time_to_live: Option<Duration>,
    /// The earliest time of enqueuing.
    pub scheduled_enqueue_time: Option<DateTime<Utc>>,
    /// Application properties.
    pub application_properties: BTreeMap<String, Property>,
    /// The encoded AMQP message, for receivers over AMQP. The other fields contain what every protocol supports.
    pub original: Option<Arc<Original>>,
}

impl NewMessage {
    /// The bytes that count towards the size limit: the body and all properties.
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

    /// What a broker without partitions rejects.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        let too_long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > ID_CHARACTERS);
        if too_long(&self.session_id) {
            Some("the session id is longer than 128 characters")
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

/// Why a message was dead-lettered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// `MaxDeliveryCountExceeded`, `TTLExpiredException`, or the receiver's reason.
    pub reason: String,
    /// The description.
    pub description: String,
}

/// A message in one subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The sequence number in the topic, from 1, assigned on enqueuing.
    pub sequence_number: i64,
    /// The sender's message id, or the one that the broker generated.
    pub message_id: String,
    /// When the message became available; for a scheduled message, its scheduled time or later.
    pub enqueued_time: DateTime<Utc>,
    /// The time to live: the shortest of the message, the topic and the subscription.
    pub time_to_live: Duration,
    /// The number of deliveries, including this one.
    pub delivery_count: u32,
    /// Only set for dead letters.
    pub dead_letter: Option<DeadLetter>,
    /// Whether a receiver deferred it. A deferred message is only delivered by its sequence number.
    pub deferred: bool,
    /// Properties that receivers added or changed when they released it.
    pub changes: Changes,
    /// The message as it was sent.
    pub content: Arc<NewMessage>,
}

impl Message {
    /// The end of its time to live.
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.enqueued_time + self.time_to_live
    }

    /// The application properties, including changes by receivers.
    pub fn properties(&self) -> impl Iterator<Item = (&String, &Property)> {
        let unchanged =
            self.content.application_properties.iter().filter(|(name, _)| !self.changes.contains_key(*name));
        unchanged.chain(self.changes.iter().filter_map(|(name, change)| Some((name, change.value.as_ref()?))))
    }
}
