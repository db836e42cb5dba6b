//! `azure_messaging_servicebus` with the REST interface.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use azure_core_bus::error::{Error, ErrorKind};
use azure_core_bus::headers::Headers;
use azure_core_bus::{Body, HttpClient, Request, StatusCode};
use azure_messaging_servicebus::service_bus::{SendMessageOptions, SettableBrokerProperties, TopicClient};

use super::{Bus, key, orders};
use crate::clock::Clock;
use crate::service_bus::Property;

/// Redirects requests for the cloud to the loopback port, like the handler's own client.
#[derive(Debug)]
struct Loopback(reqwest::Client, u16);

#[async_trait::async_trait]
impl HttpClient for Loopback {
    async fn execute_request(&self, request: &Request) -> azure_core_bus::Result<azure_core_bus::Response> {
        let io = |error| Error::new(ErrorKind::Io, error);
        let mut url = request.url().to_string();
        if let Some(path) = url.strip_prefix("https://shop.servicebus.windows.net/") {
            url = format!("http://127.0.0.1:{}/{path}", self.1);
        }
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes()).unwrap();
        let mut call = self.0.request(method, url);
        for (name, value) in request.headers().iter() {
            call = call.header(name.as_str(), value.as_str());
        }
        if let Body::Bytes(bytes) = request.body() {
            call = call.body(bytes.clone());
        }
        let reply = call.send().await.map_err(io)?;
        let status = StatusCode::try_from(reply.status().as_u16()).unwrap();
        let headers: HashMap<_, _> = reply
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned().into(), value.to_str().unwrap().to_owned().into()))
            .collect();
        let body = reply.bytes().await.map_err(io)?;
        let body = Box::pin(futures::stream::iter([Ok(body)]));
        Ok(azure_core_bus::Response::new(status, Headers::from(headers), body))
    }
}

fn client(bus: &Bus) -> TopicClient {
    let http = Arc::new(Loopback(bus.client.clone(), bus.served.port()));
    let key = key();
    TopicClient::new(http, "shop", "order-events", key.name, key.key).unwrap()
}

#[tokio::test]
async fn it_sends_single_messages_and_batches() {
    let bus = Bus::new(Clock::real()).await;
    let sender = client(&bus).topic_sender();
    let options = SendMessageOptions {
        content_type: Some("application/json".to_owned()),
        broker_properties: Some(SettableBrokerProperties {
            message_id: Some("m1".to_owned()),
            time_to_live: Some(Duration::from_secs(90)),
            ..SettableBrokerProperties::default()
        }),
        custom_properties: Some(HashMap::from([("EventType".to_owned(), "\"Checkout\"".to_owned())])),
    };
    sender.send_message("{}", Some(options)).await.unwrap();
    let batch = SendMessageOptions {
        content_type: Some("application/vnd.microsoft.servicebus.json".to_owned()),
        ..SendMessageOptions::default()
    };
    sender.send_message(r#"[{"Body":"a"},{"Body":"b"}]"#, Some(batch)).await.unwrap();

    let messages = bus.broker.peek(&orders(), 9).unwrap();
    assert_eq!(messages.len(), 3);
    assert_eq!(messages[0].message_id, "m1");
    assert_eq!(messages[0].content.content_type.as_deref(), Some("application/json"));
    assert_eq!(messages[0].content.application_properties["eventtype"], Property::from("Checkout"));
    assert_eq!(messages[2].content.body, "b");
}

#[tokio::test]
async fn it_receives_renews_abandons_and_deletes() {
    let bus = Bus::new(Clock::real()).await;
    let client = client(&bus);
    client.topic_sender().send_message("body", None).await.unwrap();
    let receiver = client.subscription_receiver("order-subscription");
    let wait = Some(Duration::from_secs(5));
    let first = receiver.peek_lock_message2(wait).await.unwrap();
    assert_eq!((first.body().as_str(), *first.status()), ("body", StatusCode::Created));
    assert_eq!(first.broker_properties().unwrap().delivery_count, 1);
    first.renew_message_lock().await.unwrap();
    first.unlock_message().await.unwrap();
    assert!(first.delete_message().await.is_err());

    let second = receiver.peek_lock_message2(wait).await.unwrap();
    let lock = second.broker_properties().unwrap().lock_token.parse().unwrap();
    bus.broker.dead_letter(lock, "Rejected", "by hand").unwrap();
    let dead = client.subscription_receiver("order-subscription/$DeadLetterQueue");
    let letter = dead.peek_lock_message2(wait).await.unwrap();
    assert_eq!(letter.broker_properties().unwrap().delivery_count, 3);
    letter.delete_message().await.unwrap();
    let none = dead.peek_lock_message2(Some(Duration::ZERO)).await.unwrap();
    assert_eq!((*none.status(), none.broker_properties().is_none()), (StatusCode::NoContent, true));

    client.topic_sender().send_message("last", None).await.unwrap();
    assert_eq!(receiver.receive_and_delete_message().await.unwrap(), "last");
    assert_eq!(bus.broker.counts(&orders()).unwrap(), Default::default());
}

#[tokio::test]
async fn a_wrong_key_is_rejected() {
    let bus = Bus::new(Clock::real()).await;
    let http = Arc::new(Loopback(bus.client.clone(), bus.served.port()));
    let client = TopicClient::new(http, "shop", "order-events", key().name, "another").unwrap();
    let error = client.topic_sender().send_message("{}", None).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::HttpResponse { status: StatusCode::Unauthorized, .. }), "{error}");
}
