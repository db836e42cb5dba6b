//! A Service Bus of the sandbox on its own port.

use std::sync::Arc;
use std::time::Duration;

use sandbox::auth::{TokenCheck, TokenError, token};
use sandbox::clock::Clock;
use sandbox::network::{Dependency, Network, NoFaults, Served};
use sandbox::service_bus::amqp::ServiceBusAmqp;
use sandbox::service_bus::rest::{RestOptions, SasKey, ServiceBusRest};
use sandbox::service_bus::{Broker, EntityPath, SubscriptionOptions, TopicOptions};

/// The one valid Entra token.
pub(crate) const TOKEN: &str = "sandbox.test.token";

struct OneToken;

impl TokenCheck for OneToken {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenError> {
        if token(authorization)? == TOKEN { Ok(()) } else { Err(TokenError::Forged) }
    }
}

/// Served until dropped.
pub(crate) struct Bus {
    pub(crate) broker: Broker,
    pub(crate) served: Served,
    pub(crate) connection_string: String,
}

impl Bus {
    /// Must be called inside a Tokio runtime.
    pub(crate) async fn start(port: Option<u16>) -> Self {
        let broker = Broker::new(Clock::real());
        broker.create_topic(TopicOptions::new("orders")).unwrap();
        for (name, lock_seconds) in [("all", 60), ("brief", 2)] {
            let options = SubscriptionOptions {
                lock_duration: Duration::from_secs(lock_seconds),
                max_delivery_count: 3,
                ..SubscriptionOptions::new(name)
            };
            broker.create_subscription("orders", options).unwrap();
        }
        let key = SasKey { name: "RootManageSharedAccessKey".to_owned(), key: "c2FuZGJveC1rZXk=".to_owned() };
        let namespace = "sandbox.servicebus.windows.net".to_owned();
        let options = RestOptions { namespace, keys: vec![key], strict_properties: true };
        let amqp = ServiceBusAmqp::new(broker.clone(), &options, Arc::new(OneToken));
        let rest = ServiceBusRest::new(broker.clone(), options, Arc::new(OneToken));
        let listener = Network::bind(port).await.unwrap();
        let network = Network::new(NoFaults::default());
        let served = network
            .serve_with_protocol(Dependency::ServiceBus, rest.router(), Some(amqp.protocol_handler()), listener)
            .unwrap();
        let connection_string = rest.connection_string(served.port()).unwrap();
        Self { broker, served, connection_string }
    }

    /// Removes all messages.
    pub(crate) fn purge(&self) {
        for subscription in ["all", "brief"] {
            let entity = EntityPath::new("orders", subscription);
            self.broker.purge(&entity).unwrap();
            self.broker.purge(&entity.dead_letters()).unwrap();
        }
    }
}
