//! A message as received: `OrderDetails`, `CustomerDetails`, `EventDetails`, each an object or `null`.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{CommerceEvent, MalformedEvent};
use crate::json::{JsonError, read_json};

/// A message as received.
#[derive(Clone, Debug)]
pub struct Message {
    /// The order, or the cart of an `AddCartLines`. `None` if the event has none.
    pub order: Option<Box<RawValue>>,
    /// The customer. `None` for guests.
    pub customer: Option<Box<RawValue>>,
    /// The text of the event, for the JSON pointers of journeys.
    pub event_text: Box<RawValue>,
    /// The parsed event.
    pub event: CommerceEvent,
}

/// Why a message body cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is not JSON, or does not have the expected shape.
    #[error("the message body does not have the expected format: {0}")]
    Shape(JsonError),
    /// Its event is malformed.
    #[error("the message's EventDetails cannot be used: {0}")]
    Event(#[from] MalformedEvent),
}

#[derive(Deserialize)]
struct Received {
    #[serde(rename = "OrderDetails", default)]
    order: Option<Box<RawValue>>,
    #[serde(rename = "CustomerDetails", default)]
    customer: Option<Box<RawValue>>,
    #[serde(rename = "EventDetails")]
    event: Box<RawValue>,
}

impl Message {
    /// Decodes a message that is an object, or the text of one: tools for Service Bus copy bodies as text.
    pub fn decode_value(value: &RawValue) -> Result<Self, MessageError> {
        match serde_json::from_str::<String>(value.get()) {
            Ok(text) => Self::decode(text.as_bytes()),
            Err(_) => Self::decode(value.get().as_bytes()),
        }
    }

    /// Decodes a body. Additional fields are ignored.
    pub fn decode(body: &[u8]) -> Result<Self, MessageError> {
        let Received { order, customer, event: event_text } = read_json(body).map_err(MessageError::Shape)?;
        let event: CommerceEvent = read_json(event_text.get().as_bytes()).map_err(MessageError::Shape)?;
        event.validate()?;
        Ok(Self { order, customer, event_text, event })
    }

    /// The message of an event without its order and customer.
    pub fn without_details(event: CommerceEvent) -> Self {
        let event_text = serde_json::value::to_raw_value(&event).unwrap_or_default();
        Self { order: None, customer: None, event_text, event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_foreign_message_does_not_quote_it() {
        let error = Message::decode(br#"{"EventDetails":{"EventTransactionId":["ann@example.com"]}}"#).unwrap_err();
        assert!(!error.to_string().contains("ann@"), "{error}");
        assert!(matches!(Message::decode(b"{\"hello\":1}"), Err(MessageError::Shape(_))));
        assert!(matches!(Message::decode(b"\xff\xfe"), Err(MessageError::Shape(_))));
    }
}
