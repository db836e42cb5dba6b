//! Service Bus as the Functions host's source of messages, over AMQP.
//!
//! The client is `fe2o3-amqp`, which nobody here wrote. Like the real host's processor it gives out credit for as many
//! messages as there are calls waiting, settles by disposition and renews at the management node. This client does not
//! wait for the broker's answer to a disposition: a lock that was lost meanwhile shows when the message comes again.

mod message;
mod renew;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::delivery::DeliveryInfo;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::sasl_profile::SaslProfile;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Body, Modified};
use fe2o3_amqp::{Connection, Receiver, Session};
use fe2o3_amqp_management::MgmtClient;
use serde_amqp::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::renew::Renew;
use super::SettleFaults;
use crate::clock::Clock;
use crate::host::{Delivery, MessageSource, SettleProblem};
use crate::service_bus::EntityPath;

/// How long to wait before a connection is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the broker is, and what opens it.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) port: u16,
    pub(super) policy: &'static str,
    pub(super) key: &'static str,
    pub(super) entity: EntityPath,
}

/// A subscription over AMQP; its connection ends when it is dropped.
pub(super) struct AmqpSource {
    orders: mpsc::UnboundedSender<Order>,
    settling: SettleFaults,
    _client: JoinSet<()>,
}

enum Order {
    Receive(oneshot::Sender<Delivery>),
    Settle(Uuid, Outcome, oneshot::Sender<Result<(), SettleProblem>>),
    Renew(Uuid, oneshot::Sender<Result<DateTime<Utc>, SettleProblem>>),
}

#[derive(Clone, Copy)]
enum Outcome {
    Complete,
    Abandon,
}

impl AmqpSource {
    /// Must be made inside a Tokio runtime.
    pub(super) fn new(address: Address, settling: SettleFaults, clock: Clock) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let client = Client { address, clock, orders: received, waiting: VecDeque::new() };
        let mut task = JoinSet::new();
        task.spawn(client.run());
        Self { orders, settling, _client: task }
    }

    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, SettleProblem>>) -> Order,
    ) -> Result<T, SettleProblem> {
        let (answer, answered) = oneshot::channel();
        // The client lives as long as its source; an order that dies with a connection is never answered.
        let _ = self.orders.send(order(answer));
        answered.await.unwrap_or_else(|_| Err(SettleProblem::Unreachable("the connection is gone".to_owned())))
    }
}

#[async_trait]
impl MessageSource for AmqpSource {
    async fn receive(&self) -> Delivery {
        let (answer, answered) = oneshot::channel();
        let _ = self.orders.send(Order::Receive(answer));
        match answered.await {
            Ok(delivery) => delivery,
            Err(_) => std::future::pending().await,
        }
    }

    async fn complete(&self, lock_token: Uuid) -> Result<(), SettleProblem> {
        if self.settling.fails() {
            return Err(SettleProblem::Unreachable("the link was detached".to_owned()));
        }
        self.ask(|answer| Order::Settle(lock_token, Outcome::Complete, answer)).await
    }

    async fn abandon(&self, lock_token: Uuid) -> Result<(), SettleProblem> {
        self.ask(|answer| Order::Settle(lock_token, Outcome::Abandon, answer)).await
    }

    async fn renew(&self, lock_token: Uuid) -> Result<DateTime<Utc>, SettleProblem> {
        self.ask(|answer| Order::Renew(lock_token, answer)).await
    }
}

/// Any of the client library's many errors, in words.
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Keeps a connection, and does what is ordered over it.
struct Client {
    address: Address,
    clock: Clock,
    orders: mpsc::UnboundedReceiver<Order>,
    /// Calls that wait for a message; the broker gives out as many.
    waiting: VecDeque<oneshot::Sender<Delivery>>,
}

/// A connection, with everything that hangs on it.
struct Connected {
    receiver: Receiver,
    management: MgmtClient,
    /// What was received and not yet settled.
    held: HashMap<Uuid, DeliveryInfo>,
    _session: SessionHandle<()>,
    _connection: ConnectionHandle<()>,
}

impl Client {
    async fn run(mut self) {
        loop {
            let ended = match connect(&self.address).await {
                Ok(connected) => self.serve(connected).await,
                Err(problem) => Err(problem),
            };
            match ended {
                Ok(()) => return,
                Err(problem) => tracing::debug!(%problem, "receiving over AMQP is interrupted"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Until there is nobody left to give orders.
    async fn serve(&mut self, mut connected: Connected) -> Result<(), Problem> {
        self.grant(&mut connected.receiver).await?;
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Ok(()),
                    Some(Order::Receive(answer)) => {
                        self.waiting.push_back(answer);
                        self.grant(&mut connected.receiver).await?;
                    }
                    Some(Order::Settle(lock, outcome, answer)) => {
                        let _ = answer.send(connected.settle(lock, outcome).await);
                    }
                    Some(Order::Renew(lock, answer)) => {
                        // A request over a connection that breaks meanwhile is never answered by this client.
                        let renewed = tokio::time::timeout(PATIENCE, connected.renew(lock)).await;
                        let late = renewed.is_err();
                        let unreachable = |_| Err(SettleProblem::Unreachable("no answer came".to_owned()));
                        let _ = answer.send(renewed.unwrap_or_else(unreachable));
                        if late {
                            return Err("a request was not answered".into());
                        }
                    }
                },
                received = connected.receiver.recv::<Body<Value>>() => {
                    self.hand_over(&mut connected, received?).await?;
                }
            }
        }
    }

    async fn grant(&mut self, receiver: &mut Receiver) -> Result<(), Problem> {
        self.waiting.retain(|waiting| !waiting.is_closed());
        receiver.set_credit(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)).await?;
        Ok(())
    }

    async fn hand_over(
        &mut self,
        connected: &mut Connected,
        received: fe2o3_amqp::Delivery<Body<Value>>,
    ) -> Result<(), Problem> {
        let info = DeliveryInfo::from(&received);
        let lock = Uuid::from_slice_le(received.delivery_tag())?;
        connected.held.insert(lock, info);
        let (locked_until, message) = message::read(received.into_message());
        let mut delivery = Delivery { lock_token: lock, locked_until, message, busy: self.clock.busy() };
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(delivery) {
                Ok(()) => return Ok(()),
                Err(back) => delivery = back,
            }
        }
        // Whoever wanted it has gone.
        connected.settle(lock, Outcome::Abandon).await?;
        Ok(())
    }
}

impl Connected {
    async fn settle(&mut self, lock: Uuid, outcome: Outcome) -> Result<(), SettleProblem> {
        // What came over an earlier connection cannot be settled over this one.
        let info = self.held.remove(&lock).ok_or(SettleProblem::LockLost)?;
        let settled = match outcome {
            Outcome::Complete => self.receiver.accept(info).await,
            Outcome::Abandon => {
                let modified =
                    Modified { delivery_failed: Some(true), undeliverable_here: None, message_annotations: None };
                self.receiver.modify(info, modified).await
            }
        };
        settled.map_err(|error| SettleProblem::Unreachable(error.to_string()))
    }

    async fn renew(&mut self, lock: Uuid) -> Result<DateTime<Utc>, SettleProblem> {
        self.management.call(Renew(lock)).await.map_err(renew::problem).map(|renewed| renewed.until)
    }
}

async fn connect(address: &Address) -> Result<Connected, Problem> {
    let Address { port, policy, key, entity } = address;
    let profile = SaslProfile::Plain { username: (*policy).to_owned(), password: (*key).to_owned() };
    let url = format!("amqp://127.0.0.1:{port}");
    let name = Uuid::new_v4();
    let container = format!("functions-host-{name}");
    let mut connection = Connection::builder().container_id(container).sasl_profile(profile).open(url.as_str()).await?;
    let mut session = Session::begin(&mut connection).await?;
    let receiver = Receiver::builder()
        .name(format!("messages-{name}"))
        .source(entity.to_string())
        .sender_settle_mode(SenderSettleMode::Unsettled)
        .receiver_settle_mode(ReceiverSettleMode::First)
        .credit_mode(CreditMode::Manual)
        .attach(&mut session)
        .await?;
    let management = MgmtClient::builder()
        .management_node_address(format!("{entity}/$management"))
        .client_node_addr(format!("replies-{name}"))
        .attach(&mut session)
        .await?;
    Ok(Connected { receiver, management, held: HashMap::new(), _session: session, _connection: connection })
}
