//! Redrives messages of the dead-letter queue.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, error, retry_later};
use super::letters::{Interrupted, Letters};
use super::request::operator_options;
use crate::events::{EventId, Message, Reason, ReasonCode, Record};
use crate::functions::Services;
use crate::functions::reread::{Reread, reread};
use crate::functions::start_journeys::{Force, StartOptions, start_journeys};
use crate::telemetry::invocation;

/// Dead letters per request. Each is locked until the request ends.
pub(super) const MAX_DEAD_LETTERS: usize = 100;

/// The event of a dead letter, or why it has failed again.
type Redriven = Result<EventId, Value>;

/// Processes messages of the dead-letter queue again. Successful ones are removed from the queue. The others stay on it, and
/// their records contain the reason.
///
/// Whatever happens, all messages are released and the answer lists what was done.
pub(super) async fn redrive(services: &Services, max: usize, force: Force) -> Answer {
    let mut letters = Letters::new(services);
    let interrupted = redrive_all(services, &mut letters, max, force).await.err();
    answer(letters.release().await.into_iter().map(|(result, _)| result).collect(), interrupted)
}

/// Takes and processes messages. An error ends it early.
async fn redrive_all(
    services: &Services,
    letters: &mut Letters<'_, Redriven>,
    max: usize,
    force: Force,
) -> Result<(), Interrupted> {
    while let Some(letter) = letters.next(max).await? {
        let result = redrive_one(services, &letter.body(), force).await.map(|record| record.id().clone());
        let (event, is_done) = (result.as_ref().ok().cloned(), result.is_ok());
        letters.keep(letter, event, result, is_done).await;
    }
    Ok(())
}

/// Lists what was done, and the error that ended it early.
fn answer(redriven: Vec<Redriven>, interrupted: Option<Interrupted>) -> Answer {
    let taken = redriven.len();
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    for result in redriven {
        match result {
            Ok(id) => succeeded.push(id),
            Err(reason) => failed.push(reason),
        }
    }
    invocation::record(|facts| facts.dead_letters = Some(taken));
    let status = if failed.is_empty() { 200 } else { 422 };
    let complete = Answer { status, body: json!({}), retry_after: None };
    let mut answer = interrupted.map_or(complete, not_finished);
    answer.body["taken"] = json!(taken);
    answer.body["succeeded"] = json!(succeeded);
    answer.body["failed"] = json!(failed);
    answer
}

fn not_finished(interrupted: Interrupted) -> Answer {
    let message =
        "the redrive was ended before the queue was empty, because it takes too long; send it again for the rest";
    match interrupted {
        Interrupted::Unavailable(error) => {
            retry_later(&Reason::new(ReasonCode::ServiceBusUnavailable, error.to_string()), None)
        }
        Interrupted::OutOfTime => {
            Answer { retry_after: Some(Duration::from_secs(1)), ..error(503, "timeBudgetExhausted", message) }
        }
    }
}

async fn redrive_one(services: &Services, body: &str, force: Force) -> Result<Record, Value> {
    let failed = |event: Option<EventId>, reason: Reason| json!({"eventId": event, "reason": reason});
    let message = Message::decode(body.as_bytes())
        .map_err(|error| failed(None, Reason::new(ReasonCode::MalformedEvent, error.to_string())))?;
    let id = message.event.id();
    let Reread { message, note } =
        with_details(services, message).await.map_err(|reason| failed(Some(id.clone()), reason))?;
    let options = StartOptions { note, ..operator_options(force) };
    start_journeys(services, &message, &options).await.map_err(|error| failed(Some(id), error.into_reason()))
}

/// Adds what a message needs and was dead-lettered without, if it exists now.
async fn with_details(services: &Services, message: Message) -> Result<Reread, Reason> {
    let kind = services.journeys.event_type(&message.event.event_type);
    let has_order = message.order.is_some() || !kind.needs_details();
    let has_customer = message.customer.is_some() || !kind.needs_customer();
    if has_order && has_customer {
        return Ok(Reread::complete(message));
    }
    let now = services.clock.now();
    reread(services, &Record::new(message.event, Uuid::nil(), now, now), true).await.map_err(|error| error.reason)
}
