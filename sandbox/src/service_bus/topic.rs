//! A topic's own state: its sequence numbers, its scheduled messages and its known message ids.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::entity::{EntityPath, TopicOptions};
use super::message::NewMessage;
use super::sent::{Counter, Sent};

/// Scheduled messages are numbered from here, so that no number of an enqueued message cancels one of them.
const BEFORE_SCHEDULES: i64 = 1 << 40;

pub(super) struct Topic {
    pub(super) options: TopicOptions,
    pub(super) subscriptions: Vec<EntityPath>,
    /// Scheduled messages by sequence number.
    pub(super) scheduled: BTreeMap<i64, Arc<NewMessage>>,
    last_schedule: i64,
    last_sequence: i64,
    counter: Counter,
    remembered: Memory,
}

impl Topic {
    pub(super) fn new(options: TopicOptions) -> Self {
        Self {
            options,
            subscriptions: Vec::new(),
            scheduled: BTreeMap::new(),
            last_schedule: BEFORE_SCHEDULES,
            last_sequence: 0,
            counter: Counter::default(),
            remembered: Memory::default(),
        }
    }

    pub(super) fn next_sequence(&mut self) -> i64 {
        self.counter.add_enqueued();
        self.last_sequence += 1;
        self.last_sequence
    }

    /// How the messages were sent so far.
    pub(super) fn sent(&self) -> Sent {
        self.counter.sent()
    }

    /// Counts a message that is not a duplicate.
    pub(super) fn count_accepted(&mut self, message: &NewMessage, is_scheduled: bool) {
        self.counter.add_accepted(message, is_scheduled);
    }

    /// The sequence number for a message that is not enqueued now.
    pub(super) fn next_schedule(&mut self) -> i64 {
        self.last_schedule += 1;
        self.last_schedule
    }

    /// Stores a scheduled message. Returns its sequence number for its timer.
    pub(super) fn schedule(&mut self, message: Arc<NewMessage>) -> i64 {
        let number = self.next_schedule();
        self.scheduled.insert(number, message);
        number
    }

    /// Whether duplicate detection is on and has seen this id within its window.
    pub(super) fn is_duplicate(&mut self, id: &str, now: DateTime<Utc>) -> bool {
        self.options.duplicate_detection_window.is_some_and(|window| !self.remembered.is_new(id, now, window))
    }
}

/// The message ids within the duplicate detection window.
#[derive(Default)]
struct Memory {
    since: HashMap<String, DateTime<Utc>>,
    order: VecDeque<(DateTime<Utc>, String)>,
}

impl Memory {
    /// Whether `id` is new within the window. From now on it is known.
    fn is_new(&mut self, id: &str, now: DateTime<Utc>, window: Duration) -> bool {
        while let Some((_, old)) = self.order.pop_front_if(|(since, _)| *since + window <= now) {
            self.since.remove(&old);
        }
        if self.since.contains_key(id) {
            return false;
        }
        self.since.insert(id.to_owned(), now);
        self.order.push_back((now, id.to_owned()));
        true
    }
}
