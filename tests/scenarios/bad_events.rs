//! Events that cannot be processed. Each affects only itself, and its record contains the reason.

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::environment::TOPIC;
use sandbox::service_bus::NewMessage;
use sandbox::shop::{CHANNELS, EventRow};
use serde_json::json;

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// Another event, which must not be affected.
fn other_event(test: &TestEnvironment) -> EventRow {
    test.checkout(None, Some("bystander@example.org"))
}

fn reason(record: &serde_json::Value) -> &str {
    record["reason"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_new_event_type_needs_configuration_and_no_code() {
    let journeys = r#"{"journeys": [{"name": "welcome", "eventType": "CustomerCreate", "trigger": "%FeedbackRequestTrigger%", "parameters": {
        "msdynmkt_signaltimestamp": {"from": "now", "type": "DateTime"},
        "msdynmkt_signalingestiontimestamp": {"from": "now", "type": "DateTime"},
        "msdynmkt_signaluserauthid": {"from": "contactId", "type": "String"},
        "msdynmkt_profileid": {"from": "contactId", "type": "String"},
        "msdynmkt_orderid": {"from": "/EventDetails/EventTransactionId", "type": "String"},
        "msdynmkt_receiptemail": {"from": "/CustomerDetails/Email", "type": "String", "default": ""},
        "msdynmkt_purchasedat": {"from": "/EventDetails/EventDateTime", "type": "DateTime"},
        "msdynmkt_storename": {"from": "/EventDetails/EventTerminalId", "type": "String", "default": ""}}}]}"#;
    let mut test =
        Plan::usual().with_journeys(journeys).with("EventTypes", "CustomerCreate,OrderCancellation").open().await;
    let model = test.checkout(Some(&test.stranger()), None);
    let created = EventRow { event_type: "CustomerCreate".to_owned(), ..model.clone() };
    let cancelled = EventRow { event_type: "OrderCancellation".to_owned(), ..model };
    for row in [&created, &cancelled] {
        test.shop().emit_event(row.clone()).unwrap();
    }
    test.minute().await;
    let started = test.environment.dataverse().started();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].parameters()["msdynmkt_orderid"], json!(created.transaction_id));
    assert_eq!(
        test.record(&cancelled).await["status"],
        "processed",
        "an event type without journeys is completed at once"
    );
}

#[tokio::test]
async fn an_order_that_never_appears_fails_with_a_reason_and_a_dead_letter() {
    let mut test = Plan::usual().with("RetryHorizon", "02:00:00").open().await;
    test.shop().set_order_delay(None);
    let orphan = test.checkout(Some(&test.stranger()), None);
    test.shop().set_order_delay(Some(TimeDelta::zero()));
    other_event(&test);
    test.pass(TimeDelta::hours(1)).await;
    assert_eq!(test.record(&orphan).await["status"], "retrying");
    test.pass(TimeDelta::hours(2)).await;
    let record = test.record(&orphan).await;
    assert_eq!((record["status"].as_str(), reason(&record)), (Some("failed"), "orderNotFound"));
    assert_eq!(test.environment.counts().dead_lettered, 1);
    assert_eq!(test.environment.dataverse().started().len(), 1, "that of the other event");

    // The order appears later, and an operator redrives.
    test.shop().release_order(&orphan.transaction_id);
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 10}})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(test.record(&orphan).await["status"], "processed");
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn broken_json_in_a_response_is_recorded_and_retried() {
    let mut test = TestEnvironment::usual().await;
    let broken = test.checkout(Some(&test.stranger()), None);
    let whole = test.shop().order_body(CHANNELS[0].id, &broken.transaction_id).unwrap();
    test.shop().replace_order_body(&broken.transaction_id, whole.slice(..whole.len() / 2));
    other_event(&test);
    test.minute().await;
    let record = test.record(&broken).await;
    assert_eq!((record["status"].as_str(), reason(&record)), (Some("retrying"), "unreadableReply"));
    assert_eq!(test.environment.dataverse().started().len(), 1);
    test.shop().replace_order_body(&broken.transaction_id, whole);
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_deleted_customer_still_gets_the_confirmation() {
    let mut test = TestEnvironment::usual().await;
    let customer = test.stranger();
    let event = test.checkout(Some(&customer), Some("left.behind@example.org"));
    test.shop().lose_customer(&customer);
    other_event(&test);
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!((record["status"].as_str(), reason(&record)), (Some("processed"), "customerNotFound"));
    assert_eq!(test.environment.dataverse().started().len(), 2);
    assert_eq!(test.environment.audit(&CONFIRMATION, &[]).lost, []);
}

#[tokio::test]
async fn an_order_of_five_megabytes_is_truncated_and_marked() {
    let mut test = TestEnvironment::usual().await;
    let customer = test.stranger();
    let cart = test.fill_cart(CHANNELS[0].id, Some(&customer), 1_400).transaction_id;
    let event = test.shop().checkout(&cart, sandbox::shop::Checkout::default()).unwrap();
    assert!(test.shop().order_body(CHANNELS[0].id, &cart).unwrap().len() > 4_900_000);
    other_event(&test);
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!(record["status"], "processed", "{record:#}");
    assert_eq!(record["slimmed"], "lines");
    // The amounts keep all their digits.
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_foreign_message_is_dead_lettered() {
    let mut test = TestEnvironment::usual().await;
    let bodies = [
        "hello",
        "{\"hello\":1}",
        "\u{0}",
        "[]",
        "{\"OrderDetails\":{},\"CustomerDetails\":null,\"EventDetails\":{\"EventTransactionId\":5}}",
    ];
    let foreign = bodies.map(|body| NewMessage { body: body.into(), ..NewMessage::default() });
    test.environment.broker().send(TOPIC, foreign.to_vec()).unwrap();
    other_event(&test);
    test.minute().await;
    assert_eq!(test.environment.counts().dead_lettered, bodies.len());
    assert_eq!(test.environment.dataverse().started().len(), 1);
}

#[tokio::test]
async fn an_invalid_invocation_fails_and_affects_nothing_else() {
    let mut test = TestEnvironment::usual().await;
    let client = reqwest::Client::new();
    for invalid in ["", "null", "{", "{\"Data\":{\"message\":7}}", "\u{fffd}"] {
        let url = format!("http://127.0.0.1:{}/process-message", test.handler_port());
        let reply = client.post(url).body(invalid).send().await.unwrap();
        assert_eq!(reply.status(), 500, "{invalid}");
        let answer: serde_json::Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
        assert!(answer["error"].is_string(), "{answer}");
    }
    other_event(&test);
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn an_event_without_customer_and_address_is_skipped() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(None, None);
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!(record["status"], "processed");
    assert_eq!(record["journeys"]["order-confirmation"]["state"], "skipped");
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_trigger_that_rejects_its_parameters_fails_only_its_event_with_few_requests() {
    let journeys = crate::environment::SHIPPED.replace("msdynmkt_name", "msdynmkt_nmae");
    let mut test = Plan::usual().with_journeys(journeys).open().await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!((record["status"].as_str(), reason(&record)), (Some("failed"), "triggerRefused"), "{record:#}");
    assert_eq!(test.environment.counts().dead_lettered, 1);
    // Ten deliveries. After the first, each only reads the record.
    assert_eq!(calls.to(Journey::OrderConfirmation.trigger()), 1);
    assert_eq!(calls.to("/contacts"), 2, "one search, one creation");
}

#[tokio::test]
async fn a_trigger_that_is_not_published_yet_is_retried() {
    let mut test = TestEnvironment::usual().await;
    test.environment.dataverse().set_published(Journey::OrderConfirmation.trigger(), false);
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    assert_eq!(reason(&test.record(&event).await), "triggerMissing");
    test.environment.dataverse().set_published(Journey::OrderConfirmation.trigger(), true);
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}
