//! Outcomes of deliveries, draining, and the types of values.

use fe2o3_amqp::types::messaging::{ApplicationProperties, Modified};
use fe2o3_amqp::types::primitives::SimpleValue;
use fe2o3_amqp_types::definitions::{Handle, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::Source;
use fe2o3_amqp_types::performatives::{Attach, Begin, Flow};
use serde::Serialize;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use serde_amqp::primitives::{Dec128, Uuid as AmqpUuid};

use super::super::message::{HandedOut, decode, encode};
use super::super::sections::{APPLICATION_PROPERTIES, Builder, Map};
use super::*;

/// More releases than the subscription allows deliveries.
const RELEASES: usize = 15;

#[tokio::test]
async fn a_released_message_is_never_dead_lettered() {
    let bus = Bus::fair().await;
    bus.send(1);
    let mut client = bus.client().await;
    let mut receiver = client.receiver().await;
    for _ in 0..RELEASES {
        receiver.set_credit(1).await.unwrap();
        let delivery = receiver.recv::<Body<Value>>().await.unwrap();
        assert_eq!(delivery.message().header.as_ref().unwrap().delivery_count, 0);
        receiver.release(&delivery).await.unwrap();
    }
    // The next message proves that the last release was processed.
    receiver.set_credit(1).await.unwrap();
    receiver.recv::<Body<Value>>().await.unwrap();
    assert_eq!(bus.counts(), Counts { locked: 1, ..Counts::default() });
}

#[tokio::test]
async fn released_messages_are_resent_while_the_link_is_open() {
    let bus = Bus::fair().await;
    let mut client = bus.client().await;
    let mut receiver = client.receiver().await;
    // A receiver that has stopped waiting, and whose credit stays on the link.
    receiver.set_credit(RELEASES as u32).await.unwrap();
    bus.send(1);
    for _ in 0..RELEASES {
        let delivery = receiver.recv::<Body<Value>>().await.unwrap();
        receiver.release(&delivery).await.unwrap();
    }
    receiver.close().await.unwrap();
    assert_eq!(bus.counts(), Counts { active: 1, ..Counts::default() });
}

impl Raw {
    async fn send(&mut self, performative: &impl Serialize) {
        self.1.write_all(&frame::amqp(0, performative).unwrap()).await.unwrap();
    }

    async fn next(&mut self) -> Performative {
        loop {
            if let Some(Content::Performative(performative, _)) = self.0.next().await.unwrap().content().unwrap() {
                return *performative;
            }
        }
    }

    /// Attaches a receiver of the subscription as handle 0.
    async fn receive(&mut self) {
        let begin = Begin {
            remote_channel: None,
            next_outgoing_id: 0,
            incoming_window: 100,
            outgoing_window: 100,
            handle_max: Handle(7),
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        self.send(&begin).await;
        let source = Source { address: Some("orders/Subscriptions/all".to_owned()), ..Source::default() };
        let attach = Attach {
            name: "receiver".to_owned(),
            handle: Handle(0),
            role: Role::Receiver,
            snd_settle_mode: SenderSettleMode::Unsettled,
            rcv_settle_mode: ReceiverSettleMode::First,
            source: Some(Box::new(source)),
            target: None,
            unsettled: None,
            incomplete_unsettled: false,
            initial_delivery_count: None,
            max_message_size: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        self.send(&attach).await;
        assert!(matches!(self.next().await, Performative::Begin(_)));
        assert!(matches!(self.next().await, Performative::Attach(_)));
    }

    /// Gives credit and drains it. So far, `transfers` messages were received.
    async fn drain(&mut self, transfers: u32, delivery_count: u32, link_credit: u32) {
        let flow = Flow {
            next_incoming_id: Some(transfers),
            incoming_window: 100,
            next_outgoing_id: 0,
            outgoing_window: 100,
            handle: Some(Handle(0)),
            delivery_count: Some(delivery_count),
            link_credit: Some(link_credit),
            available: None,
            drain: true,
            echo: false,
            properties: None,
        };
        self.send(&flow).await;
    }

    /// Receives `messages` messages and then the answer to a drain. Returns its delivery count and its credit.
    async fn drained(&mut self, messages: usize) -> (Option<u32>, Option<u32>) {
        for _ in 0..messages {
            assert!(matches!(self.next().await, Performative::Transfer(_)));
        }
        match self.next().await {
            Performative::Flow(flow) if flow.drain => (flow.delivery_count, flow.link_credit),
            other => panic!("{other:?} is not the answer to a drain"),
        }
    }
}

#[tokio::test]
async fn a_drain_is_always_answered() {
    let bus = Bus::fair().await;
    let mut raw = Raw::open_with_policy(&bus).await;
    raw.receive().await;
    // No message.
    raw.drain(0, 0, 5).await;
    assert_eq!(raw.drained(0).await, (Some(5), Some(0)));
    // No credit.
    raw.drain(0, 5, 0).await;
    assert_eq!(raw.drained(0).await, (Some(5), Some(0)));
    // The last message takes the last credit.
    bus.send(3);
    raw.drain(0, 5, 2).await;
    assert_eq!(raw.drained(2).await, (Some(7), Some(0)));
    // Not all credit is needed.
    raw.drain(2, 7, 4).await;
    assert_eq!(raw.drained(1).await, (Some(11), Some(0)));
}

/// A described value as .NET's clients write them.
fn described(name: &str, value: Value) -> Value {
    let descriptor = Descriptor::Name(format!("com.microsoft:{name}").into());
    Value::Described(Box::new(Described { descriptor, value }))
}

#[tokio::test]
async fn values_of_dotnet_types_are_carried() {
    let values = [
        described("timespan", Value::Long(864_000_000_000)),
        described("uri", Value::String("https://contoso.com/".to_owned())),
        described("datetime-offset", Value::Long(639_000_000_000_000_000)),
        described("timespan", described("timespan", Value::Long(1))),
        Value::List(vec![described("timespan", Value::Long(1))]),
        Value::Decimal128(Dec128::from([7; 16])),
        Value::Null,
    ];
    for value in values {
        let properties = Map::from_iter([(Value::String("p".to_owned()), value.clone())]);
        let builder = Builder::default().map(APPLICATION_PROPERTIES, &properties).unwrap();
        let sent = builder.value(&value).unwrap().build();
        let content = Arc::new(decode(&sent, 0).unwrap().remove(0));
        let message = crate::service_bus::Message { content, ..message() };
        let received = encode(&message, HandedOut::Peeked).unwrap();
        assert!(received.ends_with(&sent), "{value:?}: {sent:?} is not the end of {received:?}");
    }
}

/// An enqueued message.
fn message() -> crate::service_bus::Message {
    let broker = Broker::new(Clock::real());
    broker.create_topic(TopicOptions::new("orders")).unwrap();
    broker.create_subscription("orders", SubscriptionOptions::new("all")).unwrap();
    broker.send("orders", vec![NewMessage::default()]).unwrap();
    broker.peek(&EntityPath::new("orders", "all"), 1).unwrap().remove(0)
}

#[tokio::test]
async fn changed_properties_keep_their_types() {
    let bus = Bus::fair().await;
    bus.send(1);
    let mut client = bus.client().await;
    let mut receiver = client.receiver().await;
    let changes = [
        ("int", Value::Int(7), SimpleValue::Int(7)),
        ("uuid", Value::Uuid(AmqpUuid::from([7; 16])), SimpleValue::Uuid(AmqpUuid::from([7; 16]))),
        ("decimal", Value::Decimal128(Dec128::from([7; 16])), SimpleValue::Decimal128(Dec128::from([7; 16]))),
        ("float", Value::Float(0.5.into()), SimpleValue::Float(0.5.into())),
        ("null", Value::Null, SimpleValue::Null),
    ];
    let annotations = changes.iter().map(|(name, value, _)| ((*name).into(), value.clone())).collect();
    receiver.set_credit(1).await.unwrap();
    let first = receiver.recv::<Body<Value>>().await.unwrap();
    let modified =
        Modified { delivery_failed: Some(true), undeliverable_here: None, message_annotations: Some(annotations) };
    receiver.modify(&first, modified).await.unwrap();
    receiver.set_credit(1).await.unwrap();
    let again = receiver.recv::<Body<Value>>().await.unwrap();
    let ApplicationProperties(properties) = again.message().application_properties.clone().unwrap();
    for (name, _, expected) in changes {
        assert_eq!(properties.get(name), Some(&expected), "{name}");
    }
}
