//! Retries keep to their rules wherever they are stored: the horizon, `Retry-After`, what has started, and how soon work goes
//! on after an outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};
use serde_json::json;

use crate::environment::{Plan, TestEnvironment};
use crate::request_kind::Kind;
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

fn unavailable() -> FaultAction {
    FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE))
}

fn set_faults(test: &TestEnvironment, calls: &Calls, rule: impl Fn(&Call) -> FaultAction + Send + Sync + 'static) {
    test.environment.network().set_faults(Script::new(calls, rule));
}

/// Asserts that all sales have started, the last one within `longest` of simulated time since `since`.
async fn assert_started_within(test: &mut TestEnvironment, sales: usize, since: DateTime<Utc>, longest: TimeDelta) {
    test.until(|test| test.environment.dataverse().started().len() == sales).await;
    let last = test.environment.dataverse().started().iter().map(|start| start.at).max().unwrap();
    assert!(last - since <= longest, "the last journey started after {}", last - since);
    assert_eq!(test.environment.counts().dead_lettered, 0);
}

#[tokio::test]
async fn a_retry_that_is_stored_in_the_record_does_not_begin_the_horizon_again() {
    let plan = Plan::usual().with("RetryHorizon", "00:20:00").with("RetryLongestDelay", "00:02:00");
    let mut test = plan.open().await;
    let calls = Calls::default();
    // Messages can be published, but not scheduled.
    set_faults(&test, &calls, |call| match call.dependency {
        Dependency::Dataverse => unavailable(),
        Dependency::ServiceBus if String::from_utf8_lossy(&call.body).contains("ScheduledEnqueueTimeUtc") => {
            unavailable()
        }
        _ => FaultAction::Serve,
    });
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(10)).await;
    let record = test.record(&event).await;
    assert_eq!(
        (&record["status"], record["publications"].as_u64() > Some(2)),
        (&json!("retrying"), true),
        "{record:#}"
    );
    test.pass(TimeDelta::minutes(20)).await;
    let record = test.record(&event).await;
    let reason = &record["reason"]["code"];
    assert_eq!((&record["status"], reason), (&json!("failed"), &json!("dataverseUnavailable")), "{record:#}");
}

#[tokio::test]
async fn a_retry_after_of_the_search_holds_for_the_next_runs_too() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    let throttled = ErrorReply::bare(StatusCode::TOO_MANY_REQUESTS).with("retry-after", "50");
    set_faults(&test, &calls, move |call| match call.path.contains("Search") {
        true => FaultAction::Refuse(throttled.clone()),
        false => FaultAction::Serve,
    });
    test.checkout(Some(&test.stranger()), None);
    // Polls take place after 20, 40 and 60 seconds, each for two event types.
    test.pass(TimeDelta::seconds(65)).await;
    assert_eq!(calls.to("Search"), 2);
    test.environment.network().set_faults(NoFaults::default());
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_forced_start_that_does_not_succeed_leaves_the_journey_started() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let before = test.record(&event).await;
    let calls = Calls::default();
    set_faults(&test, &calls, |call| match call.path.ends_with(Journey::OrderConfirmation.trigger()) {
        true => unavailable(),
        false => FaultAction::Serve,
    });
    let mut request = json!({"eventId": before["id"], "eventChannelId": before["EventChannelId"], "force": true});
    let (status, answer) = test.trigger(&request).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("dataverseUnavailable")), "{answer:#}");
    request["journeys"] = json!(["order-confirmation"]);
    let (status, answer) = test.trigger(&request).await;
    assert_eq!((status, &answer["startedNow"]), (503, &json!([])), "{answer:#}");
    let record = test.record(&event).await;
    assert_eq!((&record["status"], &record["journeys"]), (&before["status"], &before["journeys"]), "{record:#}");
    // A delivery of the message starts nothing.
    test.environment.network().set_faults(NoFaults::default());
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn journeys_start_within_one_retry_delay_after_the_identity_endpoint_answers_again() {
    const SALES: usize = 16;
    let plan = Plan::usual().with("RequestTimeout", "00:00:05").with("RetryLongestDelay", "00:00:20");
    let mut test = plan.open().await;
    let calls = Calls::default();
    // The poller has its token. Dataverse's token is requested by the first delivery.
    set_faults(&test, &calls, |call| match call.dependency {
        // Each hang costs a time-out in real time. What follows fails like them, and at once.
        Dependency::Entra if call.own_number > 3 => FaultAction::ResetBefore,
        Dependency::Entra if call.own_number > 0 => FaultAction::Hang,
        _ => FaultAction::Serve,
    });
    for n in 0..SALES {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    test.pass(TimeDelta::seconds(45)).await;
    assert_eq!((calls.at(Dependency::Entra) > 1, test.environment.dataverse().started().len()), (true, 0));
    test.environment.network().set_faults(NoFaults::default());
    let answers_again = test.environment.clock().now();
    assert_started_within(&mut test, SALES, answers_again, TimeDelta::seconds(21)).await;
}

/// Neither Service Bus nor Cosmos DB can store the retry, for example because both need tokens of an identity endpoint that
/// does not answer.
#[tokio::test]
async fn deliveries_whose_retry_cannot_be_stored_go_on_soon_after_the_outage() {
    const SALES: usize = 16;
    let mut test = TestEnvironment::usual().await;
    let published = AtomicBool::new(false);
    set_faults(&test, &Calls::default(), move |call| match call.dependency {
        Dependency::ServiceBus if !published.swap(true, Ordering::SeqCst) => FaultAction::Serve,
        Dependency::ServiceBus => FaultAction::ResetBefore,
        Dependency::Cosmos if published.load(Ordering::SeqCst) => unavailable(),
        _ => FaultAction::Serve,
    });
    for n in 0..SALES {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    test.pass(TimeDelta::seconds(130)).await;
    assert_eq!(test.environment.dataverse().started(), []);
    test.environment.network().set_faults(NoFaults::default());
    let ended = test.environment.clock().now();
    // A pause of ten seconds, then the first retry delay of ten seconds.
    assert_started_within(&mut test, SALES, ended, TimeDelta::seconds(22)).await;
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_makes_nothing_uncertain() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    let (is_claimed, is_rescheduled) = (AtomicBool::default(), Arc::<AtomicBool>::default());
    let rescheduled = is_rescheduled.clone();
    // All claims of the first delivery.
    set_faults(&test, &calls, move |call| match Kind::of(call) {
        Kind::Claim if !rescheduled.load(Ordering::SeqCst) => {
            is_claimed.store(true, Ordering::SeqCst);
            FaultAction::ResetAfter
        }
        Kind::Send if is_claimed.load(Ordering::SeqCst) => {
            rescheduled.store(true, Ordering::SeqCst);
            FaultAction::Serve
        }
        _ => FaultAction::Serve,
    });
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(10)).await;
    assert!(is_rescheduled.load(Ordering::SeqCst), "the message was not rescheduled");
    let record = test.record(&event).await;
    let outcome = &record["journeys"]["order-confirmation"];
    assert_eq!((&outcome["state"], outcome.get("uncertain")), (&json!("started"), None), "{record:#}");
    assert_eq!(calls.to(Journey::OrderConfirmation.trigger()), 1);
    test.assert_clean(&CONFIRMATION);
}
