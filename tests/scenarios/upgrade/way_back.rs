//! What today's code leaves behind can be read by older versions, which ignore additional fields.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta};
use commerce_journeys::events::{CommerceEvent, RetryHistory};
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::environment::{SUBSCRIPTION, TOPIC};
use sandbox::host::KillScope;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};
use sandbox::service_bus::EntityPath;
use serde_json::{Value, json};

use super::reader_0_1_0::{Kind, read_document, read_history, read_message};
use crate::environment::{Plan, TestEnvironment, all_journeys};
use crate::script::{Calls, Script};

/// A day on which events end in every state. It keeps the documents that it sees.
struct Day {
    test: TestEnvironment,
    documents: Vec<Value>,
}

impl Day {
    /// A sale during these faults, and a minute for it.
    async fn sell(&mut self, rule: impl Fn(&Call) -> FaultAction + Send + Sync + 'static) {
        self.test.environment.network().set_faults(Script::new(&Calls::default(), rule));
        let customer = self.test.stranger();
        self.test.checkout(Some(&customer), None);
        self.test.minute().await;
        self.keep().await;
        self.test.environment.network().set_faults(NoFaults::default());
        self.test.pass(TimeDelta::hours(1)).await;
        self.keep().await;
    }

    async fn keep(&mut self) {
        self.documents.extend(self.test.environment.cosmos().documents().await.unwrap());
    }

    /// A cart that nobody buys: its reminder waits, and is sent.
    async fn leave_cart(&mut self) {
        self.test.open_cart();
        self.test.pass(TimeDelta::seconds(30)).await;
        self.keep().await;
        self.test.minute().await;
        self.keep().await;
    }

    /// A delivery that is killed while it invokes a trigger. Its claim and its message stay.
    async fn crash(&mut self) {
        let calls = Calls::default();
        let is_trigger = |call: &Call| call.path.contains(Journey::OrderConfirmation.trigger());
        let hang = move |call: &Call| if is_trigger(call) { FaultAction::Hang } else { FaultAction::Serve };
        self.test.environment.network().set_faults(Script::new(&calls, hang));
        self.test.checkout(None, Some("crash@example.org"));
        self.test.until(|_| calls.to(Journey::OrderConfirmation.trigger()) > 0).await;
        self.test.app.host().replace_handler(KillScope::Instance).await;
        self.keep().await;
    }
}

fn refuse(status: StatusCode) -> FaultAction {
    FaultAction::Refuse(ErrorReply::bare(status))
}

/// The Scale Unit answers searches only, so that no event can be enriched.
fn without_orders(call: &Call) -> FaultAction {
    match call.dependency == Dependency::Commerce && !call.path.contains("Search") {
        true => refuse(StatusCode::SERVICE_UNAVAILABLE),
        false => FaultAction::Serve,
    }
}

async fn day() -> Day {
    // No sale has a loyalty card, so one journey is always skipped.
    let journeys = all_journeys().replace("\"is\": \"empty\"", "\"is\": \"present\"").replace("00:00:10", "00:00:45");
    let test = Plan::usual().with_journeys(journeys).open().await;
    let mut day = Day { test, documents: Vec::new() };
    day.leave_cart().await;
    day.sell(|_| FaultAction::Serve).await;
    day.sell(|call| match call.path.contains(Journey::OrderConfirmation.trigger()) {
        true => refuse(StatusCode::BAD_REQUEST),
        false => FaultAction::Serve,
    })
    .await;
    day.sell(|call| match call.path.contains(Journey::FeedbackRequest.trigger()) {
        true => FaultAction::ReplaceReply(ErrorReply::bare(StatusCode::BAD_GATEWAY)),
        false => FaultAction::Serve,
    })
    .await;
    day.sell(|call| match call.path.contains(Journey::OrderConfirmation.trigger()) {
        true => refuse(StatusCode::SERVICE_UNAVAILABLE),
        false => FaultAction::Serve,
    })
    .await;
    day.sell(without_orders).await;
    day.crash().await;
    day
}

fn is_marker(document: &Value) -> bool {
    document["id"].as_str().is_some_and(|id| id.starts_with("marker~")) && document["id"] == document["EventChannelId"]
}

/// The texts at a pointer in the records.
fn seen<'a>(documents: &'a [Value], pointer: &str) -> BTreeSet<&'a str> {
    documents.iter().filter_map(|document| document.pointer(pointer)?.as_str()).collect()
}

#[tokio::test]
async fn documents_can_be_read_by_version_0_1_0() {
    let day = day().await;
    let mut kinds = BTreeSet::new();
    // Version 0.1.0 reads items by their ids, and lists only those with a status. So it never sees a marker.
    let (markers, others): (Vec<_>, Vec<_>) = day.documents.iter().partition(|document| is_marker(document));
    assert!(!markers.is_empty() && markers.iter().all(|marker| marker.get("status").is_none()));
    for document in others {
        let kind = read_document(document).unwrap_or_else(|error| panic!("{error}: {document:#}"));
        kinds.insert(kind);
    }
    assert_eq!(kinds, [Kind::Record, Kind::Claim, Kind::Cursor, Kind::Assignment].into());
    // The day has what is compared.
    let statuses = seen(&day.documents, "/status");
    assert!(BTreeSet::from(["failed", "processed", "processing", "retrying"]).is_subset(&statuses), "{statuses:?}");
    let journeys = ["order-confirmation", "feedback-request", "loyalty-invitation"];
    let states: BTreeSet<&str> =
        journeys.iter().flat_map(|name| seen(&day.documents, &format!("/journeys/{name}/state"))).collect();
    assert!(BTreeSet::from(["failed", "skipped", "started", "waiting"]).is_subset(&states), "{states:?}");
    assert_eq!(seen(&day.documents, "/journeys/abandoned-cart/reason/code"), BTreeSet::from(["scheduled"]));
    let subscription = EntityPath::new(TOPIC, SUBSCRIPTION);
    let messages = day.test.environment.broker().peek(&subscription, usize::MAX).unwrap();
    assert!(!messages.is_empty(), "the killed delivery left its message");
    for message in messages {
        read_message(&message.content.body).unwrap();
    }
}

#[test]
fn a_rescheduled_message_can_be_read_by_version_0_1_0() {
    let at = DateTime::from_timestamp(1_764_331_200, 0).unwrap();
    let history = RetryHistory {
        attempts: 2,
        failing_since: Some(at),
        started: BTreeMap::from([("order-confirmation".to_owned(), at)]),
        ..RetryHistory::default()
    };
    let event = json!({"EventTransactionId": "T", "EventDateTime": "2026-11-28T11:50:00Z", "EventType": "Checkout"});
    let event: CommerceEvent = serde_json::from_value(event).unwrap();
    let properties = history.to_properties(&event);
    let property = |name: &str| properties.iter().find(|(it, _)| *it == name).map(|(_, value)| value.clone());
    let started = BTreeMap::from([("order-confirmation".to_owned(), at.timestamp_millis())]);
    assert_eq!(read_history(property), Some((2, at.timestamp_millis(), started)));
}

/// The fixtures are documents of the version whose name they bear.
#[test]
fn the_fixtures_of_version_0_1_0_are_read_by_its_own_reader() {
    let fixtures: Value = serde_json::from_str(include_str!("../fixtures/0.1.0/documents.json")).unwrap();
    for (name, document) in fixtures["documents"].as_object().unwrap() {
        read_document(document).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let fixtures: Value = serde_json::from_str(include_str!("../fixtures/0.1.0/messages.json")).unwrap();
    for (name, message) in fixtures["messages"].as_object().unwrap() {
        let body = message["body"].as_str().unwrap();
        read_message(body.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A roll-back from a version with a reason that this one does not know.
#[tokio::test]
async fn a_reason_of_a_newer_version_does_not_stop_the_poller() {
    let mut test = TestEnvironment::usual().await;
    test.environment.network().set_faults(Script::new(&Calls::default(), without_orders));
    let sale = test.checkout(None, Some("later@example.org"));
    test.minute().await;
    let mut record = test.record(&sale).await;
    assert_eq!(record["status"], "retrying", "{record}");
    record["reason"] = json!({"code": "somethingNew", "detail": "of version 9"});
    record["newField"] = json!({"any": "value"});
    test.environment.cosmos().put(&record).await.unwrap();
    test.environment.network().set_faults(NoFaults::default());
    test.pass(TimeDelta::hours(1)).await;
    assert_eq!(test.record(&sale).await["status"], "processed");
    test.assert_clean(&[Journey::OrderConfirmation]);
}
