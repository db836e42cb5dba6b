//! The AMQP 1.0 face of the broker, as the client libraries and the Functions host use it.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide>
//!
//! Encoding and the shapes of performatives come from `fe2o3-amqp-types` and `serde_amqp`. What is above them is ours:
//! the acceptor of `fe2o3-amqp` makes up delivery tags itself, where Service Bus sends the lock token; it answers a
//! receiver's disposition before anybody could refuse it, where Service Bus says that the lock is lost; and it settles,
//! drains and detaches by rules that cannot be changed from outside.
//!
//! Everything of one connection happens in one task (`connection`), so that nothing here needs a lock: sessions
//! (`session`) own links (`link`), which lead to nodes (`node`). A link that waits for a message is a future of
//! the broker's among others; dropped, it takes no message with it.

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

/// How long a client may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(60);

/// Service Bus over AMQP. A cheap handle.
#[derive(Clone)]
pub struct ServiceBusAmqp {
    broker: Broker,
    access: Access,
}

impl ServiceBusAmqp {
    /// A face for `broker`; `check` judges tokens that are not shared access signatures.
    pub fn new(broker: Broker, options: &RestOptions, check: Arc<dyn TokenCheck>) -> Self {
        let namespace = options.namespace.as_str().into();
        Self { broker, access: Access { namespace, keys: options.keys.as_slice().into(), check } }
    }

    /// The means to serve it on a dependency's port, beside HTTP.
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
            Ok(Ok(None)) => tracing::debug!("an AMQP client was not let in"),
            Ok(Err(problem)) => tracing::debug!(%problem, "an AMQP client went away before it was let in"),
            Err(_) => tracing::debug!("an AMQP client did not say who it is"),
        }
    }
}
