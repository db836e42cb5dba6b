//! Reads the data of a recorded event again.

use super::Services;
use super::enrich::{CustomerCache, EnrichError, enrich};
use crate::events::{Message, OutgoingMessage, Reason, ReasonCode, Record};

/// An event with its data as they are now.
pub(super) struct Reread {
    /// The message with the order or cart and the customer.
    pub(super) message: Message,
    /// What it has to do without.
    pub(super) note: Option<Reason>,
}

impl Reread {
    /// A message that lacks nothing.
    pub(super) fn complete(message: Message) -> Self {
        Self { message, note: None }
    }
}

/// Reads the order or cart and the customer of an event.
pub(super) async fn reread(services: &Services, record: &Record, may_wait: bool) -> Result<Reread, EnrichError> {
    let malformed = |detail: String| EnrichError::permanent(ReasonCode::MalformedEvent, detail);
    record.event().validate().map_err(|error| malformed(error.to_string()))?;
    let enriched = enrich(services.source(&CustomerCache::default()), record.event(), may_wait).await?;
    let (order, customer) = (enriched.order.as_ref().map(|order| &order.text), enriched.customer.as_deref());
    let body = OutgoingMessage::compose(record, order, customer, |message| Some(message.body)).unwrap_or_default();
    let message = Message::decode(body.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    Ok(Reread { message, note: enriched.note })
}
