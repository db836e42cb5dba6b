//! How the messages of a topic were sent: published for the first time, published again, or scheduled for later.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::message::NewMessage;

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
