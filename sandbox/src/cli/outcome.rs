//! Everything that is told about a day, and its form for programs.

use std::collections::BTreeMap;

use sandbox::audit::{Audit, JourneyAudit};
use sandbox::host::Counters;
use sandbox::service_bus::Counts;
use sandbox::wire::Neighbour;
use sandbox::world::{TOPIC, World};
use serde::Serialize;

use super::args::Args;
use super::day::Times;

/// What came of the day.
pub(crate) struct Outcome {
    pub(crate) audit: Audit,
    pub(crate) times: Times,
    pub(crate) orders: usize,
    pub(crate) started: usize,
    pub(crate) published: u64,
    pub(crate) contacts_before: usize,
    pub(crate) contacts: usize,
    pub(crate) calls: BTreeMap<Neighbour, u64>,
    pub(crate) request_units: f64,
    pub(crate) host: Counters,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    clean: bool,
    orders: usize,
    events: usize,
    published: u64,
    expected_journeys: usize,
    started_journeys: usize,
    lost: usize,
    duplicated: usize,
    misdirected: usize,
    uncertain: usize,
    dead_lettered: usize,
    duplicate_contacts: usize,
    unfinished: usize,
    elapsed_ms: i64,
    p50_ms: Option<i64>,
    p99_ms: Option<i64>,
    max_ms: Option<i64>,
    calls: &'a BTreeMap<Neighbour, u64>,
    request_units: f64,
    journeys: &'a [JourneyAudit],
    host: &'a Counters,
}

impl Outcome {
    pub(crate) fn of(args: &Args, world: &World, times: Times, host: Counters) -> Self {
        let started = world.dataverse().started();
        Self {
            audit: world.audit(args.expected(), &[]),
            times,
            orders: world.shop().ledger().iter().filter(|entry| entry.order.is_some()).count(),
            started: started.len(),
            published: world.broker().enqueued(TOPIC).unwrap_or_default(),
            contacts_before: world.contacts_before().len(),
            contacts: world.dataverse().contacts().len(),
            calls: world.wire().calls(),
            request_units: world.cosmos().usage().charge,
            host,
        }
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let Counts { active, locked, scheduled, dead_lettered } = self.audit.left_over;
        serde_json::to_string(&Json {
            clean: self.audit.is_clean(),
            orders: self.orders,
            events: self.audit.events,
            published: self.published,
            expected_journeys: self.audit.expected(),
            started_journeys: self.started,
            lost: self.audit.lost.len(),
            duplicated: self.audit.duplicated.len(),
            misdirected: self.audit.misdirected.len(),
            uncertain: self.audit.uncertain.len(),
            dead_lettered,
            duplicate_contacts: self.audit.duplicate_contacts.len(),
            unfinished: active + locked + scheduled,
            elapsed_ms: (self.times.settled - self.times.began).num_milliseconds(),
            p50_ms: self.audit.latency.map(|latency| latency.p50_ms),
            p99_ms: self.audit.latency.map(|latency| latency.p99_ms),
            max_ms: self.audit.latency.map(|latency| latency.max_ms),
            calls: &self.calls,
            request_units: self.request_units,
            journeys: &self.audit.journeys,
            host: &self.host,
        })
    }
}
