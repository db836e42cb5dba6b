//! The Service Bus namespace of the environment.

use super::{MINUTE, SAS, SUBSCRIPTION, TOPIC};
use crate::clock::Clock;
use crate::service_bus::rest::{RestOptions, SasKey};
use crate::service_bus::{Broker, CreateError, SubscriptionOptions, TopicOptions};

/// The topic and its subscription.
pub(super) fn broker(clock: &Clock) -> Result<Broker, CreateError> {
    let broker = Broker::new(clock.clone());
    broker.create_topic(TopicOptions { duplicate_detection_window: Some(10 * MINUTE), ..TopicOptions::new(TOPIC) })?;
    broker.create_subscription(
        TOPIC,
        SubscriptionOptions {
            lock_duration: MINUTE,
            max_delivery_count: 10,
            dead_letter_on_expiry: true,
            ..SubscriptionOptions::new(SUBSCRIPTION)
        },
    )?;
    Ok(broker)
}

/// The namespace as its REST API shows it.
pub(super) fn rest_options() -> RestOptions {
    RestOptions {
        namespace: "sandbox.servicebus.windows.net".to_owned(),
        keys: vec![SasKey { name: SAS.0.to_owned(), key: SAS.1.to_owned() }],
        strict_properties: true,
    }
}
