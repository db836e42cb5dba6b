//! The broker as a message source of the Functions host.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::amqp_source::{Address, AmqpSource};
use super::{Environment, SAS};
use crate::host::{Connection, Delivery, Entity, Message, MessageSource, ServiceBusTrigger, SettlementError, Sources};
use crate::network::Dependency;
use crate::service_bus::{self, Broker, EntityPath, Property, SettleError};

/// How the Functions host receives messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deliver {
    /// Directly from the broker in this process. Works in simulated time.
    #[default]
    InProcess,
    /// Over AMQP, like the real host. Works in real time only.
    Amqp,
}

/// A subscription that can be read while Service Bus is on the network.
#[derive(Clone)]
pub struct BrokerSource {
    broker: Broker,
    entity: EntityPath,
    reachable: watch::Receiver<bool>,
    settle_faults: SettleFaults,
}

/// The rate at which completing a message fails. A failed completion never reaches the broker, so the message is
/// delivered again after its lock expires. Clones share the rate.
#[derive(Clone, Default)]
pub struct SettleFaults(Arc<Mutex<Option<(f64, StdRng)>>>);

impl SettleFaults {
    /// From now on this share of the completions fails.
    pub fn set_failing(&self, share: f64, seed: u64) {
        *self.lock() = (share > 0.0).then(|| (share.min(1.0), StdRng::seed_from_u64(seed)));
    }

    pub(super) fn fails(&self) -> bool {
        self.lock().as_mut().is_some_and(|(share, rng)| rng.random_bool(*share))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(f64, StdRng)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment {
    /// The message sources of the Functions host.
    pub fn sources(&self) -> Box<Sources> {
        let broker = self.broker().clone();
        let reachable = self.served(Dependency::ServiceBus).reachability();
        let connection = self.connection_string.clone();
        let settle_faults = self.settle_faults().clone();
        let (deliver, port) = (self.deliver, self.served(Dependency::ServiceBus).port());
        Box::new(move |trigger| {
            let entity = entity(trigger, &connection, &broker)?;
            if deliver == Deliver::Amqp {
                let (policy, key) = SAS;
                let address = Address { port, policy, key, entity };
                return Ok(Arc::new(AmqpSource::new(address, settle_faults.clone(), broker.clock().clone())));
            }
            let (broker, reachable, settle_faults) = (broker.clone(), reachable.clone(), settle_faults.clone());
            Ok(Arc::new(BrokerSource { broker, entity, reachable, settle_faults }))
        })
    }
}

fn entity(trigger: &ServiceBusTrigger, connection: &str, broker: &Broker) -> Result<EntityPath, String> {
    if !matches!(&trigger.connection, Connection::String(text) if text == connection) {
        return Err("its connection is not the sandbox's Service Bus".to_owned());
    }
    let Entity::Subscription { topic, subscription } = &trigger.entity else {
        return Err("the sandbox's Service Bus has no queues".to_owned());
    };
    let entity = EntityPath::new(topic, subscription);
    if !broker.exists(&entity) {
        return Err(format!("there is no subscription {entity}"));
    }
    Ok(entity)
}

impl BrokerSource {
    /// Waits until Service Bus is reachable (or unreachable).
    async fn until_reachable(&self, wanted: bool) {
        if self.reachable.clone().wait_for(|reachable| *reachable == wanted).await.is_err() {
            std::future::pending().await
        }
    }

    fn connected(&self) -> Result<&Broker, SettlementError> {
        if *self.reachable.borrow() {
            Ok(&self.broker)
        } else {
            Err(SettlementError::Unreachable("connection refused".to_owned()))
        }
    }
}

#[async_trait]
impl MessageSource for BrokerSource {
    async fn receive(&self) -> Delivery {
        loop {
            self.until_reachable(true).await;
            tokio::select! {
                received = self.broker.receive(&self.entity) => match received {
                    Ok(delivery) => return host_delivery(delivery),
                    Err(error) => {
                        tracing::error!(%error, entity = %self.entity, "messages can no longer be received");
                        std::future::pending().await
                    }
                },
                () = self.until_reachable(false) => {}
            }
        }
    }

    async fn complete(&self, lock_token: Uuid) -> Result<(), SettlementError> {
        let broker = self.connected()?;
        if self.settle_faults.fails() {
            return Err(SettlementError::Unreachable("the link was detached".to_owned()));
        }
        broker.complete(lock_token).map_err(settlement_error)
    }

    async fn abandon(&self, lock_token: Uuid) -> Result<(), SettlementError> {
        self.connected()?.abandon(lock_token).map_err(settlement_error)
    }

    async fn renew(&self, lock_token: Uuid) -> Result<DateTime<Utc>, SettlementError> {
        self.connected()?.renew(lock_token).map_err(settlement_error)
    }
}

fn settlement_error(error: SettleError) -> SettlementError {
    match error {
        SettleError::LockLost => SettlementError::LockLost,
        // Only possible for dead letters, which the host does not receive.
        SettleError::AlreadyDead => SettlementError::Unreachable(error.to_string()),
    }
}

fn host_delivery(delivery: service_bus::Delivery) -> Delivery {
    let service_bus::Delivery { lock_token, locked_until, message, hold } = delivery;
    let expires_at = message.expires_at();
    let content = &message.content;
    let message = Message {
        sequence_number: message.sequence_number,
        message_id: Some(message.message_id.clone()),
        body: content.body.clone(),
        content_type: content.content_type.clone(),
        correlation_id: content.correlation_id.clone(),
        subject: content.subject.clone(),
        to: content.to.clone(),
        reply_to: content.reply_to.clone(),
        reply_to_session_id: None,
        session_id: content.session_id.clone(),
        partition_key: content.partition_key.clone(),
        enqueued_time: message.enqueued_time,
        expires_at,
        delivery_count: message.delivery_count,
        dead_letter_source: None,
        application_properties: properties(&message),
    };
    Delivery { lock_token, locked_until, message, hold }
}

fn properties(message: &service_bus::Message) -> BTreeMap<String, Value> {
    let value = |property: &Property| match property {
        Property::Text(text) => Value::from(text.as_str()),
        Property::Integer(number) => Value::from(*number),
        Property::Double(number) => Value::from(*number),
        Property::Bool(truth) => Value::from(*truth),
    };
    message.properties().map(|(name, property)| (name.clone(), value(property))).collect()
}
