//! The REST interface over real HTTP, with plain requests and with the client crate of the handler.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::super::{Broker, EntityPath, NewMessage, Property, Rights, SubscriptionOptions, TopicOptions};
use super::*;
use crate::auth::AnyToken;
use crate::clock::{Clock, TimeHold};
use crate::network::{Dependency, Network, NoFaults, Served};

mod real_client;

const NAMESPACE: &str = "shop.servicebus.windows.net";
const ORDERS: &str = "order-events/subscriptions/order-subscription";

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

fn key() -> SasKey {
    SasKey { name: "RootManageSharedAccessKey".to_owned(), key: "c2FuZGJveC1rZXk=".to_owned() }
}

fn orders() -> EntityPath {
    EntityPath::new("order-events", "order-subscription")
}

struct Bus {
    broker: Broker,
    served: Served,
    client: Client,
}

impl Bus {
    async fn new(clock: Clock) -> Self {
        Self::with(clock, false).await
    }

    async fn with(clock: Clock, strict_properties: bool) -> Self {
        let broker = Broker::new(clock);
        broker.create_topic(TopicOptions::new("order-events")).unwrap();
        broker.create_subscription("order-events", SubscriptionOptions::new("order-subscription")).unwrap();
        let options = RestOptions { namespace: NAMESPACE.to_owned(), keys: vec![key()], strict_properties };
        let rest = ServiceBusRest::new(broker.clone(), options, Arc::new(AnyToken));
        let served =
            Network::new(NoFaults::default()).serve(Dependency::ServiceBus, rest.router(), None).await.unwrap();
        Self { broker, served, client: Client::new() }
    }

    /// In simulated time that is held.
    async fn still() -> (Self, TimeHold) {
        let clock = Clock::simulated(start());
        let hold = clock.hold();
        (Self::new(clock).await, hold)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.served.url())
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path)).bearer_auth("token")
    }

    async fn send(&self, batch: &Value) -> Response {
        let request =
            self.post("order-events/messages").header("Content-Type", "application/vnd.microsoft.servicebus.json");
        request.body(batch.to_string()).send().await.unwrap()
    }

    async fn peek_lock(&self, entity: &str) -> Response {
        self.post(&format!("{entity}/messages/head?timeout=0")).send().await.unwrap()
    }
}

fn text<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

fn properties(response: &Response) -> Value {
    serde_json::from_str(text(response, "BrokerProperties")).unwrap()
}

#[tokio::test]
async fn a_single_message_keeps_its_properties() {
    let (bus, _hold) = Bus::still().await;
    let request = bus
        .post("order-events/messages")
        .header("Content-Type", "application/json")
        .header(
            "BrokerProperties",
            r#"{"MessageId":"m1","Label":"L1","CorrelationId":"c","TimeToLive":90,"Unknown":1}"#,
        )
        .header("EventType", "\"Checkout\"")
        .header("Bare", "text")
        .header("Priority", "7")
        .header("x-ms-retrypolicy", "NoRetry")
        .body("{\"a\":1}");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED);

    let sent = bus.broker.peek(&orders(), 1).unwrap().remove(0);
    let own = &sent.content.application_properties;
    assert_eq!(own.keys().collect::<Vec<_>>(), ["bare", "eventtype", "priority"]);
    assert_eq!((&own["bare"], &own["priority"]), (&Property::from("text"), &Property::Integer(7)));

    let response = bus.peek_lock(ORDERS).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(text(&response, "Content-Type"), "application/json");
    assert_eq!(text(&response, "EventType"), "\"Checkout\"");
    let got = properties(&response);
    let expected = json!({
        "CorrelationId": "c", "DeliveryCount": 1, "EnqueuedSequenceNumber": 1,
        "EnqueuedTimeUtc": "Thu, 09 Oct 2025 08:53:20 GMT", "Label": "L1", "LockToken": got["LockToken"],
        "LockedUntilUtc": "Thu, 09 Oct 2025 08:54:20 GMT", "MessageId": "m1", "SequenceNumber": 1,
        "State": "Active", "TimeToLive": 90.0
    });
    assert_eq!(got, expected);
    let location = format!("{}{ORDERS}/messages/1/{}", bus.served.url(), got["LockToken"].as_str().unwrap());
    assert_eq!(text(&response, "Location"), location);
    assert_eq!(response.text().await.unwrap(), "{\"a\":1}");
}

#[tokio::test]
async fn a_strict_namespace_rejects_unquoted_text_in_a_property() {
    let bus = Bus::with(Clock::real(), true).await;
    let send = |value: &'static str| bus.post("order-events/messages").header("EventType", value).body("{}").send();
    assert_eq!(send("\"Checkout\"").await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(send("Checkout").await.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_batch_has_properties_per_message_and_is_all_or_nothing() {
    let (bus, _hold) = Bus::still().await;
    let batch = json!([
        {"Body": "first", "BrokerProperties": {"MessageId": "1", "TimeToLiveTimeSpan": "0.00:00:40"}},
        {"Body": "second", "UserProperties": {"EventType": "Checkout", "Lines": 2, "Guest": true}},
        {"Body": "third", "BrokerProperties": {"ScheduledEnqueueTimeUtc": "Thu, 09 Oct 2025 09:00:00 +0000"}},
    ]);
    assert_eq!(bus.send(&batch).await.status(), StatusCode::CREATED);
    let messages = bus.broker.peek(&orders(), 9).unwrap();
    assert_eq!(messages[0].time_to_live, Duration::from_secs(40));
    let own = &messages[1].content.application_properties;
    assert_eq!((&own["EventType"], &own["Lines"]), (&Property::from("Checkout"), &Property::Integer(2)));
    assert_eq!(messages[1].message_id.len(), 32);
    assert_eq!(bus.broker.counts(&orders()).unwrap().scheduled, 1);

    for bad in [
        json!([]),
        json!({"Body": "x"}),
        json!([{"Body": "x"}, {"Body": {"a": 1}}]),
        json!([{"Body": "x"}, {"Body": "y", "BrokerProperties": {"MessageId": "x".repeat(129)}}]),
        json!([{"Body": "x"}, {"Body": "y", "BrokerProperties": {"ScheduledEnqueueTimeUtc": "2025-10-09T09:00:00Z"}}]),
        json!([{"Body": "x"}, {"Body": "y", "UserProperties": {"Nested": {}}}]),
    ] {
        assert_eq!(bus.send(&bad).await.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    let large = json!([{"Body": "x".repeat(140_000)}, {"Body": "y".repeat(140_000)}]);
    assert_eq!(bus.send(&large).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(bus.broker.counts(&orders()).unwrap().active, 2);
}

#[tokio::test]
async fn an_entity_that_does_not_exist_is_answered_with_410() {
    let bus = Bus::new(Clock::real()).await;
    let status = async |path: &str| bus.post(path).body("{}").send().await.unwrap().status();
    assert_eq!(status("nowhere/messages").await, StatusCode::GONE);
    assert_eq!(status("order-events/subscriptions/nobody/messages/head?timeout=0").await, StatusCode::GONE);
    assert_eq!(status("order-events/subscriptions/nobody/messages/1/2").await, StatusCode::GONE);
    assert_eq!(status("order-events").await, StatusCode::NOT_FOUND);
    assert_eq!(
        status("order-events/subscriptions/order-subscription/messages/head?timeout=x").await,
        StatusCode::BAD_REQUEST
    );
    let response = bus.client.get(bus.url("order-events/messages")).bearer_auth("token").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_message_is_renewed_abandoned_and_completed_by_its_location() {
    let (bus, hold) = Bus::still().await;
    bus.broker.send("order-events", vec![NewMessage { body: "x".into(), ..NewMessage::default() }]).unwrap();
    let location = text(&bus.peek_lock(ORDERS).await, "Location").to_owned();
    let call = |method: reqwest::Method, url: &str| bus.client.request(method, url).bearer_auth("token").send();
    assert_eq!(call(reqwest::Method::POST, &location).await.unwrap().status(), StatusCode::OK);
    assert_eq!(call(reqwest::Method::PUT, &location).await.unwrap().status(), StatusCode::OK);
    assert_eq!(call(reqwest::Method::DELETE, &location).await.unwrap().status(), StatusCode::NOT_FOUND);

    let response = bus.peek_lock(ORDERS).await;
    let (location, again) = (text(&response, "Location").to_owned(), properties(&response));
    assert_eq!(again["DeliveryCount"], 2);
    let sleep = bus.broker.clock().sleep(Duration::from_secs(61));
    drop(hold);
    let _hold = sleep.await;
    assert_eq!(call(reqwest::Method::POST, &location).await.unwrap().status(), StatusCode::NOT_FOUND);

    let location = text(&bus.peek_lock(ORDERS).await, "Location").to_owned();
    let elsewhere = location.replace("/messages/1/", "/messages/2/");
    assert_eq!(call(reqwest::Method::DELETE, &elsewhere).await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(call(reqwest::Method::DELETE, &location).await.unwrap().status(), StatusCode::OK);
    assert_eq!(bus.broker.counts(&orders()).unwrap().locked, 0);
}

#[tokio::test]
async fn receive_and_delete_removes_the_message_and_returns_no_lock() {
    let (bus, _hold) = Bus::still().await;
    bus.broker.send("order-events", vec![NewMessage { body: "x".into(), ..NewMessage::default() }]).unwrap();
    let url = bus.url(&format!("{ORDERS}/messages/head?timeout=0"));
    let response = bus.client.delete(&url).bearer_auth("token").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(properties(&response).get("LockToken").is_none());
    assert_eq!(response.text().await.unwrap(), "x");
    let response = bus.client.delete(&url).bearer_auth("token").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(bus.broker.peek(&orders(), 1).unwrap(), []);
}

#[tokio::test]
async fn dead_letters_are_received_with_their_reason() {
    let (bus, _hold) = Bus::still().await;
    bus.broker.send("order-events", vec![NewMessage::default()]).unwrap();
    let delivery = bus.broker.try_receive(&orders()).unwrap().unwrap();
    bus.broker.dead_letter(delivery.lock_token, "Rejected", "no such customer").unwrap();
    let response = bus.peek_lock(&format!("{ORDERS}/$DeadLetterQueue")).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(text(&response, "DeadLetterReason"), "\"Rejected\"");
    let location = text(&response, "Location").to_owned();
    let response = bus.client.delete(location).bearer_auth("token").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(bus.broker.counts(&orders()).unwrap().dead_lettered, 0);
}

#[tokio::test]
async fn a_receive_waits_for_its_timeout_even_inside_an_invocation() {
    let (bus, hold) = Bus::still().await;
    let response = bus.post(&format!("{ORDERS}/messages/head?timeout=30")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(bus.broker.clock().now(), start() + TimeDelta::seconds(30));

    let soon = NewMessage { scheduled_enqueue_time: Some(start() + TimeDelta::seconds(40)), ..NewMessage::default() };
    bus.broker.send("order-events", vec![soon]).unwrap();
    let response = bus.post(&format!("{ORDERS}/messages/head")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(bus.broker.clock().now(), start() + TimeDelta::seconds(40));
    drop(hold);
}

#[tokio::test]
async fn signatures_and_tokens_are_validated_before_any_lookup() {
    let (bus, _hold) = Bus::still().await;
    let status = async |authorization: Option<String>, path: &str| {
        let mut request = bus.client.post(bus.url(path)).body("{}");
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        let response = request.send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    };
    let later = start().timestamp() + 60;
    let good = sas::sign(&format!("https://{NAMESPACE}/order-events/messages"), &key(), later);
    assert_eq!(status(Some(good), "order-events/messages").await.0, StatusCode::CREATED);
    let local = sas::sign(&bus.url("order-events"), &key(), later);
    assert_eq!(status(Some(local), "order-events/messages").await.0, StatusCode::CREATED);

    let other = sas::sign(&format!("https://{NAMESPACE}/other"), &key(), later);
    let (code, body) = status(Some(other), "order-events/messages").await;
    assert_eq!(code, StatusCode::UNAUTHORIZED);
    assert!(body.starts_with("<Error><Code>401</Code><Detail>InvalidAudience: "), "{body}");
    let old = sas::sign(&format!("https://{NAMESPACE}/"), &key(), start().timestamp() - 1);
    assert!(status(Some(old), "order-events/messages").await.1.contains("ExpiredToken"));
    let (code, body) = status(None, "nowhere/messages").await;
    assert_eq!(code, StatusCode::UNAUTHORIZED);
    assert!(body.contains("MissingToken") && body.contains("Timestamp:2025-10-09T08:53:20</Detail>"), "{body}");
}

#[tokio::test]
async fn there_is_a_connection_string_for_applications() {
    let broker = Broker::new(Clock::real());
    let options = RestOptions { namespace: NAMESPACE.to_owned(), keys: vec![key()], strict_properties: false };
    let rest = ServiceBusRest::new(broker, options, Arc::new(AnyToken));
    assert_eq!(
        rest.connection_string(5300).unwrap(),
        "Endpoint=sb://127.0.0.1:5300;SharedAccessKeyName=RootManageSharedAccessKey;\
         SharedAccessKey=c2FuZGJveC1rZXk=;UseDevelopmentEmulator=true"
    );
}

#[tokio::test]
async fn a_missing_right_differs_from_a_missing_entity_and_a_missing_lock() {
    let (bus, _hold) = Bus::still().await;
    let unlock =
        |path: &str| bus.client.put(bus.url(&format!("{path}/messages/0/{}", Uuid::nil()))).bearer_auth("t").send();
    let status = |reply: reqwest::Result<Response>| reply.unwrap().status().as_u16();
    assert_eq!(status(unlock(ORDERS).await), 404);
    assert_eq!(status(unlock("order-events/subscriptions/nobody").await), 410);
    bus.broker.set_rights(Rights { send: true, listen: false });
    let refused = unlock(ORDERS).await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert!(refused.text().await.unwrap().contains("Unauthorized access for 'Receive' operation"));
    let posted = || bus.post("order-events/messages").header("Content-Type", format::BATCH).body("{}").send();
    assert_eq!(status(posted().await), 400);
    bus.broker.set_rights(Rights { send: false, listen: true });
    assert_eq!(status(posted().await), 401);
    assert_eq!(status(unlock(ORDERS).await), 404);
}

#[tokio::test]
async fn what_is_not_supported_is_answered_with_501_and_a_sentence() {
    let (bus, _hold) = Bus::still().await;
    // With and without a token: nobody must look for the cause there.
    let websocket = bus.client.get(bus.url("$servicebus/websocket")).header("Upgrade", "websocket");
    let topics = bus.client.get(bus.url("$Resources/topics?api-version=2021-05")).bearer_auth("token");
    let topic = bus.client.get(bus.url("order-events?enrich=False&api-version=2021-05")).bearer_auth("token");
    let create = bus.client.put(bus.url("order-events/Subscriptions/new?api-version=2021-05")).body("<entry/>");
    for (request, says) in
        [(websocket, "WebSockets"), (topics, "management"), (topic, "management"), (create, "management")]
    {
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NOT_IMPLEMENTED);
        let body = reply.text().await.unwrap();
        assert!(body.contains(says) && body.contains("sandbox"), "{body}");
    }
    // Requests for messages may have a version too.
    let sent = bus.post("order-events/messages?api-version=2015-01").body("{}").send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::CREATED);
}
