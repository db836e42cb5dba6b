//! Redrives messages of the dead-letter queue.

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, retry_later};
use super::message_of;
use super::request::operator_options;
use crate::events::{EventId, Message, Reason, ReasonCode, Record};
use crate::functions::Services;
use crate::functions::enrich::needs_order;
use crate::functions::start_journeys::{Force, start_journeys};
use crate::telemetry::{LogEvent, invocation};

/// Dead letters per request. Each is locked until the request ends.
pub(super) const MAX_DEAD_LETTERS: usize = 100;

/// Processes messages of the dead-letter queue again. Successful ones are removed from the queue. The others stay on it, and
/// their records contain the reason.
pub(super) async fn redrive(services: &Services, max: usize, force: Force) -> Result<Answer, Answer> {
    let mut to_release = Vec::new();
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    while succeeded.len() + failed.len() < max {
        let next = services.bus.next_dead_letter().await;
        let next = next
            .map_err(|error| retry_later(&Reason::new(ReasonCode::ServiceBusUnavailable, error.to_string()), None))?;
        let Some(dead_letter) = next else { break };
        match redrive_one(services, &dead_letter.body(), force).await {
            Ok(record) => {
                if let Err(error) = dead_letter.complete().await {
                    // The event is completed. The next redrive removes the message.
                    log_not_settled(Some(record.id()), &error.to_string());
                }
                succeeded.push(record.id().clone());
            }
            Err(reason) => {
                failed.push(reason);
                // Released at the end, because a released message would be received again at once.
                to_release.push(dead_letter);
            }
        }
    }
    for dead_letter in &to_release {
        if let Err(error) = dead_letter.release().await {
            log_not_settled(None, &error.to_string());
        }
    }
    let (status, taken) = (if failed.is_empty() { 200 } else { 422 }, succeeded.len() + failed.len());
    invocation::record(|facts| facts.dead_letters = Some(taken));
    let body = json!({"taken": taken, "succeeded": succeeded, "failed": failed});
    Ok(Answer { status, body, retry_after: None })
}

fn log_not_settled(id: Option<&EventId>, detail: &str) {
    LogEvent::DeadLetterNotSettled { event_id: id.map(EventId::as_str), detail }.log();
}

async fn redrive_one(services: &Services, body: &str, force: Force) -> Result<Record, Value> {
    let failed = |event: Option<EventId>, reason: Reason| json!({"eventId": event, "reason": reason});
    let message = Message::decode(body.as_bytes())
        .map_err(|error| failed(None, Reason::new(ReasonCode::MalformedEvent, error.to_string())))?;
    let id = message.event.id();
    let message = with_order(services, message).await.map_err(|reason| failed(Some(id.clone()), reason))?;
    start_journeys(services, &message, &operator_options(force))
        .await
        .map_err(|error| failed(Some(id), error.into_reason()))
}

/// Adds the order to a message that was dead-lettered without it, if the order exists now.
async fn with_order(services: &Services, message: Message) -> Result<Message, Reason> {
    if message.order.is_some() || !needs_order(&message.event) {
        return Ok(message);
    }
    let now = services.clock.now();
    message_of(services, &Record::new(message.event, Uuid::nil(), now, now)).await.map_err(|error| error.reason)
}
