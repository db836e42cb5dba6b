//! Event types that `journeys.json` defines: what their events are enriched with, and what a missing part means.

use chrono::TimeDelta;
use commerce_journeys::events::EventId;
use sandbox::audit::Journey;
use sandbox::network::Dependency;
use sandbox::shop::EventRow;
use serde_json::{Value, json};

use crate::environment::{Plan, TestEnvironment, all_journeys};
use crate::script::{Calls, Script};

/// A journey for a shipment, with a trigger that the sandbox has: it needs an order, and a value that the extension stored.
fn journeys(event_type: &Value) -> String {
    let parameters = json!({
        "msdynmkt_signaltimestamp": {"from": "now", "type": "DateTime"},
        "msdynmkt_signalingestiontimestamp": {"from": "now", "type": "DateTime"},
        "msdynmkt_signaluserauthid": {"from": "contactId", "type": "String"},
        "msdynmkt_profileid": {"from": "contactId", "type": "String"},
        "msdynmkt_orderid": {"from": "/OrderDetails/Id", "type": "String", "default": "no order"},
        "msdynmkt_receiptemail": {"from": "/CustomerDetails/Email", "type": "String", "default": "no customer"},
        "msdynmkt_purchasedat": {"from": "/EventDetails/EventDateTime", "type": "DateTime"},
        "msdynmkt_storename": {"from": "/EventDetails/EventData/Carrier/Name", "type": "String", "default": "no carrier"}
    });
    let journey = json!({"name": "shipping", "eventType": "OrderShipped", "trigger": "%FeedbackRequestTrigger%",
        "parameters": parameters});
    json!({"eventTypes": {"OrderShipped": event_type}, "journeys": [journey]}).to_string()
}

/// The types to poll are not set, so they are those of the journeys.
async fn open(event_type: &Value) -> TestEnvironment {
    Plan::usual().with_journeys(journeys(event_type)).with("EventTypes", "").open().await
}

/// The shipment of an order, with a transaction id of its own.
fn ship(test: &TestEnvironment, order: &EventRow, id: &str, data: &str) -> EventRow {
    let row = EventRow {
        transaction_id: id.to_owned(),
        event_type: "OrderShipped".to_owned(),
        data: data.to_owned(),
        ..order.clone()
    };
    test.shop().emit_event(row).unwrap()
}

fn with_key(order: &EventRow) -> String {
    format!(r#"{{"OrderId":"{}"}}"#, order.transaction_id)
}

fn started(test: &TestEnvironment) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let names = ["msdynmkt_orderid", "msdynmkt_receiptemail", "msdynmkt_storename"];
    let started = test.environment.dataverse().started();
    started.iter().map(|journey| names.map(|name| text(&journey.parameters()[name]))).collect()
}

#[tokio::test]
async fn an_event_is_enriched_with_the_order_whose_key_its_data_contains() {
    let mut test = open(&json!({"enrichWith": ["order", "customer"], "orderKey": "/OrderId"})).await;
    let customer = test.stranger();
    let order = test.checkout(Some(&customer), None);
    let shipment = ship(&test, &order, "SHIPMENT-1", &with_key(&order));
    test.minute().await;
    let record = test.record(&shipment).await;
    assert_eq!((record["status"].as_str(), &record["reason"]), (Some("processed"), &Value::Null), "{record:#}");
    let email = test.shop().customer(&customer).unwrap().email.clone();
    assert_eq!(started(&test), [[order.transaction_id.clone(), email, "no carrier".to_owned()]]);
    assert_eq!(test.records().await.len(), 1, "the checkout is of a type that no journey has");
}

#[tokio::test]
async fn a_pointer_leads_into_the_data_and_nothing_is_read_for_a_type_that_needs_nothing() {
    let mut test = open(&json!({"enrichWith": []})).await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    let order = test.checkout(Some(&test.stranger()), None);
    ship(&test, &order, "SHIPMENT-1", r#"{"Carrier":{"Name":"Contoso Post"},"Weight":1.50,"Parcels":[{"It"#);
    test.minute().await;
    let none = |text: &str| format!("no {text}");
    assert_eq!(started(&test), [[none("order"), none("customer"), "Contoso Post".to_owned()]]);
    assert_eq!(calls.at(Dependency::Commerce), calls.to("CommerceEventsController/Search"), "only searches");
}

#[tokio::test]
async fn an_event_without_a_usable_key_fails_at_once_and_affects_no_other() {
    let mut test = open(&json!({"enrichWith": ["order"], "orderKey": "/OrderId"})).await;
    let order = test.checkout(Some(&test.stranger()), None);
    let wrong =
        ["{}", "", "not JSON", "[]", r#"{"OrderId":null}"#, r#"{"OrderId":{"Id":"x"}}"#, r#"{"OrderId":"HOUST"#];
    let wrong: Vec<EventRow> =
        wrong.iter().enumerate().map(|(index, data)| ship(&test, &order, &format!("SHIPMENT-{index}"), data)).collect();
    let right = ship(&test, &order, "SHIPMENT-RIGHT", &with_key(&order));
    test.pass(TimeDelta::minutes(10)).await;
    for event in &wrong {
        let record = test.record(event).await;
        assert_eq!((record["status"].as_str(), record["retryCount"].as_u64()), (Some("failed"), Some(0)), "{record:#}");
        assert_eq!(record["reason"]["code"], "eventKeyMissing", "{}: {record:#}", event.data);
    }
    assert_eq!(test.environment.counts().dead_lettered, wrong.len());
    assert_eq!(test.record(&right).await["status"], "processed");
    assert_eq!(test.environment.dataverse().started().len(), 1);
}

#[tokio::test]
async fn an_optional_order_may_be_missing() {
    let optional =
        json!({"enrichWith": ["order", "customer"], "orderKey": "/OrderId", "optional": ["order", "customer"]});
    let mut test = open(&optional).await;
    let order = test.checkout(Some(&test.stranger()), None);
    let without_key = ship(&test, &order, "SHIPMENT-1", "{}");
    let unknown = ship(&test, &order, "SHIPMENT-2", r#"{"OrderId":"NOWHERE-1"}"#);
    test.minute().await;
    for (event, reason) in [(&without_key, "eventKeyMissing"), (&unknown, "orderNotFound")] {
        let record = test.record(event).await;
        assert_eq!((record["status"].as_str(), record["reason"]["code"].as_str()), (Some("processed"), Some(reason)));
    }
    assert!(started(&test).iter().all(|[order, customer, _]| order == "no order" && customer != "no customer"));
    assert_eq!(started(&test).len(), 2);
}

#[tokio::test]
async fn a_required_customer_is_waited_for_and_a_guest_has_none() {
    let mut test = open(&json!({"enrichWith": ["customer"], "optional": []})).await;
    let order = test.checkout(Some(&test.stranger()), None);
    let early = EventRow { customer_id: "NOT-YET".to_owned(), ..order.clone() };
    let early = ship(&test, &early, "SHIPMENT-1", "{}");
    let guest = EventRow { customer_id: String::new(), ..order };
    let guest = ship(&test, &guest, "SHIPMENT-2", "{}");
    test.minute().await;
    let record = test.record(&early).await;
    assert_eq!((&record["status"], &record["reason"]["code"]), (&json!("retrying"), &json!("customerNotFound")));
    assert_eq!(test.record(&guest).await["status"], "processed", "it is skipped, because nobody can be reached");
    let customer = sandbox::shop::Customer {
        account: "NOT-YET".to_owned(),
        ..sandbox::shop::Customer::clone(&test.shop().customer(&test.stranger()).unwrap())
    };
    test.shop().register(customer).unwrap();
    test.pass(TimeDelta::minutes(5)).await;
    let record = test.record(&early).await;
    assert_eq!((&record["status"], &record["reason"]), (&json!("processed"), &Value::Null), "{record:#}");
    assert!(started(&test).iter().all(|[_, customer, _]| customer != "no customer"));
}

#[tokio::test]
async fn a_failed_event_is_redriven_with_what_it_needs() {
    let mut test = Plan::usual()
        .with_journeys(journeys(&json!({"enrichWith": ["order", "customer"], "optional": [], "orderKey": "/OrderId"})))
        .with("EventTypes", "OrderShipped")
        .with("RetryHorizon", "00:10:00")
        .open()
        .await;
    let order = test.checkout(Some(&test.stranger()), None);
    let late = EventRow { customer_id: "NOT-YET".to_owned(), ..order.clone() };
    let late = ship(&test, &late, "SHIPMENT-1", &with_key(&order));
    test.pass(TimeDelta::minutes(30)).await;
    let record = test.record(&late).await;
    assert_eq!((&record["status"], &record["reason"]["code"]), (&json!("failed"), &json!("customerNotFound")));
    let customer = sandbox::shop::Customer {
        account: "NOT-YET".to_owned(),
        ..sandbox::shop::Customer::clone(&test.shop().customer(&test.stranger()).unwrap())
    };
    test.shop().register(customer).unwrap();
    let (status, answer) = test.trigger(&json!({"deadLetters": {"max": 10}})).await;
    assert_eq!(status, 200, "{answer}");
    let record = test.record(&late).await;
    assert_eq!((&record["status"], &record["reason"]), (&json!("processed"), &Value::Null), "{record:#}");
    assert!(started(&test).iter().all(|[id, customer, _]| *id == order.transaction_id && customer != "no customer"));
}

#[tokio::test]
async fn types_are_compared_as_the_event_store_does() {
    let text = journeys(&json!({"enrichWith": []})).replace("\"OrderShipped\"", "\"ordershipped\"");
    let mut test = Plan::usual().with_journeys(text).with("EventTypes", "").open().await;
    let order = test.checkout(Some(&test.stranger()), None);
    let shipment = ship(&test, &order, "SHIPMENT-1", "{}");
    test.minute().await;
    assert_eq!(test.record(&shipment).await["status"], "processed");
    assert_eq!(test.environment.dataverse().started().len(), 1);
}

#[tokio::test]
async fn a_type_that_is_polled_again_after_months_is_not_read_back_to_then() {
    let mut test = open(&json!({"enrichWith": []})).await;
    let long_ago = test.environment.clock().now() - TimeDelta::days(60);
    let cursor = |event_type: &str| {
        let id = EventId::new("cursor", event_type, "", "");
        json!({"id": id, "EventChannelId": "cursors", "position": long_ago})
    };
    for event_type in ["OrderShipped", "AddCartLines"] {
        test.environment.cosmos().put(&cursor(event_type)).await.unwrap();
    }
    let order = test.checkout(Some(&test.stranger()), None);
    let shipment = ship(&test, &order, "SHIPMENT-1", "{}");
    test.pass(TimeDelta::minutes(3)).await;
    assert_eq!(test.record(&shipment).await["status"], "processed");
    let stored = test.environment.cosmos().documents().await.unwrap();
    let cursors: Vec<_> = stored.iter().filter(|it| it["EventChannelId"] == "cursors").map(|it| &it["id"]).collect();
    assert_eq!(cursors, [&cursor("OrderShipped")["id"]], "only that of the type that no journey has is gone");
}

/// The shipped journeys and the examples, all of them enabled.
fn with_examples() -> String {
    let mut file: Value = serde_json::from_str(&all_journeys()).unwrap();
    let examples: Value = serde_json::from_str(include_str!("../../examples/journeys.json")).unwrap();
    let journeys = file["journeys"].as_array_mut().unwrap();
    journeys.extend(examples["journeys"].as_array().unwrap().iter().cloned());
    journeys.iter_mut().for_each(|journey| journey["enabled"] = json!(true));
    file["eventTypes"] = examples["eventTypes"].clone();
    file.to_string()
}

#[tokio::test]
async fn every_event_of_a_partner_starts_its_example_once() {
    let mut plan = Plan::usual().with_journeys(with_examples()).with("EventTypes", "");
    plan.environment.partner_events = true;
    let mut test = plan.open().await;
    for visit in test.shop().plan(60, 3) {
        test.shop().perform(&visit).unwrap();
    }
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&Journey::WITH_EXAMPLES);
    let audit = test.environment.audit(&Journey::WITH_EXAMPLES, &[]);
    assert!(audit.journeys.len() == 8 && audit.journeys.iter().all(|journey| journey.started > 2), "{audit:#?}");
}
