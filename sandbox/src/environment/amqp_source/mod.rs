//! Service Bus as the Functions host's source of messages, over AMQP.
//!
//! The client is `fe2o3-amqp`, an independent implementation. Like the real host's processor, it issues credit for as
//! many messages as there are waiting calls, settles with dispositions and renews locks at the management node. It does
//! not wait for the broker's answer to a disposition. A lost lock becomes visible when the message is delivered again.

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
use crate::host::{Delivery, MessageSource, SettlementError};
use crate::service_bus::EntityPath;

/// The delay before the next connection attempt.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

/// The time-out of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The broker's address and credential.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) port: u16,
    pub(super) policy: &'static str,
    pub(super) key: &'static str,
    pub(super) entity: EntityPath,
}

/// A subscription over AMQP; its connection ends when it is dropped.
pub(super) struct AmqpSource {
    commands: mpsc::UnboundedSender<Command>,
    settle_faults: SettleFaults,
    _client: JoinSet<()>,
}

enum Command {
    Receive(oneshot::Sender<Delivery>),
    Settle(Uuid, Outcome, oneshot::Sender<Result<(), SettlementError>>),
    Renew(Uuid, oneshot::Sender<Result<DateTime<Utc>, SettlementError>>),
}

#[derive(Clone, Copy)]
enum Outcome {
    Complete,
    Abandon,
    Release,
}

impl AmqpSource {
    /// Must be created inside a Tokio runtime.
    pub(super) fn new(address: Address, settle_faults: SettleFaults, clock: Clock) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let client = Client { address, clock, commands: received, waiting: VecDeque::new() };
        let mut task = JoinSet::new();
        task.spawn(client.run());
        Self { commands, settle_faults, _client: task }
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, SettlementError>>) -> Command,
    ) -> Result<T, SettlementError> {
        let (answer, answered) = oneshot::channel();
        // The client lives as long as its source. A command is not answered if its connection breaks.
        let _ = self.commands.send(command(answer));
        answered.await.unwrap_or_else(|_| Err(SettlementError::Unreachable("the connection is gone".to_owned())))
    }
}

#[async_trait]
impl MessageSource for AmqpSource {
    async fn receive(&self) -> Delivery {
        let (answer, answered) = oneshot::channel();
        let _ = self.commands.send(Command::Receive(answer));
        match answered.await {
            Ok(delivery) => delivery,
            Err(_) => std::future::pending().await,
        }
    }

    async fn complete(&self, lock_token: Uuid) -> Result<(), SettlementError> {
        if self.settle_faults.fails() {
            return Err(SettlementError::Unreachable("the link was detached".to_owned()));
        }
        self.ask(|answer| Command::Settle(lock_token, Outcome::Complete, answer)).await
    }

    async fn abandon(&self, lock_token: Uuid) -> Result<(), SettlementError> {
        self.ask(|answer| Command::Settle(lock_token, Outcome::Abandon, answer)).await
    }

    async fn renew(&self, lock_token: Uuid) -> Result<DateTime<Utc>, SettlementError> {
        self.ask(|answer| Command::Renew(lock_token, answer)).await
    }
}

/// Any error of the client library.
type ClientError = Box<dyn std::error::Error + Send + Sync>;

/// Keeps a connection open and executes commands over it.
struct Client {
    address: Address,
    clock: Clock,
    commands: mpsc::UnboundedReceiver<Command>,
    /// Calls that wait for a message. The credit is as large as this queue.
    waiting: VecDeque<oneshot::Sender<Delivery>>,
}

/// A connection with its session and links.
struct Connected {
    receiver: Receiver,
    management: MgmtClient,
    /// Messages that are received and not yet settled.
    held: HashMap<Uuid, DeliveryInfo>,
    _session: SessionHandle<()>,
    _connection: ConnectionHandle<()>,
}

impl Client {
    async fn run(mut self) {
        loop {
            let ended = match connect(&self.address).await {
                Ok(connected) => self.serve(connected).await,
                Err(error) => Err(error),
            };
            match ended {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "receiving over AMQP was interrupted"),
            }
            tokio::time::sleep(RECONNECT_DELAY).await;
        }
    }

    /// Runs until the source is dropped.
    async fn serve(&mut self, mut connected: Connected) -> Result<(), ClientError> {
        self.grant(&mut connected.receiver).await?;
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    None => return Ok(()),
                    Some(Command::Receive(answer)) => {
                        self.waiting.push_back(answer);
                        self.grant(&mut connected.receiver).await?;
                    }
                    Some(Command::Settle(lock, outcome, answer)) => {
                        let _ = answer.send(connected.settle(lock, outcome).await);
                    }
                    Some(Command::Renew(lock, answer)) => {
                        // The client library never answers a request whose connection breaks.
                        let renewed = tokio::time::timeout(REQUEST_TIMEOUT, connected.renew(lock)).await;
                        let late = renewed.is_err();
                        let unreachable = |_| Err(SettlementError::Unreachable("no answer came".to_owned()));
                        let _ = answer.send(renewed.unwrap_or_else(unreachable));
                        if late {
                            return Err("a request was not answered".into());
                        }
                    }
                },
                received = connected.receiver.recv::<Body<Value>>() => {
                    self.deliver(&mut connected, received?).await?;
                }
            }
        }
    }

    async fn grant(&mut self, receiver: &mut Receiver) -> Result<(), ClientError> {
        self.waiting.retain(|waiting| !waiting.is_closed());
        receiver.set_credit(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)).await?;
        Ok(())
    }

    async fn deliver(
        &mut self,
        connected: &mut Connected,
        received: fe2o3_amqp::Delivery<Body<Value>>,
    ) -> Result<(), ClientError> {
        let info = DeliveryInfo::from(&received);
        let lock = Uuid::from_slice_le(received.delivery_tag())?;
        connected.held.insert(lock, info);
        let (locked_until, message) = message::read(received.into_message());
        let mut delivery = Delivery { lock_token: lock, locked_until, message, hold: self.clock.hold() };
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(delivery) {
                Ok(()) => return Ok(()),
                Err(back) => delivery = back,
            }
        }
        // No call is waiting any more. The real client does not count such a delivery either.
        connected.settle(lock, Outcome::Release).await?;
        Ok(())
    }
}

impl Connected {
    async fn settle(&mut self, lock: Uuid, outcome: Outcome) -> Result<(), SettlementError> {
        // A message of an earlier connection cannot be settled over this one.
        let info = self.held.remove(&lock).ok_or(SettlementError::LockLost)?;
        let settled = match outcome {
            Outcome::Complete => self.receiver.accept(info).await,
            Outcome::Release => self.receiver.release(info).await,
            Outcome::Abandon => {
                let modified =
                    Modified { delivery_failed: Some(true), undeliverable_here: None, message_annotations: None };
                self.receiver.modify(info, modified).await
            }
        };
        settled.map_err(|error| SettlementError::Unreachable(error.to_string()))
    }

    async fn renew(&mut self, lock: Uuid) -> Result<DateTime<Utc>, SettlementError> {
        self.management.call(Renew(lock)).await.map_err(renew::settlement_error).map(|renewed| renewed.until)
    }
}

async fn connect(address: &Address) -> Result<Connected, ClientError> {
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
