//! Reschedules a message, so that an outage does not use up its deliveries.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Delivery, DeliveryOutcome, abandoned, rejected};
use crate::clients::bus::{BusError, Outgoing};
use crate::clients::milliseconds;
use crate::clients::store::StoreError;
use crate::events::{EventId, Message, Reason, ReasonCode, RetryHistory, Status};
use crate::functions::Services;
use crate::functions::event_log::{log_final, record_journeys};
use crate::telemetry::{LogEvent, traces};

/// Pauses between attempts to schedule a message, in seconds. In total they are shorter than the host's lock renewal of
/// five minutes. While Service Bus is not available, one of ten deliveries is used every three and a half minutes.
const SCHEDULE_PAUSES: [u64; 6] = [5, 10, 20, 40, 60, 60];

/// Why and when to reschedule a message.
pub(super) struct Reschedule {
    pub(super) reason: Reason,
    pub(super) retry_after: Option<Duration>,
    pub(super) not_before: Option<DateTime<Utc>>,
}

/// Schedules a copy of the message and completes this one. After the retry horizon, fails the event instead.
pub(super) async fn reschedule(
    services: &Services,
    message: &Message,
    delivery: &Delivery,
    history: RetryHistory,
    request: Reschedule,
) -> DeliveryOutcome {
    let Reschedule { reason, retry_after, not_before } = request;
    let (now, policy) = (services.clock.now(), &services.settings.retry);
    let failing_since = history.failing_since.unwrap_or(now);
    if policy.is_exhausted(failing_since, now) {
        return match record_failure(services, message, &reason).await {
            Ok(()) => rejected(Some(message), delivery, reason),
            Err(error) => abandoned(message, &error, ReasonCode::StoreUnavailable),
        };
    }
    let attempts = history.attempts + 1;
    let at = not_before.unwrap_or(now).max(now + policy.delay(attempts, services.clock.chance(), retry_after));
    let traceparent = traces::current_traceparent().or_else(|| history.traceparent.clone());
    let history = RetryHistory { attempts, failing_since: Some(failing_since), traceparent, ..history };
    if let Err(error) = schedule(services, message, &delivery.body, &history, at).await {
        return abandoned(message, &error, ReasonCode::ServiceBusUnavailable);
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
    if attempts == 1 && reason.code != ReasonCode::InProgress {
        record_retry(services, message, &reason).await;
    }
    DeliveryOutcome::Rescheduled(reason)
}

async fn schedule(
    services: &Services,
    message: &Message,
    body: &[u8],
    history: &RetryHistory,
    at: DateTime<Utc>,
) -> Result<(), BusError> {
    let id = message.event.id();
    let (message_id, body) = (unique_message_id(&id), String::from_utf8_lossy(body));
    let properties = history.to_properties(&message.event);
    let copy = Outgoing { id: &message_id, body: &body, properties: &properties, scheduled: Some(at) };
    let mut pauses = SCHEDULE_PAUSES.into_iter();
    while let Err(error) = services.bus.send(std::slice::from_ref(&copy)).await {
        LogEvent::MessageNotRescheduled { event_id: id.as_str(), detail: &error.to_string() }.log();
        let Some(pause) = pauses.next() else { return Err(error) };
        services.clock.sleep(Duration::from_secs(pause)).await;
    }
    Ok(())
}

/// A `MessageId` that was never used before. Otherwise duplicate detection would drop the message.
fn unique_message_id(id: &EventId) -> String {
    let unique = Uuid::new_v4().simple().to_string();
    format!("{id}~~{}", &unique[..8])
}

/// Records a permanent failure of the event.
pub(super) async fn record_failure(services: &Services, message: &Message, reason: &Reason) -> Result<(), StoreError> {
    let event = &message.event;
    for _ in 0..3 {
        let Some(mut record) = services.store.record(&event.channel_id, &event.id()).await? else {
            let (event_id, code) = (event.id(), reason.code.to_string());
            LogEvent::RecordMissing { event_id: event_id.as_str(), reason: &code, detail: &reason.detail }.log();
            return Ok(());
        };
        if record.status().is_final() {
            return Ok(());
        }
        let now = services.clock.now();
        record.fail(reason.clone(), now, services.settings.keep_records.as_secs());
        if let Some(written) = services.store.save(vec![record]).await?.written.first() {
            log_final(written, now);
            record_journeys(written);
            return Ok(());
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
        LogEvent::RetryNotRecorded { event_id: event.id().as_str(), detail: &error.to_string() }.log();
    }
}
