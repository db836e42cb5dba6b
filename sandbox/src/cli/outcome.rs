//! The result of a run, and its JSON format.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sandbox::audit::{Audit, JourneyAudit};
use sandbox::environment::Environment;
use sandbox::faults::explained;
use sandbox::host::Counters;
use sandbox::network::Dependency;
use sandbox::service_bus::{Counts, Sent};
use sandbox::shop::{CUSTOMER_CREATED, ORDER_RETURNED, ORDER_SHIPPED, READY_FOR_PICKUP};
use serde::Serialize;

use super::args::Args;
use super::scenario::Times;

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) audit: Audit,
    pub(crate) times: Times,
    pub(crate) orders: usize,
    /// The number of events whose type an enabled journey has. The others are not read.
    pub(crate) read: usize,
    /// The number of times that products were added to carts.
    pub(crate) additions: usize,
    /// The number of shipments, pick-ups, returns and new customers.
    pub(crate) partner_events: usize,
    /// Orders without an account and without an e-mail address.
    pub(crate) unreachable: usize,
    pub(crate) started: usize,
    pub(crate) sent: Sent,
    pub(crate) initial_contacts: usize,
    pub(crate) contacts: usize,
    pub(crate) calls: BTreeMap<Dependency, u64>,
    pub(crate) request_units: f64,
    /// The number of kills.
    pub(crate) kills: usize,
    pub(crate) hosts: Vec<Counters>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    clean: bool,
    orders: usize,
    events: usize,
    published: u64,
    republished: u64,
    rescheduled: u64,
    expected_journeys: usize,
    started_journeys: usize,
    lost: usize,
    duplicated: usize,
    misdirected: usize,
    uncertain: usize,
    forced: usize,
    dismissed: usize,
    dead_lettered: usize,
    duplicate_contacts: usize,
    unfinished: usize,
    elapsed_ms: i64,
    p50_ms: Option<i64>,
    p99_ms: Option<i64>,
    max_ms: Option<i64>,
    calls: &'a BTreeMap<Dependency, u64>,
    request_units: f64,
    journeys: &'a [JourneyAudit],
    kills: usize,
    hosts: &'a [Counters],
}

impl Outcome {
    pub(crate) fn of(
        args: &Args,
        environment: &Environment,
        times: Times,
        kills: &[DateTime<Utc>],
        hosts: Vec<Counters>,
    ) -> Self {
        let ledger = environment.shop().ledger();
        let of_type = |name: &str| ledger.iter().filter(|entry| entry.event.event_type == name).count();
        let partner_events = [CUSTOMER_CREATED, ORDER_RETURNED, ORDER_SHIPPED, READY_FOR_PICKUP].map(of_type);
        let orders = || ledger.iter().filter(|entry| entry.order.is_some());
        Self {
            audit: environment.audit(args.expected(), &explained(environment, kills)),
            times,
            orders: orders().count(),
            read: args
                .expected()
                .iter()
                .map(|it| it.event_type())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(of_type)
                .sum(),
            additions: of_type("AddCartLines"),
            partner_events: partner_events.iter().sum(),
            unreachable: orders().filter(|entry| entry.account.is_none() && entry.email.is_none()).count(),
            started: environment.dataverse().started().len(),
            sent: environment.sent(),
            initial_contacts: environment.initial_contacts().len(),
            contacts: environment.dataverse().contacts().len(),
            calls: environment.network().calls(),
            request_units: environment.cosmos().usage().charge,
            kills: kills.len(),
            hosts,
        }
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let Counts { active, locked, scheduled, dead_lettered } = self.audit.left_over;
        serde_json::to_string(&Json {
            clean: self.audit.is_clean(),
            orders: self.orders,
            events: self.audit.events,
            published: self.sent.published,
            republished: self.sent.republished,
            rescheduled: self.sent.rescheduled,
            expected_journeys: self.audit.expected(),
            started_journeys: self.started,
            lost: self.audit.lost.len(),
            duplicated: self.audit.duplicated.len(),
            misdirected: self.audit.misdirected.len(),
            uncertain: self.audit.uncertain.len(),
            forced: self.audit.forced.len(),
            dismissed: self.audit.dismissed.len(),
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
            kills: self.kills,
            hosts: &self.hosts,
        })
    }
}

#[cfg(test)]
mod tests {
    use sandbox::audit::Finding;
    use serde_json::Value;

    use super::*;

    fn outcome() -> Outcome {
        let now = DateTime::default();
        Outcome {
            audit: Audit::default(),
            times: Times { began: now, sold_out: now, settled: now + chrono::TimeDelta::milliseconds(1500) },
            orders: 2,
            read: 5,
            additions: 3,
            partner_events: 0,
            unreachable: 0,
            started: 2,
            sent: Sent { published: 5, ..Sent::default() },
            initial_contacts: 1,
            contacts: 2,
            calls: Dependency::ALL.into_iter().zip(1..).collect(),
            request_units: 0.0,
            kills: 0,
            hosts: Vec::new(),
        }
    }

    #[test]
    fn the_json_has_all_contract_fields() {
        let json: Value = serde_json::from_str(&outcome().json().unwrap()).unwrap();
        for name in [
            "events",
            "expectedJourneys",
            "startedJourneys",
            "lost",
            "duplicated",
            "misdirected",
            "uncertain",
            "forced",
            "dismissed",
            "deadLettered",
            "duplicateContacts",
            "elapsedMs",
            "p50Ms",
            "p99Ms",
            "calls",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert_eq!(json["elapsedMs"], 1500);
        assert_eq!(json["calls"]["serviceBus"], 4);
    }

    #[test]
    fn the_summary_lists_what_went_wrong() {
        let mut outcome = outcome();
        assert!(outcome.to_string().contains("Clean:"));
        outcome.audit.lost =
            vec![Finding { journey: None, event: "HOUSTON-1".to_owned(), what: "never started".to_owned() }; 20];
        let text = outcome.to_string();
        assert!(
            text.contains("NOT CLEAN") && text.contains("20 never started") && text.contains("HOUSTON-1"),
            "{text}"
        );
        assert!(text.contains("... and 12 more"), "{text}");
    }
}
