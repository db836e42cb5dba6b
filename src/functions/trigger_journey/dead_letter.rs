//! Removes the dead letter of one event.

use super::redrive::MAX_DEAD_LETTERS;
use crate::clients::bus::{BusError, DeadLetter};
use crate::events::{EventId, Message};
use crate::functions::Services;
use crate::telemetry::LogEvent;

/// What became of the dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is removed from the queue.
    Removed,
    /// It is not among the first messages of the queue. The next redrive removes it.
    NotFound,
    /// Service Bus did not answer. The next redrive removes it.
    Unavailable,
}

impl Removal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::NotFound => "notFound",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Removes the dead letter of the event, if it is among the first [`MAX_DEAD_LETTERS`] of the queue. Service Bus cannot
/// receive a message by its id, so the others are locked until it is found, and released then.
pub(super) async fn remove_dead_letter(services: &Services, event: &EventId) -> Removal {
    let mut others = Vec::new();
    let removal = match find(services, event, &mut others).await {
        Ok(Some(dead_letter)) => dead_letter.complete().await.map(|()| Removal::Removed),
        Ok(None) => Ok(Removal::NotFound),
        Err(error) => Err(error),
    };
    for other in others {
        if let Err(error) = other.release().await {
            LogEvent::DeadLetterNotSettled { event_id: None, detail: &error.to_string() }.log();
        }
    }
    removal.unwrap_or_else(|error| {
        LogEvent::DeadLetterNotSettled { event_id: Some(event.as_str()), detail: &error.to_string() }.log();
        Removal::Unavailable
    })
}

async fn find(
    services: &Services,
    event: &EventId,
    others: &mut Vec<DeadLetter>,
) -> Result<Option<DeadLetter>, BusError> {
    while others.len() < MAX_DEAD_LETTERS {
        let Some(next) = services.bus.next_dead_letter().await? else { break };
        if Message::decode(next.body().as_bytes()).is_ok_and(|message| message.event.id() == *event) {
            return Ok(Some(next));
        }
        others.push(next);
    }
    Ok(None)
}
