//! Records that expire while a message, a dead letter or a replay of their event still exists.

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::environment::TOPIC;
use sandbox::host::KillScope;
use sandbox::network::{Call, Dependency, FaultAction, NoFaults};
use sandbox::service_bus::NewMessage;
use sandbox::shop::EventRow;
use serde_json::{Value, json};

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// Records are kept for two hours.
fn brief() -> Plan {
    Plan::usual()
        .with("InitialLookback", "01:00:00")
        .with("RecordTimeToLive", "02:00:00")
        .with("RetryHorizon", "00:20:00")
}

/// A message of this event, as the poller publishes it.
fn message(test: &TestEnvironment, event: &EventRow) -> String {
    let order = test.shop().order_body(event.channel_id, &event.transaction_id).unwrap();
    let order = std::str::from_utf8(&order).unwrap().to_owned();
    let details = json!({
        "EventTransactionId": event.transaction_id, "EventDateTime": event.date_time.to_string(), "EventType": "Checkout",
        "EventDataAreaId": event.data_area_id, "EventChannelId": event.channel_id, "EventCustomerId": event.customer_id});
    format!(r#"{{"OrderDetails": {order}, "CustomerDetails": null, "EventDetails": {details}}}"#)
}

fn send(test: &TestEnvironment, body: String) {
    let message = NewMessage { body: body.into(), ..NewMessage::default() };
    test.environment.broker().send(TOPIC, vec![message]).unwrap();
}

#[tokio::test]
async fn a_message_whose_record_has_expired_starts_nothing_again() {
    let mut test = brief().open().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
    let body = message(&test, &event);
    // A late copy is harmless while the record exists.
    send(&test, body.clone());
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
    test.pass(TimeDelta::hours(3)).await;
    assert!(test.records().await.is_empty(), "the record has expired");
    send(&test, body.clone());
    test.minute().await;
    assert_eq!(test.environment.dataverse().started().len(), 1);
    // It is kept as a dead letter, and every attempt says why.
    assert_eq!(test.environment.counts().dead_lettered, 1);
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 1}})).await;
    assert_eq!((status, &answer["failed"][0]["reason"]["code"]), (422, &json!("recordExpired")), "{answer}");
    let (status, answer) = test.trigger_raw(format!(r#"{{"message": {body}}}"#)).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("recordExpired")), "{answer}");
    assert_eq!(test.environment.dataverse().started().len(), 1);
    // An operator decides.
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 1}, "force": true})).await;
    assert_eq!((status, answer["succeeded"].as_array().map(Vec::len)), (200, Some(1)), "{answer}");
    assert_eq!(test.environment.dataverse().started().len(), 2);
}

#[tokio::test]
async fn a_dead_letter_of_a_failed_event_starts_nothing_after_its_record_has_expired() {
    let mut test = brief().with_journeys(crate::environment::all_journeys()).open().await;
    // One journey of the checkout fails, the others start.
    test.environment.dataverse().set_published(Journey::LoyaltyInvitation.trigger(), false);
    test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::hours(1)).await;
    let started = test.environment.dataverse().started().len();
    assert_eq!(test.environment.counts().dead_lettered, 1);
    test.environment.dataverse().set_published(Journey::LoyaltyInvitation.trigger(), true);
    test.pass(TimeDelta::hours(3)).await;
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 10}})).await;
    assert_eq!((status, &answer["failed"][0]["reason"]["code"]), (422, &json!("recordExpired")), "{answer}");
    assert_eq!(test.environment.dataverse().started().len(), started);
}

#[tokio::test]
async fn a_replay_of_an_expired_record_says_so() {
    let mut test = brief().open().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let record = test.record(&event).await;
    let replay = json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]});
    test.pass(TimeDelta::hours(3)).await;
    let (status, answer) = test.trigger(&replay).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("eventNotFound")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("RecordTimeToLive"), "{answer}");
    assert_eq!(test.environment.dataverse().started().len(), 1);
}

#[tokio::test]
async fn events_before_a_pause_are_not_processed_again_after_it() {
    let mut test = brief().open().await;
    test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    // Nobody buys anything until the record has expired. A new instance knows nothing from memory.
    test.pass(TimeDelta::hours(3)).await;
    test.app.host().replace_handler(KillScope::Instance).await;
    assert!(test.app.host().ready().await);
    test.pass(TimeDelta::minutes(10)).await;
    assert_eq!(test.environment.dataverse().started().len(), 1);
    test.checkout(None, Some("after.the.pause@example.org"));
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn an_interrupted_start_stays_uncertain_during_an_outage_that_outlasts_records() {
    let mut test = brief().with("RetryHorizon", "1.00:00:00").open().await;
    let calls = Calls::default();
    let is_trigger = |call: &Call| call.path.ends_with(Journey::OrderConfirmation.trigger());
    let hang = move |call: &Call| if is_trigger(call) { FaultAction::Hang } else { FaultAction::Serve };
    test.environment.network().set_faults(Script::new(&calls, hang));
    let event = test.checkout(Some(&test.stranger()), None);
    test.until(|_| calls.to(Journey::OrderConfirmation.trigger()) > 0).await;
    // The instance dies between the claim and the outcome, and no message arrives for a long time.
    test.environment.served(Dependency::ServiceBus).set_reachable(false);
    test.app.host().replace_handler(KillScope::Instance).await;
    test.environment.network().set_faults(NoFaults::default());
    test.pass(TimeDelta::hours(5)).await;
    test.environment.served(Dependency::ServiceBus).set_reachable(true);
    test.pass(TimeDelta::hours(1)).await;
    let record: Value = test.record(&event).await;
    assert_eq!(record["journeys"]["order-confirmation"]["uncertain"], json!(1), "{record:#}");
}
