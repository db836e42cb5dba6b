//! The state that the page shows, and the version in which each part last changed.
//!
//! State is only added, never removed. A browser that has version *n* needs only the parts with a later revision. So a
//! browser that was disconnected receives everything it missed, and nothing twice.

mod details;
mod frame;
mod parts;
mod reports;
mod search;
mod updates;

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use self::parts::{DependencyCalls, Mail, Notice};
pub(super) use self::parts::{PolledCounts, Tone};
use self::reports::Unreported;
pub(super) use self::reports::plural;
pub(super) use self::search::EventFilter;
use super::audit_status::AuditStatus;
use super::event_timeline::EventTimeline;
use super::invocations::Invocations;
use super::latency::Latencies;
use crate::audit::{Journey, Occasion};
use crate::environment::Environment;
use crate::network::Dependency;
use crate::service_bus::event_of;

/// The number of events in the list. Others are found by a search.
const LISTED: usize = 500;
/// The number of notices that are kept.
const NOTICES: usize = 100;
/// The number of customers' messages that are kept. Each event keeps its own messages as well.
const MAILS: usize = 300;

/// An event's transaction id, type and date-time.
type Key = (String, String, DateTime<Utc>);

pub(super) struct Dashboard {
    run: String,
    version: u64,
    /// Whether anything has changed since the last published version.
    changed: bool,
    enabled: &'static [Journey],
    events: Vec<EventTimeline>,
    by_key: HashMap<Key, usize>,
    by_record: HashMap<String, usize>,
    by_occasion: HashMap<Occasion, usize>,
    /// The number of records in each status.
    records: BTreeMap<String, usize>,
    invocations: Invocations,
    dependencies: BTreeMap<Dependency, DependencyCalls>,
    triggers: BTreeMap<Journey, &'static str>,
    polled: PolledCounts,
    mails: VecDeque<Mail>,
    notices: VecDeque<Notice>,
    latencies: Latencies,
    audit: (u64, AuditStatus),
    /// The number of the last trigger call that was added.
    last_call: u64,
    /// The number of started journeys.
    started: BTreeMap<Journey, usize>,
    /// The times at which handlers exited.
    handler_exits: Vec<DateTime<Utc>>,
    /// The number of changes of records.
    record_changes: u64,
    /// The number of the last scheduled message that was added.
    last_scheduled: i64,
    unreported: Unreported,
}

impl Dashboard {
    pub(super) fn new(environment: &Environment, enabled: &'static [Journey], instances: usize) -> Self {
        let initial_contacts = environment.initial_contacts().len();
        Self {
            run: Uuid::new_v4().simple().to_string()[..8].to_owned(),
            version: 0,
            changed: true,
            enabled,
            events: Vec::new(),
            by_key: HashMap::new(),
            by_record: HashMap::new(),
            by_occasion: HashMap::new(),
            records: BTreeMap::new(),
            invocations: Invocations::new(instances, environment.clock().now()),
            dependencies: Dependency::ALL.map(|dependency| (dependency, DependencyCalls::default())).into(),
            triggers: BTreeMap::new(),
            polled: PolledCounts { initial_contacts, ..PolledCounts::default() },
            mails: VecDeque::new(),
            notices: VecDeque::new(),
            latencies: Latencies::default(),
            audit: (0, AuditStatus::default()),
            last_call: 0,
            started: BTreeMap::new(),
            handler_exits: Vec::new(),
            record_changes: 0,
            last_scheduled: 0,
            unreported: Unreported::default(),
        }
    }

    /// Publishes a version, if anything has changed.
    pub(super) fn publish(&mut self) -> Option<u64> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.version += 1;
        Some(self.version)
    }

    /// Records a change. It belongs to the next version.
    fn revise(&mut self) -> u64 {
        self.changed = true;
        self.version + 1
    }

    /// How many ledger entries and how many trigger calls were added.
    pub(super) fn progress(&self) -> (usize, u64) {
        (self.events.len(), self.last_call)
    }

    /// The number of the last scheduled message that was added.
    pub(super) fn last_scheduled(&self) -> i64 {
        self.last_scheduled
    }

    pub(super) fn handler_exits(&self) -> Vec<DateTime<Utc>> {
        self.handler_exits.clone()
    }

    pub(super) fn enabled(&self) -> &'static [Journey] {
        self.enabled
    }

    /// The number of changes of records so far.
    pub(super) fn record_changes(&self) -> u64 {
        self.record_changes
    }

    /// The event of an occasion.
    pub(super) fn event_of(&self, occasion: &Occasion) -> Option<&EventTimeline> {
        self.events.get(*self.by_occasion.get(occasion)?)
    }

    /// The event with this number, from 1.
    pub(super) fn event(&self, number: usize) -> Option<&EventTimeline> {
        self.events.get(number.checked_sub(1)?)
    }

    /// The number of the event with this record.
    pub(super) fn number_of(&self, record: &str) -> Option<usize> {
        self.by_record.get(record).map(|index| index + 1)
    }

    /// The event of a message. The message id is the record's id, with a suffix for a later publication.
    fn event_of_message(&mut self, message: &str) -> Option<&mut EventTimeline> {
        let index = *self.by_record.get(event_of(message))?;
        self.events.get_mut(index)
    }
}

fn key(item: &Value) -> Option<Key> {
    let text = |field: &str| item[field].as_str().map(str::to_owned);
    let moment = DateTime::parse_from_rfc3339(item["EventDateTime"].as_str()?).ok()?;
    // The container also has claims, cursors and customers. Only records have a status.
    text("status")?;
    Some((text("EventTransactionId")?, text("EventType")?, moment.to_utc()))
}
