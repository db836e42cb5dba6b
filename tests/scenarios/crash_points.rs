//! Cuts the handler off before and after every request that a poll and its messages make, one at a time, and lets time
//! pass. Every point is visited: they are counted in a day without a crash, and then each has a day of its own.
//!
//! A handler that is killed before a request is carried out has sent it and knows no answer; neither does one that is
//! killed after. Only its dependency knows which it was.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use sandbox::audit::{Audit, Journey};
use sandbox::host::KillScope;
use sandbox::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector, NoFaults};
use serde_json::Value;

use crate::environment::{Plan, TestEnvironment, all_journeys};

/// The `n`-th request to a dependency.
type Point = (Dependency, u64);

/// Whether the request at the point is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Before,
    After,
}

/// NoFaults weather up to the point, at which the answer never comes.
struct CutAt {
    point: Point,
    cut: Cut,
    reached: Arc<AtomicBool>,
}

impl FaultInjector for CutAt {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let fate = match self.cut {
            _ if (call.dependency, call.own_number) != self.point => FaultAction::Serve,
            Cut::Before => FaultAction::Hang,
            Cut::After => FaultAction::HangAfter,
        };
        if fate != FaultAction::Serve {
            self.reached.store(true, Ordering::SeqCst);
        }
        Box::pin(async move { fate })
    }
}

/// A cart and a checkout of a new customer, all four journeys enabled: five events and journeys in one poll.
async fn a_day(on_uncertain: &str) -> TestEnvironment {
    let journeys = all_journeys().replace("\"retry\"", "\"hold\"").replace("\"hold\"", &format!("\"{on_uncertain}\""));
    let test = Plan::usual().with_journeys(journeys).in_order().open().await;
    test.checkout(Some(&test.stranger()), None);
    test
}

/// All requests that such a day makes until it is done.
async fn points(on_uncertain: &str) -> Vec<Point> {
    let mut test = a_day(on_uncertain).await;
    let before = test.environment.network().calls();
    test.pass(TimeDelta::seconds(25)).await;
    let calls = test.environment.network().calls();
    test.assert_clean(&Journey::ALL);
    calls
        .into_iter()
        .flat_map(|(dependency, count)| (before[&dependency]..count).map(move |n| (dependency, n)))
        .collect()
}

/// What a day with a crash came to.
struct Day {
    audit: Audit,
    /// The state of each journey by its event's record.
    outcomes: BTreeMap<String, Value>,
    /// Records that ended as failed.
    failed: usize,
}

async fn with_crash(point: Point, cut: Cut, on_uncertain: &str, death: KillScope) -> Day {
    let mut test = a_day(on_uncertain).await;
    let reached = Arc::<AtomicBool>::default();
    test.environment.network().set_faults(CutAt { point, cut, reached: reached.clone() });
    let give_up = test.environment.clock().now() + TimeDelta::minutes(30);
    test.until(|test| reached.load(Ordering::SeqCst) || test.environment.clock().now() > give_up).await;
    assert!(reached.load(Ordering::SeqCst), "{point:?} is not reached again: the day is not the same every time");
    test.app.host().replace_handler(death).await;
    test.environment.network().set_faults(NoFaults::default());
    assert!(test.app.host().ready().await);
    test.pass(TimeDelta::minutes(20)).await;
    let records: Vec<Value> = test.records().await.into_values().collect();
    let failed = records.iter().filter(|record| record["status"] == "failed").count();
    let finished = records.iter().filter(|record| record["status"] == "processed").count();
    assert_eq!(failed + finished, records.len(), "{records:#?}");
    let outcomes =
        records.iter().flat_map(|record| record["journeys"].as_object().cloned().unwrap_or_default()).collect();
    Day { audit: test.environment.audit(&Journey::ALL, &[]), outcomes, failed }
}

/// Visits every point; returns how many there were, and the journeys that were started twice or not at all.
async fn visit(cut: Cut, on_uncertain: &str) -> (usize, Vec<String>, Vec<String>) {
    let points = points(on_uncertain).await;
    let (mut twice, mut never) = (Vec::new(), Vec::new());
    for (index, point) in points.iter().enumerate() {
        let death = if index % 2 == 0 { KillScope::Process } else { KillScope::Instance };
        let Day { audit, outcomes, failed } = with_crash(*point, cut, on_uncertain, death).await;
        let place = format!("{cut:?} {point:?}, {death:?}");
        assert!(audit.misdirected.is_empty() && audit.duplicate_contacts.is_empty(), "{place}: {audit:#?}");
        for finding in audit.duplicated.iter().chain(&audit.uncertain) {
            let outcome = &outcomes[finding.journey.unwrap().name()];
            assert!(
                outcome["uncertain"].as_u64() >= Some(1),
                "started twice, and not known as uncertain: {place}: {outcome}"
            );
            twice.push(format!("{place}: {finding}"));
        }
        for finding in &audit.lost {
            let outcome = &outcomes[finding.journey.unwrap().name()];
            assert_eq!(outcome["reason"]["code"], "held", "lost: {place}: {finding}: {outcome}");
            never.push(format!("{place}: {finding}"));
        }
        assert_eq!(audit.left_over.dead_lettered, failed, "{place}: {audit:#?}");
    }
    println!(
        "{} crash points, {cut:?} the request, onUncertain {on_uncertain}: {} repeated, {} held",
        points.len(),
        twice.len(),
        never.len()
    );
    (points.len(), twice, never)
}

#[tokio::test]
async fn a_crash_before_any_request_loses_nothing_and_repeats_only_what_is_uncertain() {
    let (visited, _, never) = visit(Cut::Before, "retry").await;
    assert!(visited > 30, "{visited}");
    assert_eq!(never, Vec::<String>::new());
}

#[tokio::test]
async fn a_crash_after_any_request_loses_nothing_and_repeats_only_what_is_uncertain() {
    let (visited, twice, never) = visit(Cut::After, "retry").await;
    assert!(visited > 30, "{visited}");
    assert_eq!(never, Vec::<String>::new());
    assert!(!twice.is_empty(), "the window that cannot be closed is known to be there");
}

#[tokio::test]
async fn with_hold_a_crash_before_any_request_never_starts_a_journey_twice() {
    let (visited, twice, _) = visit(Cut::Before, "hold").await;
    assert!(visited > 30, "{visited}");
    assert_eq!(twice, Vec::<String>::new());
}

#[tokio::test]
async fn with_hold_a_crash_after_any_request_never_starts_a_journey_twice() {
    let (visited, twice, _) = visit(Cut::After, "hold").await;
    assert!(visited > 30, "{visited}");
    assert_eq!(twice, Vec::<String>::new());
}
