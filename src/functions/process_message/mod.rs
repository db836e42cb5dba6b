//! `process-message`: starts the journeys of a delivered message.

mod reschedule;
mod wait;

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Services;
use super::event_log::{record_event, traced};
use super::on_heap::on_heap;
use super::start_error::StartError;
use super::start_journeys::{StartOptions, start_journeys};
use crate::clients::store::StoreError;
use crate::events::{Message, Reason, ReasonCode, Record, RetryHistory, Status};
use crate::telemetry::{LogEvent, invocation, traces};
use reschedule::{Reschedule, record_failure, reschedule};
use wait::wait_until;

/// A message as the Functions host delivers it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The body.
    pub body: Vec<u8>,
    /// How many times Service Bus has delivered it, including this time.
    pub delivery_count: u32,
    /// When it became available in the subscription, in whole seconds.
    pub enqueued_at: Option<DateTime<Utc>>,
    /// The earlier attempts of a rescheduled message.
    pub history: RetryHistory,
}

/// The outcome of a delivery. It decides what the handler reports to the host.
#[derive(Debug)]
pub enum DeliveryOutcome {
    /// The event is completed, and so is the message.
    Completed,
    /// Journeys are due later. A scheduled message will be delivered then. This message is completed.
    Scheduled,
    /// A rescheduled message will be delivered later. This message is completed.
    Rescheduled(Reason),
    /// The event has failed permanently. A custom handler cannot dead-letter a message, so it reports a failure. Service Bus
    /// delivers the message again, which costs one read each time, until it moves it to the dead-letter queue.
    Rejected(Reason),
    /// Neither the event nor its retry could be processed. Service Bus delivers the message again.
    Abandoned(Reason),
}

/// Attempts within one delivery. The host renews the lock for five minutes.
const MAX_ATTEMPTS: u32 = 3;

/// Rescheduled messages after which a contact is used although its missing number or address cannot be written. It takes
/// about two minutes to get there.
const UPDATE_ATTEMPTS: u32 = 3;

/// Longest delay within one delivery. Longer delays need a rescheduled message. After this time a delivery makes no further
/// attempt, so that a dependency that hangs costs one time-out.
const MAX_INLINE_DELAY: Duration = Duration::from_secs(5);

/// Longest time of a delivery. The host renews the lock for five minutes, and the last requests need time too.
const DELIVERY_BUDGET: Duration = Duration::from_secs(240);

/// Starts the journeys of a delivered message, or reschedules or rejects it.
pub async fn process_message(services: &Services, delivery: Delivery) -> DeliveryOutcome {
    let began = services.clock.now();
    let queue_wait = delivery.enqueued_at.map(|enqueued| began - enqueued);
    invocation::record(|facts| {
        facts.delivery_count = Some(delivery.delivery_count);
        facts.queue_wait_ms = queue_wait.map(|wait| wait.num_milliseconds());
    });
    let message = match Message::decode(&delivery.body) {
        Ok(message) => message,
        // There is no record for it. The dead-letter queue keeps the message.
        Err(error) => {
            return rejected(None, &delivery, Reason::new(ReasonCode::MalformedEvent, error.to_string()));
        }
    };
    traces::set_event(traced(&message.event.id(), &message.event.event_type));
    record_event(&message.event);
    invocation::record(|facts| facts.attempts = Some(delivery.history.attempts));
    // Without this, a message without details could be taken for one that needs none.
    if let Some(reason) = delivery.history.failure.clone() {
        let history = delivery.history.clone();
        return on_heap(|| reject(services, &message, &delivery, history, reason, began)).await;
    }
    match on_heap(|| start_with_retries(services, &message, &delivery, began)).await {
        Ok(record) => match record.scheduled_for() {
            Some(at) => on_heap(|| wait_until(services, &message, &delivery, at, began)).await,
            None => DeliveryOutcome::Completed,
        },
        Err((history, StartError::Transient { reason, retry_after, not_before, .. })) => {
            let request = Reschedule { reason, retry_after, not_before, began };
            on_heap(|| reschedule(services, &message, &delivery, history, request)).await
        }
        Err((_, StartError::Permanent { reason, recorded: true })) => rejected(Some(&message), &delivery, reason),
        Err((history, StartError::Permanent { reason, recorded: false })) => {
            on_heap(|| reject(services, &message, &delivery, history, reason, began)).await
        }
    }
}

/// Tries a few times with short delays. An error comes with the history that a rescheduled message has to carry.
async fn start_with_retries(
    services: &Services,
    message: &Message,
    delivery: &Delivery,
    began: DateTime<Utc>,
) -> Result<Record, (RetryHistory, StartError)> {
    let mut options = StartOptions {
        check_record_first: delivery.delivery_count > 1,
        started: delivery.history.started.clone(),
        unused_claims: delivery.history.unused_claims.clone(),
        may_skip_update: delivery.history.attempts >= UPDATE_ATTEMPTS,
        ..StartOptions::default()
    };
    let mut attempt = 1;
    loop {
        let error = match on_heap(|| start_journeys(services, message, &options)).await {
            Ok(record) => return Ok(record),
            Err(error) => error,
        };
        let mut delay = Duration::from_secs(u64::from(attempt));
        let mut is_last = attempt >= MAX_ATTEMPTS || elapsed(services, began) >= MAX_INLINE_DELAY;
        match &error {
            StartError::Permanent { .. } => is_last = true,
            StartError::Transient { retry_after, started, unused_claim, .. } => {
                options.unused_claims.extend(*unused_claim);
                options.started.extend(started.clone());
                delay = delay.max(retry_after.unwrap_or_default());
                // Journeys that could not be recorded must be carried by a rescheduled message.
                is_last |= delay > MAX_INLINE_DELAY || options.started.len() > delivery.history.started.len();
            }
        }
        if is_last {
            let StartOptions { started, unused_claims, .. } = options;
            return Err((RetryHistory { started, unused_claims, ..delivery.history.clone() }, error));
        }
        services.clock.sleep(delay).await;
        attempt += 1;
    }
}

fn rejected(message: Option<&Message>, delivery: &Delivery, reason: Reason) -> DeliveryOutcome {
    let event_id = message.map(|message| message.event.id());
    let (event_id, delivery_count) = (event_id.as_ref().map(|id| id.as_str()), delivery.delivery_count);
    let code = reason.code.to_string();
    LogEvent::MessageRejected { event_id, reason: &code, detail: &reason.detail, delivery_count }.log();
    DeliveryOutcome::Rejected(reason)
}

fn abandoned(message: &Message, error: &impl ToString, code: ReasonCode) -> DeliveryOutcome {
    let reason = Reason::new(code, error.to_string());
    let (event_id, code) = (message.event.id(), reason.code.to_string());
    LogEvent::MessageAbandoned { event_id: event_id.as_str(), reason: &code, detail: &reason.detail }.log();
    DeliveryOutcome::Abandoned(reason)
}

/// Records a permanent failure before it rejects the message.
async fn reject(
    services: &Services,
    message: &Message,
    delivery: &Delivery,
    history: RetryHistory,
    reason: Reason,
    began: DateTime<Utc>,
) -> DeliveryOutcome {
    match record_failure(services, message, &history, &reason).await {
        // Another delivery or an operator has finished the event in the meantime.
        Ok(Status::Processed | Status::Processing) => DeliveryOutcome::Completed,
        Ok(_) => rejected(Some(message), delivery, reason),
        Err(error) => {
            let request = Reschedule { reason: store_unavailable(&error), retry_after: None, not_before: None, began };
            reschedule(services, message, delivery, history, request).await
        }
    }
}

/// How long this delivery has taken.
fn elapsed(services: &Services, began: DateTime<Utc>) -> Duration {
    (services.clock.now() - began).to_std().unwrap_or_default()
}

fn store_unavailable(error: &StoreError) -> Reason {
    Reason::new(ReasonCode::StoreUnavailable, error.to_string())
}
