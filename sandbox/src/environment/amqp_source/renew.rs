//! `com.microsoft:renew-lock`.

use chrono::{DateTime, Utc};
use fe2o3_amqp::types::messaging::{AmqpValue, Message};
use fe2o3_amqp_management::error::{Error, InvalidType, StatusError};
use fe2o3_amqp_management::request::Request;
use fe2o3_amqp_management::response::Response;
use serde_amqp::primitives::{Array, OrderedMap, Timestamp, Uuid as AmqpUuid};
use uuid::Uuid;

use crate::host::SettlementError;

/// Renews one lock.
pub(super) struct Renew(pub(super) Uuid);

/// The renewed lock.
pub(super) struct Renewed {
    pub(super) until: DateTime<Utc>,
}

impl Request for Renew {
    const OPERATION: &'static str = "com.microsoft:renew-lock";
    type Response = Renewed;
    type Body = AmqpValue<OrderedMap<String, Array<AmqpUuid>>>;

    fn encode_body(self) -> Self::Body {
        let mut body = OrderedMap::new();
        body.insert("lock-tokens".to_owned(), Array(vec![AmqpUuid::from(self.0.into_bytes())]));
        AmqpValue(body)
    }
}

impl Response for Renewed {
    const STATUS_CODE: u16 = 200;
    type Body = AmqpValue<OrderedMap<String, Array<Timestamp>>>;
    type Error = Error;

    fn decode_message(message: Message<Self::Body>) -> Result<Self, Error> {
        let expirations = message.body.0.get("expirations").and_then(|times| times.0.first().cloned());
        let until = expirations.and_then(|time| DateTime::from_timestamp_millis(time.milliseconds()));
        let missing = || InvalidType { expected: "expirations".to_owned(), actual: "nothing".to_owned() };
        until.map(|until| Self { until }).ok_or_else(|| missing().into())
    }
}

/// Service Bus answers 410 for a lost lock.
pub(super) fn settlement_error(error: Error) -> SettlementError {
    match error {
        Error::Status(StatusError { code, .. }) if code.0.get() == 410 => SettlementError::LockLost,
        error => SettlementError::Unreachable(error.to_string()),
    }
}
