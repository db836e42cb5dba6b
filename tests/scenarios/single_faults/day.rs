//! A day with planned faults, and what must hold at its end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::shop::CHANNELS;
use serde_json::Value;

use super::injector::{Injector, Planned, Point};
use crate::environment::{Plan, TestEnvironment, all_journeys};
use crate::request_kind::Kind;

/// The first poll, with everything that follows from it.
const FIRST_POLL: TimeDelta = TimeDelta::seconds(85);
/// A lasting fault lasts longer than `RetryHorizon`.
const HORIZON: &str = "00:04:00";
const LASTING: TimeDelta = TimeDelta::minutes(7);
/// All work is finished this long after the fault.
const RECOVERY_MINUTES: usize = 20;
/// Another event is finished this long after its commit, or after the end of the faults. A delivery can wait for four
/// minutes.
const HELD_UP: TimeDelta = TimeDelta::minutes(9);
/// The most requests of one kind during a lasting fault. The poller runs every minute. Four messages are rescheduled nine
/// times. A delivery makes three attempts, or saves an outcome seven times, and the SDK of Cosmos DB sends some requests four
/// times.
const MOST_REQUESTS: usize = 600;

/// `RequestTimeout` with and without a request that hangs. Long enough for a busy machine.
const SHORT_TIMEOUT: &str = "00:00:05";
const LONG_TIMEOUT: &str = "00:00:20";

/// What became of the events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Everything was finished by the first poll and its messages.
    AtOnce,
    /// Everything was finished later.
    Later,
    /// The same, and a journey is known as uncertain.
    Uncertain,
    /// The same, and the journey of the cart was skipped, because the Scale Unit has no such cart.
    Skipped,
    /// Everything was finished without something optional, which the reason in the record names.
    Incomplete(String),
    /// An event has failed, with this reason.
    Failed(String),
}

/// A cart and a checkout of a new customer, with all four journeys enabled. Time-outs pass in real time.
async fn sale(timeout: &str) -> TestEnvironment {
    let journeys = all_journeys().replace("\"hold\"", "\"retry\"");
    let plan = Plan::usual().with_journeys(journeys).in_order().with("PollSchedule", "0 * * * * *");
    let plan = plan.with("RetryHorizon", HORIZON).with("RetryLongestDelay", "00:01:20");
    let test = plan.with("RequestTimeout", timeout).with("LeaseDuration", "00:01:00").open().await;
    test.checkout(Some(&test.stranger()), None);
    test
}

/// All requests of a day without faults.
pub(crate) async fn points() -> Vec<Point> {
    let mut test = sale(LONG_TIMEOUT).await;
    let injector = Injector::new(&test.environment, Vec::new()).await;
    test.environment.network().set_faults(injector.clone());
    test.pass(FIRST_POLL).await;
    test.assert_clean(&Journey::ALL);
    injector.calls()
}

/// Lives through a day, and asserts what must hold.
pub(crate) async fn live(planned: Vec<Planned>) -> Outcome {
    let place = format!("{planned:?}");
    let lasts = planned.iter().any(|planned| planned.lasts);
    let is_single = planned.len() == 1;
    let hangs = planned.iter().any(|planned| planned.fault.hangs());
    let cart_is_gone = planned.iter().any(Planned::removes_cart);
    let mut test = sale(if hangs { SHORT_TIMEOUT } else { LONG_TIMEOUT }).await;
    let injector = Injector::new(&test.environment, planned).await;
    test.environment.network().set_faults(injector.clone());
    test.pass(FIRST_POLL).await;
    let at_once = test.is_settled(2).await;
    for _ in 0..RECOVERY_MINUTES {
        if injector.all_reached() || !is_single {
            break;
        }
        test.minute().await;
    }
    assert!(!is_single || injector.all_reached(), "{place}: not reached: the run is not deterministic");
    let good = test.checkout_in(CHANNELS[1].id, None, Some("good@example.org"));
    let mut expected = test.environment.clock().now();
    if lasts {
        test.pass(LASTING).await;
        assert_named(&test, &place).await;
        assert_no_hot_loop(&injector, &place);
        injector.end().await;
        expected = test.environment.clock().now();
    }
    test.minute().await;
    test.settle(4, RECOVERY_MINUTES).await;
    let records = test.records().await;
    assert!(test.is_settled(4).await, "{place}: {:#?} {records:#?}", test.environment.counts());
    assert_not_held_up(&test.record(&good).await, expected, &place);
    let outcomes: Vec<Value> = records.into_values().collect();
    assert_audit(&test, &outcomes, lasts, cart_is_gone, &place);
    if is_single && !injector.may_lose_starts() {
        assert_certain(&outcomes, &place);
    }
    if cart_is_gone && is_single { Outcome::Skipped } else { outcome(&outcomes, at_once) }
}

/// During a lasting fault, every record is final or says what it waits for.
async fn assert_named(test: &TestEnvironment, place: &str) {
    let counts = test.environment.counts();
    for record in test.records().await.values() {
        let is_named = match record["status"].as_str() {
            Some("processed" | "new") => true,
            Some("retrying" | "failed") => record["reason"]["code"].is_string(),
            // Its message waits.
            Some("processing") => counts.active + counts.locked + counts.scheduled + counts.dead_lettered > 0,
            _ => false,
        };
        assert!(is_named, "{place}: {counts:?} {record:#}");
    }
}

fn assert_no_hot_loop(injector: &Injector, place: &str) {
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    injector.calls().iter().for_each(|call| *counts.entry(call.kind).or_default() += 1);
    assert!(counts.values().all(|count| *count <= MOST_REQUESTS), "{place}: {counts:?}");
}

fn assert_not_held_up(record: &Value, expected: chrono::DateTime<chrono::Utc>, place: &str) {
    let finished: chrono::DateTime<chrono::Utc> = record["finishedAt"].as_str().unwrap().parse().unwrap();
    assert!(finished - expected < HELD_UP, "{place}: held up until {finished}, expected {expected}: {record:#}");
}

/// No journey started twice without being known as uncertain. Journeys that did not start belong to events that have failed
/// with a reason and a dead letter.
fn assert_audit(test: &TestEnvironment, records: &[Value], lasts: bool, cart_is_gone: bool, place: &str) {
    let audit = test.environment.audit(&Journey::ALL, &[]);
    // Without the customer's details, the contact has no address that the audit could compare.
    let is_directed = audit.misdirected.is_empty() || note(records).is_some();
    assert!(is_directed && audit.duplicate_contacts.is_empty(), "{place}: {audit:#?}");
    let record_of = |transaction: &str, journey: Journey| {
        let is_cart = journey == Journey::AbandonedCart;
        let of_event = |record: &&Value| {
            record["EventTransactionId"] == transaction && (record["EventType"] == "AddCartLines") == is_cart
        };
        records.iter().find(of_event).unwrap_or_else(|| panic!("{place}: no record of {transaction}"))
    };
    for finding in &audit.duplicated {
        let journey = finding.journey.unwrap();
        let record = record_of(&finding.event, journey);
        let uncertain = &record["journeys"][journey.name()]["uncertain"];
        assert!(uncertain.as_u64() >= Some(1), "started twice but not uncertain: {place}: {finding}: {record:#}");
    }
    for finding in &audit.lost {
        let record = record_of(&finding.event, finding.journey.unwrap());
        // A cart that the Scale Unit refuses, or does not have, is like an emptied one.
        let is_skipped = record["journeys"]["abandoned-cart"]["state"] == "skipped";
        if record["reason"]["code"] == "cartNotRead" || cart_is_gone && is_skipped {
            continue;
        }
        assert_eq!(record["status"], "failed", "lost: {place}: {finding}: {record:#}");
        assert!(record["reason"]["code"].is_string(), "{place}: {record:#}");
    }
    let failed = records.iter().filter(|record| record["status"] == "failed").count();
    // Beyond the retry horizon, Service Bus may reject the message of a failed event too, and a message may be dead-lettered
    // before its event is published again.
    assert!(lasts || audit.left_over.dead_lettered == failed, "{place}: {audit:#?} {records:#?}");
}

/// The answers of the triggers were received, so what has started is known wherever it could be stored.
fn assert_certain(records: &[Value], place: &str) {
    let journeys = records.iter().filter_map(|record| record["journeys"].as_object());
    for (name, outcome) in journeys.flatten() {
        assert!(outcome["uncertain"].as_u64().unwrap_or_default() == 0, "uncertain: {place}: {name}: {outcome}");
    }
}

/// What a processed event had to do without.
fn note(records: &[Value]) -> Option<&str> {
    let mut processed = records.iter().filter(|record| record["status"] == "processed");
    processed.find_map(|record| record["reason"]["code"].as_str())
}

fn outcome(records: &[Value], at_once: bool) -> Outcome {
    let reasons: BTreeSet<&str> = records
        .iter()
        .filter(|record| record["status"] == "failed")
        .filter_map(|record| record["reason"]["code"].as_str())
        .collect();
    if let Some(reason) = reasons.first() {
        return Outcome::Failed((*reason).to_owned());
    }
    if let Some(reason) = note(records) {
        return Outcome::Incomplete(reason.to_owned());
    }
    let journeys = records.iter().filter_map(|record| record["journeys"].as_object());
    let is_uncertain = |outcome: &Value| outcome["uncertain"].as_u64() > Some(0);
    match journeys.flat_map(|journeys| journeys.values()).any(is_uncertain) {
        true => Outcome::Uncertain,
        false if at_once => Outcome::AtOnce,
        false => Outcome::Later,
    }
}
