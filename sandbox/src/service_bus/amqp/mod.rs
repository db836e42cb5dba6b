//! The AMQP 1.0 interface of the broker, for the client libraries and the Functions host.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide>
//!
//! The encoding and the performatives come from `fe2o3-amqp-types` and `serde_amqp`. The protocol above them is
//! implemented here, because the acceptor of `fe2o3-amqp` differs from Service Bus: it generates its own delivery tags,
//! while Service Bus sends the lock token; it confirms a disposition before the broker can reject it, while Service Bus
//! reports a lost lock; and its rules for settling, draining and detaching cannot be changed.
//!
//! One task (`connection`) handles everything of a connection, so no locks are needed. Sessions (`session`) own links
//! (`link`), and a link belongs to a node (`node`). A link that waits for a message is a future of the broker. Dropping
//! it takes no message.

mod attach;
mod claims;
mod connection;
mod error;
mod frame;
mod link;
mod management;
mod message;
mod node;
mod request;
mod sasl;
mod sections;
mod session;
mod settle;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use self::claims::{Access, Claims};
use self::frame::Reader;
pub use self::message::Original;
use super::Broker;
use super::rest::RestOptions;
use crate::auth::TokenCheck;
use crate::network::{FaultDecider, ProtocolHandler};

/// The time-out of the authentication.
const PATIENCE: Duration = Duration::from_secs(60);

/// Service Bus over AMQP. Clones share one broker.
#[derive(Clone)]
pub struct ServiceBusAmqp {
    broker: Broker,
    access: Access,
}

impl ServiceBusAmqp {
    /// An interface for `broker`. `check` validates tokens that are not shared access signatures.
    pub fn new(broker: Broker, options: &RestOptions, check: Arc<dyn TokenCheck>) -> Self {
        let namespace = options.namespace.as_str().into();
        Self { broker, access: Access { namespace, keys: options.keys.as_slice().into(), check } }
    }

    /// The handler for a dependency's port, beside HTTP.
    pub fn protocol_handler(&self) -> ProtocolHandler {
        let service = self.clone();
        Arc::new(move |stream, faults| Box::pin(service.clone().serve(stream, faults)))
    }

    async fn serve(self, stream: TcpStream, faults: FaultDecider) {
        let (reader, mut writer) = stream.into_split();
        let mut reader = Reader::new(reader);
        let admitted = sasl::admit(&mut reader, &mut writer, &self.access.keys);
        match tokio::time::timeout(PATIENCE, admitted).await {
            Ok(Ok(Some(admission))) => {
                let claims = Claims::new(self.access.clone(), admission);
                connection::converse(self, faults, claims, reader, writer).await;
            }
            Ok(Ok(None)) => tracing::debug!("an AMQP client was rejected"),
            Ok(Err(error)) => tracing::debug!(%error, "an AMQP client disconnected before its authentication"),
            Err(_) => tracing::debug!("an AMQP client did not authenticate in time"),
        }
    }
}
