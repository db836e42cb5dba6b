//! Everything that has been seen, and in which version of the board it last changed.
//!
//! Nothing is ever taken back, so whoever has version *n* needs only what has a later revision: that is how a browser
//! that was away, for a second or for an hour, gets all it missed and nothing twice.

mod frame;
mod parts;
mod story;

use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use self::parts::{Calls, Mail, Notice};
pub(super) use self::parts::{Seen, Tone};
use super::dial::Setting;
use super::invocations::{Invocations, News};
use super::latency::Latencies;
use super::track::{Track, What};
use super::verdict::Verdict;
use crate::audit::{Journey, Occasion};
use crate::dataverse::StartedJourney;
use crate::environment::Environment;
use crate::host::HostEvent;
use crate::network::{CallEvent, Dependency};
use crate::shop::LedgerEntry;

/// Notices that are kept.
const NOTICES: usize = 100;
/// Customers' messages that are kept for the page; each event keeps its own.
const MAILS: usize = 300;

/// An event's transaction id, type and date-time.
type Key = (String, String, DateTime<Utc>);

pub(super) struct Board {
    run: String,
    version: u64,
    /// Whether anything has changed since the version was published.
    changed: bool,
    enabled: &'static [Journey],
    tracks: Vec<Track>,
    by_key: HashMap<Key, usize>,
    by_record: HashMap<String, usize>,
    by_occasion: HashMap<Occasion, usize>,
    /// How many records there are in each status.
    records: BTreeMap<String, usize>,
    invocations: Invocations,
    dependencies: BTreeMap<Dependency, Calls>,
    triggers: BTreeMap<Journey, &'static str>,
    seen: Seen,
    mails: VecDeque<Mail>,
    notices: VecDeque<Notice>,
    latencies: Latencies,
    verdict: (u64, Verdict),
    /// The last call of a trigger that was taken in, and how many there were of each.
    calls: u64,
    started: BTreeMap<Journey, usize>,
    deaths: Vec<DateTime<Utc>>,
    /// Writes of records that were seen.
    writes: u64,
}

impl Board {
    pub(super) fn new(environment: &Environment, enabled: &'static [Journey], instances: usize) -> Self {
        Self {
            run: Uuid::new_v4().simple().to_string()[..8].to_owned(),
            version: 0,
            changed: true,
            enabled,
            tracks: Vec::new(),
            by_key: HashMap::new(),
            by_record: HashMap::new(),
            by_occasion: HashMap::new(),
            records: BTreeMap::new(),
            invocations: Invocations::new(instances, environment.clock().now()),
            dependencies: Dependency::ALL.map(|dependency| (dependency, Calls::default())).into(),
            triggers: BTreeMap::new(),
            seen: Seen { contacts_before: environment.contacts_before().len(), ..Seen::default() },
            mails: VecDeque::new(),
            notices: VecDeque::new(),
            latencies: Latencies::default(),
            verdict: (0, Verdict::default()),
            calls: 0,
            started: BTreeMap::new(),
            deaths: Vec::new(),
            writes: 0,
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

    /// Notes a change: it belongs to the next version.
    fn revise(&mut self) -> u64 {
        self.changed = true;
        self.version + 1
    }

    /// How many entries of the ledger and how many calls of triggers are known.
    pub(super) fn known(&self) -> (usize, u64) {
        (self.tracks.len(), self.calls)
    }

    pub(super) fn deaths(&self) -> Vec<DateTime<Utc>> {
        self.deaths.clone()
    }

    pub(super) fn enabled(&self) -> &'static [Journey] {
        self.enabled
    }

    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    pub(super) fn track(&self, number: usize) -> Option<&Track> {
        self.tracks.get(number.checked_sub(1)?)
    }

    // ---- what is taken in

    /// The shop's ledger goes on.
    pub(super) fn committed(&mut self, entries: Vec<LedgerEntry>, environment: &Environment) {
        for entry in entries {
            let revision = self.revise();
            let (number, event) = (self.tracks.len() + 1, &entry.event);
            let key = (event.transaction_id.clone(), event.event_type.clone(), event.date_time.to_utc());
            let customer = entry.account.as_deref().and_then(|account| environment.shop().customer(account));
            let track = Track::new(number, entry, customer, self.enabled, revision);
            self.by_key.insert(key, number - 1);
            self.by_occasion.extend(track.due.iter().map(|occasion| (occasion.clone(), number - 1)));
            self.tracks.push(track);
        }
    }

    /// A record was written; `false` if the event is not known yet.
    pub(super) fn recorded(&mut self, at: DateTime<Utc>, item: &Value) -> bool {
        self.writes += 1;
        self.reread(at, item)
    }

    /// How many writes were seen.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// A record is as it is; `false` if the event is not known yet.
    pub(super) fn reread(&mut self, at: DateTime<Utc>, item: &Value) -> bool {
        let Some(key) = key(item) else { return true };
        let Some(place) = self.by_key.get(&key).copied() else { return false };
        let revision = self.version + 1;
        if let Some(id) = item["id"].as_str() {
            self.by_record.insert(id.to_owned(), place);
        }
        let track = &mut self.tracks[place];
        let before = track.status().map(str::to_owned);
        if track.record(at, item) {
            track.revision = revision;
            self.changed = true;
            if let Some(count) = before.and_then(|before| self.records.get_mut(&before)) {
                *count -= 1;
            }
            let after = track.status().unwrap_or_default().to_owned();
            *self.records.entry(after).or_default() += 1;
        }
        true
    }

    /// Triggers were called.
    pub(super) fn called(&mut self, calls: Vec<StartedJourney>, environment: &Environment) {
        for call in calls {
            let revision = self.revise();
            self.calls = call.number;
            let journey = Journey::ALL.into_iter().find(|journey| journey.trigger() == call.trigger);
            let place = Journey::occasion_of(&call).and_then(|occasion| self.by_occasion.get(&occasion).copied());
            if let Some(journey) = journey {
                *self.started.entry(journey).or_default() += 1;
            }
            if let (Some(journey), Some(track)) = (journey, place.and_then(|place| self.tracks.get_mut(place))) {
                track.revision = revision;
                if let Some(wait) = track.start(journey, call.clone()) {
                    self.latencies.add(call.at, wait, revision);
                }
            }
            let contact = call.contact.and_then(|id| environment.dataverse().contact(id));
            self.mails.push_back(Mail { revision, event: place.map(|place| place + 1), journey, call, contact });
            if self.mails.len() > MAILS {
                self.mails.pop_front();
            }
        }
    }

    /// Something happened in a host.
    pub(super) fn hosted(&mut self, instance: usize, event: HostEvent, at: DateTime<Utc>) {
        let revision = self.revise();
        match self.invocations.take(instance, event, at) {
            News::Nothing => {}
            News::Delivered { message, delivery_count } => {
                if let Some(track) = self.of_message(&message) {
                    (track.revision, track.deliveries) = (revision, track.deliveries + 1);
                    track.add(at, What::Delivered { message_id: message, delivery_count });
                }
            }
            News::Settled { message, outcome, detail, took_ms } => {
                if let Some(track) = self.of_message(&message) {
                    track.revision = revision;
                    track.add(at, What::Settled { outcome, detail, took_ms });
                }
            }
            News::Died(cause) => {
                self.deaths.push(at);
                self.notice(at, Tone::Bad, format!("The handler is gone: {cause}."));
            }
            News::Up => self.notice(at, Tone::Good, "A new handler answers and takes up the work.".to_owned()),
            News::Stopped => self.notice(at, Tone::Bad, "The host has given up starting the handler.".to_owned()),
        }
    }

    /// The track that a message is about: its id is the record's, with a suffix if it is a later publication.
    fn of_message(&mut self, message: &str) -> Option<&mut Track> {
        let record = message.split_once("~~").map_or(message, |(record, _)| record);
        let place = *self.by_record.get(record)?;
        self.tracks.get_mut(place)
    }

    /// A dependency was called.
    pub(super) fn passed(&mut self, passed: CallEvent) {
        self.revise();
        self.dependencies.entry(passed.dependency).or_default().add(&passed);
    }

    /// How things stand at this moment.
    pub(super) fn look(&mut self, seen: Seen) {
        if self.seen != seen {
            self.seen = seen;
            self.revise();
        }
    }

    /// How the weather is with a dependency.
    pub(super) fn weather(&mut self, dependency: Dependency, setting: Setting, reachable: bool) {
        let calls = self.dependencies.entry(dependency).or_default();
        if (calls.weather, calls.reachable) != (setting, reachable) {
            (calls.weather, calls.reachable) = (setting, reachable);
            self.revise();
        }
    }

    /// A custom trigger was meddled with.
    pub(super) fn meddled(&mut self, journey: Journey, state: &'static str) {
        self.triggers.insert(journey, state);
        self.revise();
    }

    /// The audit was done again.
    pub(super) fn judged(&mut self, verdict: Verdict) {
        if self.verdict.1 != verdict {
            self.verdict = (self.revise(), verdict);
        }
    }

    /// A person asked something about an event.
    pub(super) fn asked(&mut self, number: usize, at: DateTime<Utc>, what: &'static str, status: u16) {
        let revision = self.revise();
        if let Some(track) = number.checked_sub(1).and_then(|place| self.tracks.get_mut(place)) {
            track.revision = revision;
            track.add(at, What::Asked { what, status });
        }
    }

    pub(super) fn notice(&mut self, at: DateTime<Utc>, tone: Tone, text: String) {
        let revision = self.revise();
        let number = self.notices.back().map_or(1, |last| last.number + 1);
        self.notices.push_back(Notice { revision, number, at: at.timestamp_millis(), tone, text });
        if self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }
}

fn key(item: &Value) -> Option<Key> {
    let text = |field: &str| item[field].as_str().map(str::to_owned);
    let moment = DateTime::parse_from_rfc3339(item["EventDateTime"].as_str()?).ok()?;
    // Claims, cursors and customers lie in the same container; only records have a status.
    text("status")?;
    Some((text("EventTransactionId")?, text("EventType")?, moment.to_utc()))
}
