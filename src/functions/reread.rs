//! Reads the data of a recorded event again.

use super::Services;
use super::enrich::{CustomerCache, EnrichError, enrich};
use crate::events::{Message, OutgoingMessage, ReasonCode, Record};

/// The message of an event with its order or cart and its customer as they are now.
pub(super) async fn reread(services: &Services, record: &Record, may_wait: bool) -> Result<Message, EnrichError> {
    let malformed = |detail: String| EnrichError::permanent(ReasonCode::MalformedEvent, detail);
    record.event().validate().map_err(|error| malformed(error.to_string()))?;
    let enriched = enrich(services.source(&CustomerCache::default()), record.event(), may_wait).await?;
    let composed = OutgoingMessage::compose(record, enriched.order.as_deref(), enriched.customer.as_deref(), |_| true);
    let body = composed.map(|message| message.body).unwrap_or_default();
    Message::decode(body.as_bytes()).map_err(|error| malformed(error.to_string()))
}
