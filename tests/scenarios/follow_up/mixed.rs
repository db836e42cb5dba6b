//! Events with journeys that start at once and journeys that wait.

use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};
use serde_json::json;

use super::{journeys, minutes, outcome, waiting};
use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const BOTH: [Journey; 2] = [Journey::OrderConfirmation, Journey::FeedbackRequest];

/// A confirmation at once, and a request for feedback two hours later.
fn both() -> Plan {
    waiting(journeys(&[("order-confirmation", json!({})), ("feedback-request", json!({"after": "02:00:00"}))]))
}

fn names(test: &TestEnvironment) -> Vec<String> {
    test.environment.dataverse().started().iter().map(|it| it.trigger.clone()).collect()
}

#[tokio::test]
async fn the_journeys_that_are_due_start_first_and_the_others_at_their_time() {
    let mut test = both().open().await;
    let sale = test.checkout(Some(&test.stranger()), None);
    test.pass(minutes(2)).await;
    assert_eq!(names(&test), [Journey::OrderConfirmation.trigger()]);
    let record = test.record(&sale).await;
    assert_eq!((&record["status"], record.get("failingSince")), (&json!("processing"), None), "{record:#}");
    assert!(outcome(&record, Journey::FeedbackRequest)["until"].is_string(), "{record:#}");
    assert_eq!(test.environment.counts().scheduled, 1);
    test.pass(minutes(115)).await;
    assert_eq!(test.started(), 1);
    test.pass(minutes(5)).await;
    assert_eq!(names(&test)[1..], [Journey::FeedbackRequest.trigger()]);
    test.assert_clean(&BOTH);
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_retry_horizon_is_no_failure() {
    let mut test = both().with("RetryHorizon", "00:10:00").open().await;
    let sale = test.checkout(Some(&test.stranger()), None);
    test.pass(minutes(110)).await;
    test.environment.served(Dependency::Dataverse).set_reachable(false);
    test.pass(minutes(15)).await;
    assert_ne!(test.record(&sale).await["status"], "failed", "its horizon begins when it is due");
    test.environment.served(Dependency::Dataverse).set_reachable(true);
    test.pass(minutes(20)).await;
    assert_eq!(test.record(&sale).await["publications"], 1);
    test.assert_clean(&BOTH);
}

#[tokio::test]
async fn a_journey_that_fails_does_not_prevent_one_that_waits() {
    let mut test = both().open().await;
    let refused = |call: &Call| match call.path.contains(Journey::OrderConfirmation.trigger()) {
        true => FaultAction::Refuse(ErrorReply::bare(StatusCode::BAD_REQUEST)),
        false => FaultAction::Serve,
    };
    test.environment.dataverse().set_published(Journey::OrderConfirmation.trigger(), true);
    test.environment.network().set_faults(Script::new(&Calls::default(), refused));
    let sale = test.checkout(Some(&test.stranger()), None);
    test.pass(minutes(130)).await;
    assert_eq!(names(&test), [Journey::FeedbackRequest.trigger()]);
    test.environment.network().set_faults(NoFaults::default());
    let record = test.record(&sale).await;
    assert!(record["status"] == "failed" || record["status"] == "retrying", "{record:#}");
}

#[tokio::test]
async fn a_wait_survives_an_outage_of_service_bus() {
    let mut test = both().open().await;
    let calls = Calls::default();
    // Messages can be published, but not scheduled again.
    let started = Journey::OrderConfirmation.trigger();
    let seen = calls.clone();
    let fails = move |call: &Call| match call.dependency == Dependency::ServiceBus && seen.to(started) > 0 {
        true => FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE)),
        false => FaultAction::Serve,
    };
    test.environment.network().set_faults(Script::new(&calls, fails));
    let sale = test.checkout(Some(&test.stranger()), None);
    test.pass(minutes(20)).await;
    test.environment.network().set_faults(NoFaults::default());
    assert_eq!(test.started(), 1);
    test.pass(minutes(110)).await;
    let record = test.record(&sale).await;
    assert_eq!(record["status"], "processed", "{record:#}");
    test.assert_clean(&BOTH);
}
