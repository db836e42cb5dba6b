//! Replays, redrives and dry runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::host::KillScope;
use sandbox::network::{BoxFuture, Call, Dependency, ErrorReply, FaultAction, FaultInjector, NoFaults};
use serde_json::{Value, json};

use crate::environment::TestEnvironment;
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

async fn id_of(test: &TestEnvironment, event: &sandbox::shop::EventRow) -> Value {
    let record = test.record(event).await;
    json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]})
}

fn with(mut request: Value, field: &str) -> Value {
    request[field] = json!(true);
    request
}

#[tokio::test]
async fn a_replay_starts_nothing_again_unless_forced() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let replay = id_of(&test, &event).await;
    let (status, answer) = test.trigger(&replay).await;
    assert_eq!((status, &answer["journeys"]["order-confirmation"]["state"]), (200, &json!("started")), "{answer}");
    test.assert_clean(&CONFIRMATION);
    let (status, answer) = test.trigger(&with(replay, "force")).await;
    assert_eq!((status, &answer["status"]), (200, &json!("processed")), "{answer}");
    assert_eq!(test.environment.dataverse().started().len(), 2);
}

#[tokio::test]
async fn a_dry_run_shows_everything_and_changes_nothing() {
    let mut test = TestEnvironment::usual().await;
    test.environment.served(Dependency::Dataverse).set_reachable(false);
    let customer = test.stranger();
    let event = test.checkout(Some(&customer), None);
    test.minute().await;
    test.environment.served(Dependency::Dataverse).set_reachable(true);
    let contacts = test.environment.dataverse().contacts().len();
    let before = test.record(&event).await;
    let (status, answer) = test.trigger(&with(id_of(&test, &event).await, "dryRun")).await;
    assert_eq!((status, &answer["contact"]["wouldBeCreated"]), (200, &json!(true)), "{answer}");
    let parameters = &answer["journeys"]["order-confirmation"]["parameters"];
    assert_eq!(parameters.as_object().unwrap().len(), 12, "{answer}");
    assert_eq!(test.environment.dataverse().contacts().len(), contacts);
    assert_eq!(test.environment.dataverse().started(), []);
    assert_eq!(test.record(&event).await, before);
}

#[tokio::test]
async fn a_message_in_a_request_is_processed_like_a_delivered_one() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), Some("posted@example.org"));
    // As text: amounts must keep their digits.
    let order = test.shop().order_body(event.channel_id, &event.transaction_id).unwrap();
    let order = std::str::from_utf8(&order).unwrap();
    let details = json!({
        "EventTransactionId": event.transaction_id, "EventDateTime": event.date_time.to_string(), "EventType": "Checkout",
        "EventDataAreaId": event.data_area_id, "EventChannelId": event.channel_id, "EventCustomerId": event.customer_id});
    let body =
        format!(r#"{{"message": {{"OrderDetails": {order}, "CustomerDetails": null, "EventDetails": {details}}}}}"#);
    let (status, answer) = test.trigger_raw(body).await;
    assert_eq!(status, 200, "{answer}");
    // The poller and the subscription process the event later, and find it completed.
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn invalid_requests_are_rejected_with_the_path_of_the_mistake() {
    let mut test = TestEnvironment::usual().await;
    let cases = [
        (json!({}), "send one of"),
        (json!({"eventId": "x"}), "eventChannelId"),
        (json!({"eventChannelId": "x"}), "eventId"),
        (json!({"deadLetters": {"max": 0}}), "deadLetters.max"),
        (json!({"deadLetters": {"max": "many"}}), "deadLetters.max"),
        (json!({"deadLetters": {"max": 1}, "dryRun": true}), "dryRun"),
        (json!({"message": {"EventDetails": 5}}), "message"),
        (json!({"eventID": "x"}), "eventID"),
        (json!([1]), "not a JSON object"),
    ];
    for (request, path) in cases {
        let (status, answer) = test.trigger(&request).await;
        assert_eq!(status, 400, "{request}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(path), "{request}: {answer}");
    }
    assert_eq!(test.trigger_raw("{".to_owned()).await.0, 400);
    assert_eq!(test.trigger(&json!({"eventId": "x", "eventChannelId": "1"})).await.0, 404);
}

#[tokio::test]
async fn a_replay_during_an_outage_returns_503() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let replay = with(id_of(&test, &event).await, "force");
    test.environment.served(Dependency::Dataverse).set_reachable(false);
    let (status, answer) = test.trigger(&replay).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("dataverseUnavailable")), "{answer}");
}

#[tokio::test]
async fn a_redrive_completes_what_succeeds_and_leaves_the_rest() {
    let mut test = crate::environment::Plan::usual().with("RetryHorizon", "00:20:00").open().await;
    test.environment
        .broker()
        .send(
            sandbox::environment::TOPIC,
            vec![sandbox::service_bus::NewMessage { body: "not ours".into(), ..Default::default() }],
        )
        .unwrap();
    test.environment.served(Dependency::Dataverse).set_reachable(false);
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::hours(1)).await;
    let record = test.record(&event).await;
    assert_eq!(
        (record["status"].as_str(), record["reason"]["code"].as_str()),
        (Some("failed"), Some("dataverseUnavailable"))
    );
    let dead = test.environment.counts().dead_lettered;
    test.environment.served(Dependency::Dataverse).set_reachable(true);
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 10}})).await;
    assert_eq!(status, 422, "the foreign message cannot be redriven: {answer}");
    assert_eq!(answer["taken"], json!(dead));
    assert_eq!(answer["failed"].as_array().unwrap().len(), 1);
    assert_eq!(test.environment.counts().dead_lettered, 1);
    assert_eq!(test.record(&event).await["status"], "processed");
    let audit = test.environment.audit(&CONFIRMATION, &[]);
    assert!(audit.lost.is_empty() && audit.duplicated.is_empty() && audit.misdirected.is_empty(), "{audit:#?}");
}

/// Messages in the dead-letter queue that can never succeed.
fn foreign_dead_letters(test: &TestEnvironment, number: usize) {
    let broker = test.environment.broker();
    for n in 0..number {
        let body = format!("not ours {n}");
        let message = sandbox::service_bus::NewMessage { body: body.into(), ..Default::default() };
        broker.send(sandbox::environment::TOPIC, vec![message]).unwrap();
    }
}

async fn with_foreign_dead_letters(number: usize) -> TestEnvironment {
    let mut test = TestEnvironment::usual().await;
    foreign_dead_letters(&test, number);
    test.pass(TimeDelta::minutes(10)).await;
    assert_eq!(test.environment.counts().dead_lettered, number);
    test
}

#[tokio::test]
async fn an_error_of_service_bus_in_a_redrive_releases_all_and_reports_what_was_done() {
    let mut test = with_foreign_dead_letters(3).await;
    let calls = Calls::default();
    let third = AtomicUsize::new(0);
    let fault = move |call: &Call| {
        let is_receive = call.path.ends_with("/messages/head") && call.path.contains("$DeadLetterQueue");
        let number = if is_receive { third.fetch_add(1, Ordering::SeqCst) } else { 0 };
        match number {
            2 => FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE)),
            _ => FaultAction::Serve,
        }
    };
    test.environment.network().set_faults(Script::new(&calls, fault));
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 10}})).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("serviceBusUnavailable")), "{answer}");
    assert_eq!((&answer["taken"], answer["failed"].as_array().unwrap().len()), (&json!(2), 2), "{answer}");
    // All are available again at once, not only when their locks expire.
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 10}})).await;
    assert_eq!((status, &answer["taken"]), (422, &json!(3)), "{answer}");
}

#[tokio::test]
async fn a_dead_letter_whose_lock_has_expired_counts_once() {
    let mut test = with_foreign_dead_letters(4).await;
    let calls = Calls::default();
    let queue = sandbox::service_bus::EntityPath { dead_letter: true, ..test.environment.subscription() };
    let broker = test.environment.broker().clone();
    let receives = AtomicUsize::new(0);
    let fault = move |call: &Call| {
        let is_receive = call.path.contains("$DeadLetterQueue") && call.path.ends_with("/messages/head");
        if is_receive && receives.fetch_add(1, Ordering::SeqCst) < 3 {
            broker.expire_some_lock(&queue, 0);
        }
        FaultAction::Serve
    };
    test.environment.network().set_faults(Script::new(&calls, fault));
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 3}})).await;
    assert_eq!((status, &answer["taken"]), (422, &json!(3)), "{answer}");
    assert_eq!(answer["failed"].as_array().unwrap().len(), 3, "{answer}");
    assert_eq!(test.environment.counts().dead_lettered, 4);
}

/// Each dead letter is received after some time.
struct SlowReceives {
    clock: sandbox::clock::Clock,
    receives: Arc<AtomicUsize>,
}

impl FaultInjector for SlowReceives {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let is_receive = call.path.contains("$DeadLetterQueue") && call.path.ends_with("/messages/head");
        let (clock, receives) = (self.clock.clone(), self.receives.clone());
        Box::pin(async move {
            if is_receive {
                receives.fetch_add(1, Ordering::SeqCst);
                clock.sleep_inside(Duration::from_secs(20)).await;
            }
            FaultAction::Serve
        })
    }
}

#[tokio::test]
async fn a_redrive_that_takes_longer_than_a_lock_keeps_its_dead_letters() {
    let mut test = with_foreign_dead_letters(5).await;
    let (clock, receives) = (test.environment.clock().clone(), Arc::<AtomicUsize>::default());
    test.environment.network().set_faults(SlowReceives { clock, receives: receives.clone() });
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 10}})).await;
    assert_eq!((status, &answer["taken"]), (422, &json!(5)), "{answer}");
    assert_eq!(receives.load(Ordering::SeqCst), 6, "each once, and the end of the queue");
}

#[tokio::test]
async fn the_function_requires_its_key() {
    let test = TestEnvironment::usual().await;
    let url = format!("{}api/trigger-journey", test.app.url());
    let reply = reqwest::Client::new().post(url).header("x-functions-key", "wrong").body("{}").send().await.unwrap();
    assert_eq!(reply.status(), 401);
}

fn is_trigger(call: &Call) -> bool {
    call.path.ends_with(Journey::OrderConfirmation.trigger())
}

#[tokio::test]
async fn a_journey_that_a_crash_interrupted_is_uncertain_and_retried() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    let hang = |call: &Call| if is_trigger(call) { FaultAction::Hang } else { FaultAction::Serve };
    test.environment.network().set_faults(Script::new(&calls, hang));
    let event = test.checkout(Some(&test.stranger()), None);
    test.until(|_| calls.to(Journey::OrderConfirmation.trigger()) > 0).await;
    test.app.host().replace_handler(KillScope::Process).await;
    test.environment.network().set_faults(NoFaults::default());
    assert!(test.app.host().ready().await);
    test.pass(TimeDelta::minutes(5)).await;
    let record = test.record(&event).await;
    assert_eq!(record["journeys"]["order-confirmation"]["uncertain"], json!(1), "{record:#}");
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn the_check_of_the_running_app_names_each_broken_dependency() {
    let mut test = TestEnvironment::usual().await;
    let (status, report) = test.trigger(&json!({"check": true})).await;
    assert_eq!((status, &report["ok"]), (200, &json!(true)), "{report:#}");
    for (dependency, name) in [
        (Dependency::Commerce, "commerce"),
        (Dependency::Cosmos, "cosmosDb"),
        (Dependency::ServiceBus, "serviceBus"),
        (Dependency::Dataverse, "dataverse"),
    ] {
        test.environment.served(dependency).set_reachable(false);
        let (status, report) = test.trigger(&json!({"check": true})).await;
        test.environment.served(dependency).set_reachable(true);
        assert_eq!((status, &report["ok"]), (200, &json!(false)), "{report:#}");
        let findings = report["findings"].as_array().unwrap();
        let broken = findings.iter().filter(|finding| finding.get("problem").is_some());
        let broken: std::collections::BTreeSet<_> =
            broken.map(|finding| finding["dependency"].as_str().unwrap()).collect();
        assert_eq!(broken, [name].into(), "{report:#}");
    }
    let (status, _) = test.trigger(&json!({"check": true, "force": true})).await;
    assert_eq!(status, 400, "it is a request of its own");
}
