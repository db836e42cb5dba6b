//! Removes the dead letter of one event.

use super::letters::{Interrupted, Letters};
use crate::events::{EventId, Message};
use crate::functions::Services;
use crate::telemetry::LogEvent;

/// Dead letters among which the event's is looked for. Each is locked until the request ends.
const MOST_SEARCHED: usize = 500;

/// What became of the dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is removed from the queue.
    Removed,
    /// The queue does not contain it.
    NotFound,
    /// It is not among the first messages of a long queue. The next redrive removes it.
    NotReached,
    /// Service Bus did not answer. The next redrive removes it.
    Unavailable,
}

impl Removal {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::NotFound => "notFound",
            Self::NotReached => "notReached",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Removes the dead letter of the event. Service Bus cannot receive a message by its id, so the others are locked until it is
/// found, and released then.
pub(super) async fn remove_dead_letter(services: &Services, event: &EventId) -> Removal {
    let mut letters = Letters::new(services);
    let removal = remove(&mut letters, event, MOST_SEARCHED).await;
    let letters = letters.release().await;
    match removal {
        Ok(removal) if letters.iter().all(|(is_event, on_queue)| !(*is_event && *on_queue)) => removal,
        // Its removal has failed.
        Ok(_) => Removal::Unavailable,
        Err(Interrupted::OutOfTime) => Removal::NotReached,
        Err(Interrupted::Unavailable(error)) => {
            LogEvent::DeadLetterNotSettled { event_id: Some(event.as_str()), detail: &error.to_string() }.log();
            Removal::Unavailable
        }
    }
}

/// Takes letters until the event's is among them. The result of each is whether it is the event's.
async fn remove(letters: &mut Letters<'_, bool>, event: &EventId, max: usize) -> Result<Removal, Interrupted> {
    for _ in 0..max {
        let Some(letter) = letters.next(max).await? else { return Ok(Removal::NotFound) };
        let is_event = Message::decode(letter.body().as_bytes()).is_ok_and(|message| message.event.id() == *event);
        letters.keep(letter, Some(event.clone()).filter(|_| is_event), is_event, is_event).await;
        if is_event {
            return Ok(Removal::Removed);
        }
    }
    Ok(Removal::NotReached)
}
