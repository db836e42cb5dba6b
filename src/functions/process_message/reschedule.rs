//! Reschedules a message, so that an outage does not use up its deliveries.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{DELIVERY_BUDGET, Delivery, DeliveryOutcome, abandoned, elapsed, rejected};
use crate::clients::bus::{BusError, Entry, Outgoing};
use crate::clients::milliseconds;
use crate::clients::store::StoreError;
use crate::events::{EventId, JourneyOutcome, Message, Reason, ReasonCode, Record, RetryHistory, Status};
use crate::functions::Services;
use crate::functions::event_log::{log_final, record_journeys};
use crate::functions::poll_events::postpone_lost_message_check;
use crate::telemetry::{LogEvent, traces};

/// The pause between attempts to schedule a message. It is as short as the first retry delay, so that an outage of everything
/// that could store the retry is not prolonged. The attempts end with [`DELIVERY_BUDGET`]: then one of ten deliveries is used.
const SCHEDULE_PAUSE: Duration = Duration::from_secs(10);

/// Why and when to reschedule a message.
pub(super) struct Reschedule {
    pub(super) reason: Reason,
    pub(super) retry_after: Option<Duration>,
    pub(super) not_before: Option<DateTime<Utc>>,
    /// When the delivery began.
    pub(super) began: DateTime<Utc>,
}

/// Schedules a copy of the message and completes this one. After the retry horizon, fails the event instead.
pub(super) async fn reschedule(
    services: &Services,
    message: &Message,
    delivery: &Delivery,
    history: RetryHistory,
    request: Reschedule,
) -> DeliveryOutcome {
    let Reschedule { reason, retry_after, not_before, began } = request;
    let (now, policy) = (services.clock.now(), &services.settings.retry);
    let failing_since = history.failing_since.unwrap_or(now);
    if policy.is_exhausted(failing_since, now) {
        return fail(services, message, delivery, &history, reason).await;
    }
    let attempts = history.attempts + 1;
    let at = not_before.unwrap_or(now).max(now + policy.delay(attempts, services.clock.chance(), retry_after));
    let traceparent = traces::current_traceparent().or_else(|| history.traceparent.clone());
    let history = RetryHistory { attempts, failing_since: Some(failing_since), traceparent, ..history };
    let retry = Next { history: &history, at, reason: Some(&reason) };
    let scheduled = schedule(services, message, &delivery.body, &retry, began).await;
    if let Err(error) = scheduled {
        let code = match error {
            BusError::TooLarge(_) => ReasonCode::MessageTooLarge,
            BusError::Refused(_) => ReasonCode::MessageRefused,
            BusError::Unavailable { .. } | BusError::Denied(_) | BusError::QuotaExceeded(_) => {
                return abandoned(message, &error, ReasonCode::ServiceBusUnavailable);
            }
        };
        let reason = Reason::new(code, format!("{error}; the retry was needed because of {reason}"));
        return fail(services, message, delivery, &history, reason).await;
    }
    LogEvent::MessageRescheduled {
        event_id: message.event.id().as_str(),
        event_type: &message.event.event_type,
        reason: &reason.code.to_string(),
        detail: &reason.detail,
        attempts,
        delay_ms: milliseconds((at - now).to_std().unwrap_or_default()),
    }
    .log();
    match reason.code {
        ReasonCode::InProgress => {}
        ReasonCode::StoreUnavailable if attempts > 1 => postpone_lost_message_check(services),
        _ if matches!(scheduled, Ok(Scheduled::InRecord)) => {}
        _ => record_retry(services, message, &reason).await,
    }
    DeliveryOutcome::Rescheduled(reason)
}

/// Fails the event, and rejects its message.
async fn fail(
    services: &Services,
    message: &Message,
    delivery: &Delivery,
    history: &RetryHistory,
    reason: Reason,
) -> DeliveryOutcome {
    match record_failure(services, message, history, &reason).await {
        Ok(Status::Processed | Status::Processing) => DeliveryOutcome::Completed,
        Ok(_) => rejected(Some(message), delivery, reason),
        Err(error) => abandoned(message, &error, ReasonCode::StoreUnavailable),
    }
}

/// The next delivery.
pub(super) struct Next<'a> {
    pub(super) history: &'a RetryHistory,
    pub(super) at: DateTime<Utc>,
    /// The failure that it retries. `None`: a journey is due then.
    pub(super) reason: Option<&'a Reason>,
}

/// Where the next delivery is scheduled.
#[derive(Clone, Copy)]
pub(super) enum Scheduled {
    /// A copy of the message.
    InMessage,
    /// The event's record: the poller publishes the event again.
    InRecord,
}

/// Schedules a copy of the message. While Service Bus does not accept it, the event's record takes its place, so that the
/// delivery ends. If Cosmos DB is not available either, tries both again after a pause.
pub(super) async fn schedule(
    services: &Services,
    message: &Message,
    body: &[u8],
    next: &Next<'_>,
    began: DateTime<Utc>,
) -> Result<Scheduled, BusError> {
    let id = message.event.id();
    let (message_id, body) = (unique_message_id(&id), String::from_utf8_lossy(body));
    let properties = next.history.to_properties(&message.event);
    let copy = Entry::of(&Outgoing { id: &message_id, body: &body, properties: &properties, scheduled: Some(next.at) });
    // A token and the message: two requests.
    let longest_send = 2 * services.settings.request_timeout;
    let in_time = || elapsed(services, began) + SCHEDULE_PAUSE + longest_send <= DELIVERY_BUDGET;
    while let Err(error) = services.bus.send(&[&copy]).await {
        LogEvent::MessageNotRescheduled { event_id: id.as_str(), detail: &error.to_string() }.log();
        if error.may_pass() && schedule_in_record(services, message, next).await {
            return Ok(Scheduled::InRecord);
        }
        if !error.may_pass() || !in_time() {
            return Err(error);
        }
        services.clock.sleep(SCHEDULE_PAUSE).await;
    }
    Ok(Scheduled::InMessage)
}

/// Writes the next attempt into the event's record. Returns whether that makes the message unnecessary.
pub(super) async fn schedule_in_record(services: &Services, message: &Message, next: &Next<'_>) -> bool {
    let event = &message.event;
    let write = async {
        for _ in 0..3 {
            let Some(mut record) = services.store.record(&event.channel_id, &event.id()).await? else {
                return Ok(false);
            };
            if record.status().is_final() {
                return Ok(true);
            }
            record_started(&mut record, next.history);
            match next.reason {
                Some(reason) => {
                    record.continue_retries(next.history.failing_since, next.history.attempts.saturating_sub(1));
                    record.schedule_retry(next.at, reason.clone(), services.clock.now());
                }
                None => record.publish_when_due(),
            }
            if !services.store.save(vec![record]).await?.written.is_empty() {
                return Ok(true);
            }
        }
        Err(StoreError::Conflict("the record keeps changing".to_owned()))
    };
    write.await.unwrap_or_else(|error| {
        LogEvent::RetryNotRecorded { event_id: event.id().as_str(), detail: &error.to_string() }.log();
        false
    })
}

/// Adds the journeys that have started to the record.
fn record_started(record: &mut Record, history: &RetryHistory) {
    for (journey, at) in &history.started {
        let uncertain = record.uncertain(journey);
        record.set_journey_outcome(journey, JourneyOutcome::Started { at: *at, uncertain });
    }
}

/// A `MessageId` that was never used before. Otherwise duplicate detection would drop the message.
fn unique_message_id(id: &EventId) -> String {
    let unique = Uuid::new_v4().simple().to_string();
    format!("{id}~~{}", &unique[..8])
}

/// Records a permanent failure of the event, and the journeys that have started. Returns the event's status. It is another
/// one if the event was finished in the meantime, or if a journey is due later.
pub(super) async fn record_failure(
    services: &Services,
    message: &Message,
    history: &RetryHistory,
    reason: &Reason,
) -> Result<Status, StoreError> {
    let event = &message.event;
    for _ in 0..3 {
        let Some(mut record) = services.store.record(&event.channel_id, &event.id()).await? else {
            let (event_id, code) = (event.id(), reason.code.to_string());
            LogEvent::RecordMissing { event_id: event_id.as_str(), reason: &code, detail: &reason.detail }.log();
            return Ok(Status::Failed);
        };
        if record.status().is_final() {
            return Ok(record.status());
        }
        let now = services.clock.now();
        record_started(&mut record, history);
        record.fail_attempted(reason);
        match record.next_due() {
            // The poller publishes it then.
            Some(until) => record.schedule(until, until, Some(reason.clone())),
            None => record.fail(reason.clone(), now, services.settings.keep_records.as_secs()),
        }
        if let Some(written) = services.store.save(vec![record]).await?.written.first() {
            record_journeys(written);
            if written.status().is_final() {
                log_final(written, now);
            }
            return Ok(written.status());
        }
    }
    Err(StoreError::Conflict("the record keeps changing".to_owned()))
}

/// Shows operators in the record that the event is being retried. The retry does not depend on it.
async fn record_retry(services: &Services, message: &Message, reason: &Reason) {
    let event = &message.event;
    let write = async {
        let Some(mut record) = services.store.record(&event.channel_id, &event.id()).await? else { return Ok(()) };
        if record.status() == Status::Processing {
            let now = services.clock.now();
            record.schedule_retry(now + 2 * services.settings.retry.horizon, reason.clone(), now);
            services.store.save(vec![record]).await?;
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = write.await {
        postpone_lost_message_check(services);
        LogEvent::RetryNotRecorded { event_id: event.id().as_str(), detail: &error.to_string() }.log();
    }
}
