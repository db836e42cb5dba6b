//! Kills the handler before and after every request of a poll and its messages, one request per run. A run without a crash
//! counts the requests. Then each request gets a run of its own.
//!
//! In both cases the handler has sent the request and has no answer. Only the dependency knows whether it was processed.

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
pub(crate) type Point = (Dependency, u64);

/// Whether the request is processed before the crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Before,
    After,
}

/// No faults, except that the request at `point` never gets an answer.
pub(crate) struct CutAt {
    pub(crate) point: Point,
    pub(crate) cut: Cut,
    pub(crate) reached: Arc<AtomicBool>,
}

impl FaultInjector for CutAt {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let action = match self.cut {
            _ if (call.dependency, call.own_number) != self.point => FaultAction::Serve,
            Cut::Before => FaultAction::Hang,
            Cut::After => FaultAction::HangAfter,
        };
        if action != FaultAction::Serve {
            self.reached.store(true, Ordering::SeqCst);
        }
        Box::pin(async move { action })
    }
}

/// A cart and a checkout of a new customer with all four journeys enabled, in one poll.
async fn sale(on_uncertain: &str) -> TestEnvironment {
    let journeys = all_journeys().replace("\"retry\"", "\"hold\"").replace("\"hold\"", &format!("\"{on_uncertain}\""));
    let test = Plan::usual().with_journeys(journeys).in_order().open().await;
    test.checkout(Some(&test.stranger()), None);
    test
}

/// All requests of such a run.
async fn points(on_uncertain: &str) -> Vec<Point> {
    let mut test = sale(on_uncertain).await;
    let before = test.environment.network().calls();
    test.pass(TimeDelta::seconds(25)).await;
    let calls = test.environment.network().calls();
    test.assert_clean(&Journey::ALL);
    calls
        .into_iter()
        .flat_map(|(dependency, count)| (before[&dependency]..count).map(move |n| (dependency, n)))
        .collect()
}

/// The result of a run with a crash.
struct CrashRun {
    audit: Audit,
    /// The outcome of each journey in its event's record.
    outcomes: BTreeMap<String, Value>,
    /// Number of failed records.
    failed: usize,
}

async fn with_crash(point: Point, cut: Cut, on_uncertain: &str, scope: KillScope) -> CrashRun {
    let mut test = sale(on_uncertain).await;
    let reached = Arc::<AtomicBool>::default();
    test.environment.network().set_faults(CutAt { point, cut, reached: reached.clone() });
    let deadline = test.environment.clock().now() + TimeDelta::minutes(30);
    test.until(|test| reached.load(Ordering::SeqCst) || test.environment.clock().now() > deadline).await;
    assert!(reached.load(Ordering::SeqCst), "{point:?} is not reached: the run is not deterministic");
    test.app.host().replace_handler(scope).await;
    test.environment.network().set_faults(NoFaults::default());
    assert!(test.app.host().ready().await);
    test.settle(2, 20).await;
    test.minute().await;
    let records: Vec<Value> = test.records().await.into_values().collect();
    let failed = records.iter().filter(|record| record["status"] == "failed").count();
    let finished = records.iter().filter(|record| record["status"] == "processed").count();
    assert_eq!(failed + finished, records.len(), "{records:#?}");
    let outcomes =
        records.iter().flat_map(|record| record["journeys"].as_object().cloned().unwrap_or_default()).collect();
    CrashRun { audit: test.environment.audit(&Journey::ALL, &[]), outcomes, failed }
}

/// Crashes at every point. Returns the number of points, and the journeys that were started twice or not at all.
async fn visit(cut: Cut, on_uncertain: &str) -> (usize, Vec<String>, Vec<String>) {
    let points = points(on_uncertain).await;
    let (mut twice, mut never) = (Vec::new(), Vec::new());
    for (index, point) in points.iter().enumerate() {
        let scope = if index % 2 == 0 { KillScope::Process } else { KillScope::Instance };
        let CrashRun { audit, outcomes, failed } = with_crash(*point, cut, on_uncertain, scope).await;
        let place = format!("{cut:?} {point:?}, {scope:?}");
        assert!(audit.misdirected.is_empty() && audit.duplicate_contacts.is_empty(), "{place}: {audit:#?}");
        for finding in audit.duplicated.iter().chain(&audit.uncertain) {
            let outcome = &outcomes[finding.journey.unwrap().name()];
            assert!(outcome["uncertain"].as_u64() >= Some(1), "started twice but not uncertain: {place}: {outcome}");
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
    assert!(!twice.is_empty(), "the documented gap in the guarantee exists");
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
