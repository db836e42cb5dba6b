//! What the accepted writes contain: which journeys have been recorded as started, and since when.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::store::ItemKey;

/// How many items are remembered as recently written or read in batches.
const RECENT: usize = 32;

/// The first accepted write that records a journey as started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// `EventTransactionId` of the event.
    pub transaction_id: String,
    /// `EventType`.
    pub event_type: String,
    /// `EventDateTime`, as it was written.
    pub date_time: String,
    /// The journey's name.
    pub journey: String,
    /// When the account was given the write.
    pub at: DateTime<Utc>,
}

/// An item as an accepted write left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When the account was given the write.
    pub at: DateTime<Utc>,
    /// The item.
    pub item: Value,
}

/// An event's transaction id, type and date-time, and the journey's name.
type Key = [String; 4];

#[derive(Default)]
pub(super) struct Journal {
    first: BTreeMap<Key, DateTime<Utc>>,
    recent: VecDeque<ItemKey>,
}

impl Journal {
    pub(super) fn recorded(&self) -> Vec<Recorded> {
        let recorded = |(key, at): (&Key, &DateTime<Utc>)| {
            let [transaction_id, event_type, date_time, journey] = key.clone();
            Recorded { transaction_id, event_type, date_time, journey, at: *at }
        };
        self.first.iter().map(recorded).collect()
    }

    /// One of the items that batches named recently.
    pub(super) fn recent(&self, choice: u64) -> Option<ItemKey> {
        let place = choice.checked_rem(self.recent.len() as u64)?;
        self.recent.get(usize::try_from(place).ok()?).cloned()
    }

    /// Enters an item that was written.
    pub(super) fn record(&mut self, document: &Value, at: DateTime<Utc>) {
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(transaction), Some(event_type), Some(date_time), Some(journeys)) = (
            text("EventTransactionId"),
            text("EventType"),
            text("EventDateTime"),
            document.get("journeys").and_then(Value::as_object),
        ) else {
            return;
        };
        for (journey, _) in journeys.iter().filter(|(_, outcome)| outcome["state"] == "started") {
            let key = [transaction.clone(), event_type.clone(), date_time.clone(), journey.clone()];
            self.first.entry(key).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
    }

    /// Remembers an item that a batch named.
    pub(super) fn remember(&mut self, item: ItemKey) {
        self.recent.retain(|known| *known != item);
        self.recent.push_back(item);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}
