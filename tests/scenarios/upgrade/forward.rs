//! Today's code continues with what an older version has left.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use commerce_journeys::events::CommerceEvent;
use sandbox::environment::TOPIC;
use sandbox::service_bus::{NewMessage, Property};
use sandbox::shop::EventRow;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::environment::{Plan, TestEnvironment};

/// Each released version: its documents and its messages.
const VERSIONS: [(&str, &str, &str); 1] =
    [("0.1.0", include_str!("../fixtures/0.1.0/documents.json"), include_str!("../fixtures/0.1.0/messages.json"))];

/// Fields with times that a version wrote. The times of the event itself stay.
const TIMES: [&str; 8] = ["due", "seenAt", "publishedAt", "failingSince", "finishedAt", "until", "at", "position"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Documents {
    recorded_at: DateTime<Utc>,
    documents: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Messages {
    recorded_at: DateTime<Utc>,
    messages: BTreeMap<String, Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    body: String,
    application_properties: BTreeMap<String, String>,
}

fn shift(value: &mut Value, by: TimeDelta) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let time = value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
                match time.filter(|_| TIMES.contains(&name.as_str())) {
                    Some(time) => *value = (time + by).to_utc().to_rfc3339_opts(SecondsFormat::Secs, true).into(),
                    None => shift(value, by),
                }
            }
        }
        _ => {}
    }
}

impl Documents {
    fn read(text: &str, now: DateTime<Utc>) -> BTreeMap<String, Value> {
        let Self { recorded_at, mut documents } = serde_json::from_str(text).unwrap();
        documents.values_mut().for_each(|document| shift(document, now - recorded_at));
        documents
    }
}

impl Messages {
    fn read(text: &str, now: DateTime<Utc>) -> BTreeMap<String, NewMessage> {
        let Self { recorded_at, messages } = serde_json::from_str(text).unwrap();
        messages.into_iter().map(|(name, message)| (name, message.sent(now - recorded_at))).collect()
    }
}

impl Message {
    fn sent(mut self, later: TimeDelta) -> NewMessage {
        if let Some(since) = self.application_properties.get_mut("RetryFailingSince") {
            *since = (since.parse::<i64>().unwrap() + later.num_milliseconds()).to_string();
        }
        let properties = self.application_properties.into_iter().map(|(name, value)| (name, Property::Text(value)));
        NewMessage {
            message_id: Some(self.message_id),
            body: self.body.into(),
            content_type: Some("application/json".to_owned()),
            application_properties: properties.collect(),
            ..NewMessage::default()
        }
    }
}

/// The record as if it were of this sale, because the Scale Unit must have its order.
fn of_sale(record: &Value, sale: &EventRow) -> Value {
    let mut record = record.clone();
    record["EventTransactionId"] = json!(sale.transaction_id);
    record["EventDateTime"] = json!(sale.date_time.to_string());
    record["EventDataAreaId"] = json!(sale.data_area_id);
    record["EventChannelId"] = json!(sale.channel_id.to_string());
    let event: CommerceEvent = serde_json::from_value(record.clone()).unwrap();
    record["id"] = json!(event.id());
    record
}

fn started_for(test: &TestEnvironment, email: &str) -> usize {
    let started = test.environment.dataverse().started();
    started.iter().filter(|journey| journey.parameters()["msdynmkt_receiptemail"] == email).count()
}

async fn put(test: &TestEnvironment, document: &Value) {
    test.environment.cosmos().put(document).await.unwrap();
}

async fn document(test: &TestEnvironment, id: &Value) -> Value {
    let documents = test.environment.cosmos().documents().await.unwrap();
    documents.into_iter().find(|document| document["id"] == *id).unwrap_or(Value::Null)
}

fn now(test: &TestEnvironment) -> DateTime<Utc> {
    test.environment.clock().now()
}

async fn open() -> TestEnvironment {
    Plan::usual().with("EventTypes", "Checkout").open().await
}

#[test]
fn an_event_has_the_id_that_older_versions_gave_it() {
    for (version, documents, _) in VERSIONS {
        for (name, document) in Documents::read(documents, Utc::now()) {
            if document.get("status").is_some() {
                let event: CommerceEvent = serde_json::from_value(document.clone()).unwrap();
                assert_eq!(document["id"], json!(event.id()), "{version}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn records_that_wait_for_the_poller_are_processed() {
    for (version, documents, _) in VERSIONS {
        let mut test = open().await;
        let documents = Documents::read(documents, now(&test));
        let mut records = Vec::new();
        for name in ["new", "retrying"] {
            let sale = test.checkout(None, Some(&format!("{name}@example.org")));
            let record = of_sale(&documents[name], &sale);
            put(&test, &record).await;
            records.push((name, record["id"].clone()));
        }
        test.minute().await;
        for (name, id) in records {
            assert_eq!(started_for(&test, &format!("{name}@example.org")), 1, "{version}: {name}");
            assert_eq!(document(&test, &id).await["status"], "processed", "{version}: {name}");
        }
    }
}

#[tokio::test]
async fn the_poller_continues_at_the_cursor() {
    for (version, documents, _) in VERSIONS {
        let mut test = open().await;
        let cursor = Documents::read(documents, now(&test)).remove("cursor").unwrap();
        put(&test, &cursor).await;
        test.checkout(None, Some("later@example.org"));
        test.minute().await;
        let stored = test.environment.cosmos().documents().await.unwrap();
        let cursors: Vec<&Value> = stored.iter().filter(|it| it["EventChannelId"] == "cursors").collect();
        let [moved] = cursors[..] else { panic!("{version}: {cursors:?}") };
        assert_eq!(moved["id"], cursor["id"], "{version}");
        let time = |cursor: &Value| cursor["position"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert!(time(moved) > time(&cursor), "{version}: {moved}");
    }
}

/// Messages in the subscription, with their records: published, interrupted between claim and outcome, rescheduled with a
/// journey that has started, and delivered again after the event was processed.
#[tokio::test]
async fn messages_are_completed_and_no_journey_starts_twice() {
    for (version, documents, messages) in VERSIONS {
        let mut test = open().await;
        let documents = Documents::read(documents, now(&test));
        let mut messages = Messages::read(messages, now(&test));
        let expected = [("published", 1, 0), ("interrupted", 1, 1), ("rescheduled", 0, 0), ("processed", 0, 0)];
        for (name, _, _) in expected {
            put(&test, &documents[name]).await;
            if let Some(claim) = documents.get(&format!("{name}.claim")) {
                put(&test, claim).await;
            }
            test.environment.broker().send(TOPIC, vec![messages.remove(name).unwrap()]).unwrap();
        }
        assert!(messages.is_empty(), "{version}: a message that is not sent");
        test.minute().await;
        for (name, started, uncertain) in expected {
            assert_eq!(started_for(&test, &format!("{name}@example.org")), started, "{version}: {name}");
            let record = document(&test, &documents[name]["id"]).await;
            assert_eq!(record["status"], "processed", "{version}: {name}: {record}");
            let outcome = &record["journeys"]["order-confirmation"];
            assert_eq!(outcome["state"], "started", "{version}: {name}: {record}");
            assert_eq!(outcome["uncertain"].as_u64().unwrap_or(0), uncertain, "{version}: {name}: {record}");
        }
        let counts = test.environment.counts();
        assert_eq!((counts.active, counts.dead_lettered), (0, 0), "{version}: {counts:?}");
        assert_eq!(document(&test, &documents["interrupted.claim"]["id"]).await, Value::Null, "{version}");
    }
}

#[tokio::test]
async fn a_failed_event_can_be_replayed() {
    for (version, documents, _) in VERSIONS {
        let mut test = open().await;
        let sale = test.checkout(None, Some("failed@example.org"));
        let record = of_sale(&Documents::read(documents, now(&test))["failed"], &sale);
        put(&test, &record).await;
        test.minute().await;
        assert_eq!(started_for(&test, "failed@example.org"), 0, "{version}: it is final");
        let replay = json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]});
        let (status, answer) = test.trigger(&replay).await;
        assert_eq!((status, started_for(&test, "failed@example.org")), (200, 1), "{version}: {answer}");
    }
}

/// The assignment prevents a second contact while deliveries of both versions overlap.
#[tokio::test]
async fn a_customer_keeps_the_assigned_contact() {
    for (version, documents, _) in VERSIONS {
        let mut test = open().await;
        let mut assignment = Documents::read(documents, now(&test)).remove("customer").unwrap();
        let customer = test.stranger();
        let id = assignment["id"].as_str().unwrap().replace("c-1", &customer.to_lowercase());
        assignment["id"] = json!(id);
        put(&test, &assignment).await;
        test.checkout(Some(&customer), None);
        test.minute().await;
        let started = test.environment.dataverse().started();
        let [journey] = &started[..] else { panic!("{version}: {started:?}") };
        assert_eq!(journey.parameters()["msdynmkt_profileid"], assignment["contactId"], "{version}");
    }
}
