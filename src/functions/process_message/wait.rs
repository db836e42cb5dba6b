//! Schedules the message of journeys that are not due yet. This is no failure.

use chrono::{DateTime, Utc};

use super::reschedule::{Next, schedule, schedule_in_record};
use super::{Delivery, DeliveryOutcome, abandoned};
use crate::events::{Message, ReasonCode, RetryHistory};
use crate::functions::Services;
use crate::telemetry::traces;

/// Schedules a copy of the message for the time `at`, and completes this one. The copy has no history: its retries begin
/// when it is due.
pub(super) async fn wait_until(
    services: &Services,
    message: &Message,
    delivery: &Delivery,
    at: DateTime<Utc>,
    began: DateTime<Utc>,
) -> DeliveryOutcome {
    let traceparent = traces::current_traceparent().or_else(|| delivery.history.traceparent.clone());
    let history = RetryHistory { traceparent, ..RetryHistory::default() };
    let next = Next { history: &history, at, reason: None };
    match schedule(services, message, &delivery.body, &next, began).await {
        Ok(_) => DeliveryOutcome::Scheduled,
        // The poller publishes the event when it is due, as after any loss.
        Err(_) if schedule_in_record(services, message, &next).await => DeliveryOutcome::Scheduled,
        Err(error) => abandoned(message, &error, ReasonCode::ServiceBusUnavailable),
    }
}
