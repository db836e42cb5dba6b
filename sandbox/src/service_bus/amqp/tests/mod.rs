//! The rules of the protocol, with a correct client and with invalid frames. Tests with Microsoft's own clients are in
//! `sandbox/tests/clients`.

use std::time::Duration;

use axum::http::StatusCode;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::{Body, Outcome};
use fe2o3_amqp::{Connection, Receiver, Sender, Session};
use fe2o3_amqp_types::performatives::{Open, Performative};
use fe2o3_amqp_types::sasl::SaslInit;
use serde_amqp::Value;
use serde_bytes::ByteBuf;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::error::condition;
use super::frame::{self, AMQP_HEADER, Content, Reader, SASL_HEADER};
use super::*;
use crate::auth::AnyToken;
use crate::clock::Clock;
use crate::network::{Call, Dependency, ErrorReply, FaultAction, FaultInjector, Network, NoFaults, Served};
use crate::service_bus::rest::{SasKey, ServiceBusRest};
use crate::service_bus::{Counts, EntityPath, NewMessage, SubscriptionOptions, TopicOptions};

mod outcomes;

const KEY: &str = "c2FuZGJveC1rZXk=";

struct Bus {
    broker: Broker,
    served: Served,
}

impl Bus {
    async fn under(injector: impl FaultInjector + 'static) -> Self {
        let broker = Broker::new(Clock::real());
        broker.create_topic(TopicOptions::new("orders")).unwrap();
        broker.create_subscription("orders", SubscriptionOptions::new("all")).unwrap();
        let keys = vec![SasKey { name: "root".to_owned(), key: KEY.to_owned() }];
        let options = RestOptions { namespace: "shop".to_owned(), keys, strict_properties: true };
        let amqp = ServiceBusAmqp::new(broker.clone(), &options, Arc::new(AnyToken));
        let rest = ServiceBusRest::new(broker.clone(), options, Arc::new(AnyToken));
        let listener = Network::bind(None).await.unwrap();
        let network = Network::new(injector);
        let served = network
            .serve_with_protocol(Dependency::ServiceBus, rest.router(), Some(amqp.protocol_handler()), listener)
            .unwrap();
        Self { broker, served }
    }

    async fn fair() -> Self {
        Self::under(NoFaults::default()).await
    }

    async fn connect(&self, profile: SaslProfile) -> Result<Client, fe2o3_amqp::connection::OpenError> {
        let url = format!("amqp://127.0.0.1:{}", self.served.port());
        let mut connection = Connection::builder().container_id("test").sasl_profile(profile).open(&*url).await?;
        let session = Session::begin(&mut connection).await.unwrap();
        Ok(Client { session, _connection: connection })
    }

    async fn client(&self) -> Client {
        self.connect(plain(KEY)).await.unwrap()
    }

    fn send(&self, count: usize) {
        let message = || NewMessage { body: "{}".into(), ..NewMessage::default() };
        self.broker.send("orders", (0..count).map(|_| message()).collect()).unwrap();
    }

    fn counts(&self) -> Counts {
        self.broker.counts(&EntityPath::new("orders", "all")).unwrap()
    }
}

struct Client {
    session: SessionHandle<()>,
    _connection: ConnectionHandle<()>,
}

impl Client {
    async fn sender(&mut self) -> Sender {
        Sender::attach(&mut self.session, "sender", "orders").await.unwrap()
    }

    async fn receiver(&mut self) -> Receiver {
        let builder = Receiver::builder().name("receiver").source("orders/Subscriptions/all");
        builder.credit_mode(CreditMode::Manual).attach(&mut self.session).await.unwrap()
    }
}

fn plain(key: &str) -> SaslProfile {
    SaslProfile::Plain { username: "root".to_owned(), password: key.to_owned() }
}

/// The same action for every call.
struct Always(FaultAction);

impl FaultInjector for Always {
    fn decide(&self, _: &Call) -> crate::network::BoxFuture<FaultAction> {
        let action = self.0.clone();
        Box::pin(async { action })
    }
}

#[tokio::test]
async fn every_link_needs_a_policy_or_a_token() {
    let bus = Bus::fair().await;
    assert!(bus.connect(plain("another")).await.is_err());
    let mut stranger = bus.connect(SaslProfile::Anonymous).await.unwrap();
    let refused = Sender::attach(&mut stranger.session, "sender", "orders").await.unwrap_err();
    assert!(format!("{refused:?}").contains("UnauthorizedAccess"), "{refused:?}");
    bus.client().await.sender().await;
}

#[tokio::test]
async fn a_receiver_gets_as_many_messages_as_its_credit() {
    let bus = Bus::fair().await;
    bus.send(3);
    let mut client = bus.client().await;
    let mut receiver = client.receiver().await;
    receiver.set_credit(2).await.unwrap();
    let first = receiver.recv::<Body<Value>>().await.unwrap();
    let second = receiver.recv::<Body<Value>>().await.unwrap();
    assert_eq!(bus.counts(), Counts { active: 1, locked: 2, ..Counts::default() });
    receiver.accept(&first).await.unwrap();
    receiver.release(&second).await.unwrap();
    // Released messages come first, and their delivery is not counted.
    receiver.set_credit(1).await.unwrap();
    let again = receiver.recv::<Body<Value>>().await.unwrap();
    assert_eq!(again.message().header.as_ref().unwrap().delivery_count, 0);
    assert_eq!(bus.counts(), Counts { active: 1, locked: 1, ..Counts::default() });
}

#[tokio::test]
async fn drained_credit_receives_no_message() {
    let bus = Bus::fair().await;
    let mut client = bus.client().await;
    let mut receiver = client.receiver().await;
    receiver.set_credit(5).await.unwrap();
    receiver.drain().await.unwrap();
    // Frames are processed in order: when this link is attached, the credit is drained.
    let mut sender = client.sender().await;
    assert!(matches!(sender.send("one").await.unwrap(), Outcome::Accepted(_)));
    assert_eq!(bus.counts(), Counts { active: 1, ..Counts::default() });
    receiver.set_credit(1).await.unwrap();
    receiver.recv::<Body<Value>>().await.unwrap();
}

#[tokio::test]
async fn a_detached_link_takes_no_message_with_it() {
    let bus = Bus::fair().await;
    let mut client = bus.client().await;
    let mut receiver = client.receiver().await;
    receiver.set_credit(1).await.unwrap();
    receiver.close().await.unwrap();
    bus.send(1);
    assert_eq!(bus.counts(), Counts { active: 1, ..Counts::default() });
}

#[tokio::test]
async fn faults_apply_to_sends() {
    let throttled = ErrorReply::bare(StatusCode::TOO_MANY_REQUESTS);
    let gateway = ErrorReply::bare(StatusCode::BAD_GATEWAY);
    for (action, expected, arrived) in [
        (FaultAction::Serve, Some("accepted"), 1),
        (FaultAction::Refuse(throttled), Some("com.microsoft:server-busy"), 0),
        (FaultAction::ReplaceReply(gateway), Some("amqp:internal-error"), 1),
        (FaultAction::ResetBefore, None, 0),
        (FaultAction::ResetAfter, None, 1),
    ] {
        let bus = Bus::under(Always(action.clone())).await;
        let Client { mut session, _connection: mut connection } = bus.client().await;
        let mut sender = Sender::attach(&mut session, "sender", "orders").await.unwrap();
        let received = tokio::select! {
            outcome = sender.send("one") => match outcome {
                Ok(Outcome::Accepted(_)) => Some("accepted".to_owned()),
                Ok(Outcome::Rejected(rejected)) => Some(condition(&rejected.error.unwrap())),
                Ok(outcome) => panic!("{outcome:?}"),
                Err(_) => None,
            },
            _ = connection.on_close() => None,
        };
        assert_eq!((received.as_deref(), bus.counts().active), (expected, arrived), "{action:?}");
    }
}

/// Raw frames, for what no client library would send.
struct Raw(Reader<tokio::net::tcp::OwnedReadHalf>, tokio::net::tcp::OwnedWriteHalf);

impl Raw {
    /// Opens a connection without SASL; the client wants heartbeats.
    async fn open(bus: &Bus, idle_time_out: Option<u32>) -> Self {
        let mut raw = Self::connect(bus).await;
        raw.handshake(idle_time_out).await;
        raw
    }

    /// Opens a connection with the policy, which needs no tokens.
    async fn open_with_policy(bus: &Bus) -> Self {
        let mut raw = Self::connect(bus).await;
        raw.1.write_all(&SASL_HEADER).await.unwrap();
        assert_eq!(raw.0.header().await.unwrap(), SASL_HEADER);
        let response = format!("\0root\0{KEY}").into_bytes();
        let init =
            SaslInit { mechanism: "PLAIN".into(), initial_response: Some(ByteBuf::from(response)), hostname: None };
        raw.1.write_all(&frame::sasl(&init).unwrap()).await.unwrap();
        // The mechanisms and the outcome.
        for _ in 0..2 {
            raw.0.next().await.unwrap();
        }
        raw.handshake(None).await;
        raw
    }

    async fn connect(bus: &Bus) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", bus.served.port())).await.unwrap();
        let (reader, writer) = stream.into_split();
        Self(Reader::new(reader), writer)
    }

    async fn handshake(&mut self, idle_time_out: Option<u32>) {
        self.1.write_all(&AMQP_HEADER).await.unwrap();
        assert_eq!(self.0.header().await.unwrap(), AMQP_HEADER);
        let open = Open {
            container_id: "raw".to_owned(),
            hostname: None,
            max_frame_size: 65_536.into(),
            channel_max: 10.into(),
            idle_time_out,
            outgoing_locales: None,
            incoming_locales: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        self.1.write_all(&frame::amqp(0, &open).unwrap()).await.unwrap();
        let opened = self.0.next().await.unwrap().content().unwrap();
        assert!(matches!(opened, Some(Content::Performative(open, _)) if matches!(*open, Performative::Open(_))));
    }

    /// The condition with which the connection is closed.
    async fn closed(&mut self) -> String {
        loop {
            if let Some(Content::Performative(said, _)) = self.0.next().await.unwrap().content().unwrap()
                && let Performative::Close(close) = *said
            {
                return condition(&close.error.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn invalid_amqp_closes_the_connection_with_a_condition() {
    let bus = Bus::fair().await;
    for (bytes, reason) in [
        (&b"\x00\x00\x00\x04\x02\x00\x00\x00"[..], "amqp:connection:framing-error"),
        (&b"\x7f\x00\x00\x00\x02\x00\x00\x00"[..], "amqp:connection:framing-error"),
        (&b"\x00\x00\x00\x0a\x02\x00\x00\x00\x00\x53"[..], "amqp:decode-error"),
        // A flow on a channel without a session.
        (&b"\x00\x00\x00\x0c\x02\x00\x00\x07\x00\x53\x17\x45"[..], "amqp:not-allowed"),
    ] {
        let mut raw = Raw::open(&bus, None).await;
        raw.1.write_all(bytes).await.unwrap();
        assert_eq!(raw.closed().await, reason, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_client_receives_heartbeats_at_its_interval() {
    let bus = Bus::fair().await;
    let mut raw = Raw::open(&bus, Some(100)).await;
    for _ in 0..3 {
        let beat = tokio::time::timeout(Duration::from_secs(30), raw.0.next()).await.unwrap().unwrap();
        assert!(beat.content().unwrap().is_none());
    }
}

#[tokio::test]
async fn http_is_served_on_the_same_port() {
    let bus = Bus::fair().await;
    let _client = bus.client().await;
    let url = format!("{}orders/messages", bus.served.url());
    let reply = reqwest::Client::new().post(url).bearer_auth("any").body("{}").send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::CREATED);
    assert_eq!(bus.counts().active, 1);
}
