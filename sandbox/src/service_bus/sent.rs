//! How the messages of a topic were sent: published for the first time, published again, or scheduled for later.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::{DateTime, Utc};

use super::broker::{Broker, EntityNotFound};
use super::entity::fold;
use super::message::{NewMessage, Property};
use super::topic::Topic;

/// How the messages of a topic were sent so far, without duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages that the subscriptions have received, in whichever way they were sent.
    pub enqueued: u64,
    /// The first publication of each event.
    pub published: u64,
    /// Further publications of an event.
    pub republished: u64,
    /// Further messages of an event that were scheduled for a later time.
    pub rescheduled: u64,
}

/// A message that is enqueued later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledMessage {
    /// Grows with each scheduled message.
    pub number: i64,
    /// The message id.
    pub message_id: String,
    /// When it is enqueued.
    pub due: DateTime<Utc>,
    /// How many attempts its sender has made.
    pub attempts: Option<u32>,
}

impl Broker {
    /// How the messages of the topic were sent so far.
    pub fn sent(&self, topic: &str) -> Result<Sent, EntityNotFound> {
        self.inner.state().topics.get(&fold(topic)).map(Topic::sent).ok_or(EntityNotFound)
    }

    /// The scheduled messages with a higher number than `last` that are not enqueued yet.
    pub fn scheduled_after(&self, topic: &str, last: i64) -> Vec<ScheduledMessage> {
        let state = self.inner.state();
        let scheduled = state.topics.get(&fold(topic)).map(|topic| topic.scheduled.range(last.saturating_add(1)..));
        scheduled.into_iter().flatten().filter_map(|(number, message)| scheduled_message(*number, message)).collect()
    }
}

fn scheduled_message(number: i64, message: &NewMessage) -> Option<ScheduledMessage> {
    let attempts = match message.application_properties.get("RetryAttempts") {
        Some(Property::Text(text)) => text.trim_matches('"').parse().ok(),
        Some(Property::Integer(number)) => u32::try_from(*number).ok(),
        _ => None,
    };
    let (message_id, due) = (message.message_id.clone()?, message.scheduled_enqueue_time?);
    Some(ScheduledMessage { number, message_id, due, attempts })
}

/// The event of a message: the message id without the suffix of a later publication.
pub fn event_of(message_id: &str) -> &str {
    message_id.split_once("~~").map_or(message_id, |(event, _)| event)
}

/// Counts the messages of one topic.
#[derive(Default)]
pub(super) struct Counter {
    sent: Sent,
    /// Hashes of the events that were published, because the ids of a long run need much memory.
    published: HashSet<u64>,
}

impl Counter {
    pub(super) fn sent(&self) -> Sent {
        self.sent
    }

    pub(super) fn add_enqueued(&mut self) {
        self.sent.enqueued += 1;
    }

    pub(super) fn add_accepted(&mut self, message: &NewMessage, is_scheduled: bool) {
        let mut hasher = DefaultHasher::new();
        event_of(message.message_id.as_deref().unwrap_or_default()).hash(&mut hasher);
        // The first message of an event may be scheduled, too: its journeys wait.
        if self.published.insert(hasher.finish()) {
            self.sent.published += 1;
        } else if is_scheduled {
            self.sent.rescheduled += 1;
        } else {
            self.sent.republished += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_not_counted_as_publications() {
        let mut counter = Counter::default();
        for (id, is_scheduled) in [("a", false), ("b", true), ("a~~0f3c2d1e", true), ("a~~1", false), ("b", false)] {
            let message = NewMessage { message_id: Some(id.to_owned()), ..NewMessage::default() };
            counter.add_accepted(&message, is_scheduled);
        }
        let Sent { published, republished, rescheduled, .. } = counter.sent();
        assert_eq!([published, republished, rescheduled], [2, 2, 1]);
    }
}
