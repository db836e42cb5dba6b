//! Redrives messages of the dead-letter queue.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, error, retry_later};
use super::request::operator_options;
use crate::clients::bus::{BusError, DeadLetter};
use crate::events::{EventId, Message, Reason, ReasonCode, Record};
use crate::functions::Services;
use crate::functions::reread::reread;
use crate::functions::start_journeys::{Force, start_journeys};
use crate::telemetry::{LogEvent, invocation};

/// Dead letters per request. Each is locked until the request ends.
pub(super) const MAX_DEAD_LETTERS: usize = 100;

/// After this time no further dead letter is received. Azure ends an HTTP request after 230 seconds.
const TIME_BUDGET: Duration = Duration::from_secs(150);

/// Locks older than this are renewed. A lock lasts a minute by default.
const RENEW_AFTER: Duration = Duration::from_secs(15);

/// Processes messages of the dead-letter queue again. Successful ones are removed from the queue. The others stay on it, and
/// their records contain the reason.
///
/// Whatever happens, all messages are released and the answer lists what was done.
pub(super) async fn redrive(services: &Services, max: usize, force: Force) -> Answer {
    let mut redrive = Redrive { services, force, taken: Vec::new() };
    let interrupted = redrive.collect(max).await.err();
    redrive.release().await;
    redrive.answer(interrupted)
}

/// The messages of one request.
struct Redrive<'a> {
    services: &'a Services,
    force: Force,
    taken: Vec<Taken>,
}

/// A message that was taken from the queue.
struct Taken {
    letter: DeadLetter,
    locked_at: DateTime<Utc>,
    /// The event, or why it has failed again.
    result: Result<EventId, Value>,
    /// Whether the queue still contains it.
    on_queue: bool,
}

impl Redrive<'_> {
    /// Takes and processes messages. An error ends it early.
    async fn collect(&mut self, max: usize) -> Result<(), Answer> {
        let stop_at = self.services.clock.now() + TIME_BUDGET;
        let mut received = 0;
        while self.taken.len() < max {
            // Locks that expire at once would otherwise repeat this for ever.
            if self.services.clock.now() >= stop_at || received >= 2 * max {
                return Err(out_of_time());
            }
            self.renew_locks().await;
            let Some(letter) = self.services.bus.next_dead_letter().await.map_err(|error| unavailable(&error))? else {
                break;
            };
            received += 1;
            let locked_at = self.services.clock.now();
            match self.taken.iter_mut().find(|taken| letter.is_same_as(&taken.letter)) {
                // Its lock has expired, so it is received again. It is not processed again.
                Some(taken) => (taken.letter, taken.locked_at) = (letter, locked_at),
                None => {
                    let result = redrive_one(self.services, &letter.body(), self.force).await;
                    let result = result.map(|record| record.id().clone());
                    self.taken.push(Taken { letter, locked_at, result, on_queue: true });
                }
            }
            self.remove_successful().await;
        }
        Ok(())
    }

    /// Removes the message of a successful event. If that fails, it is received again when its lock expires, now or by the
    /// next redrive.
    async fn remove_successful(&mut self) {
        for taken in self.taken.iter_mut().filter(|taken| taken.on_queue) {
            let Ok(id) = &taken.result else { continue };
            match taken.letter.complete().await {
                Ok(()) => taken.on_queue = false,
                Err(error) => log_not_settled(Some(id), &error),
            }
        }
    }

    /// Keeps the locks of failed messages. A message without a lock would be received again.
    async fn renew_locks(&mut self) {
        let now = self.services.clock.now();
        let old = self.taken.iter_mut().filter(|taken| taken.on_queue && now >= taken.locked_at + RENEW_AFTER);
        join_all(old.map(|taken| async move {
            match taken.letter.renew().await {
                Ok(()) => taken.locked_at = now,
                Err(error) => log_not_settled(taken.result.as_ref().ok(), &error),
            }
        }))
        .await;
    }

    /// Unlocks failed messages. At the end, because a released message would be received again at once.
    async fn release(&self) {
        let kept = self.taken.iter().filter(|taken| taken.on_queue);
        join_all(kept.map(|taken| async {
            if let Err(error) = taken.letter.release().await {
                log_not_settled(taken.result.as_ref().ok(), &error);
            }
        }))
        .await;
    }

    /// Lists what was done, and the error that ended it early.
    fn answer(self, interrupted: Option<Answer>) -> Answer {
        let taken = self.taken.len();
        let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
        for taken in self.taken {
            match taken.result {
                Ok(id) => succeeded.push(id),
                Err(reason) => failed.push(reason),
            }
        }
        invocation::record(|facts| facts.dead_letters = Some(taken));
        let status = if failed.is_empty() { 200 } else { 422 };
        let mut answer = interrupted.unwrap_or(Answer { status, body: json!({}), retry_after: None });
        answer.body["taken"] = json!(taken);
        answer.body["succeeded"] = json!(succeeded);
        answer.body["failed"] = json!(failed);
        answer
    }
}

fn unavailable(error: &BusError) -> Answer {
    retry_later(&Reason::new(ReasonCode::ServiceBusUnavailable, error.to_string()), None)
}

fn out_of_time() -> Answer {
    let message =
        "the redrive was ended before the queue was empty, because it takes too long; send it again for the rest";
    Answer { retry_after: Some(Duration::from_secs(1)), ..error(503, "timeBudgetExhausted", message) }
}

fn log_not_settled(id: Option<&EventId>, error: &BusError) {
    LogEvent::DeadLetterNotSettled { event_id: id.map(EventId::as_str), detail: &error.to_string() }.log();
}

async fn redrive_one(services: &Services, body: &str, force: Force) -> Result<Record, Value> {
    let failed = |event: Option<EventId>, reason: Reason| json!({"eventId": event, "reason": reason});
    let message = Message::decode(body.as_bytes())
        .map_err(|error| failed(None, Reason::new(ReasonCode::MalformedEvent, error.to_string())))?;
    let id = message.event.id();
    let message = with_details(services, message).await.map_err(|reason| failed(Some(id.clone()), reason))?;
    start_journeys(services, &message, &operator_options(force))
        .await
        .map_err(|error| failed(Some(id), error.into_reason()))
}

/// Adds what a message needs and was dead-lettered without, if it exists now.
async fn with_details(services: &Services, message: Message) -> Result<Message, Reason> {
    let kind = services.journeys.event_type(&message.event.event_type);
    let has_order = message.order.is_some() || !kind.needs_details();
    let has_customer = message.customer.is_some() || !kind.needs_customer();
    if has_order && has_customer {
        return Ok(message);
    }
    let now = services.clock.now();
    reread(services, &Record::new(message.event, Uuid::nil(), now, now), true).await.map_err(|error| error.reason)
}
