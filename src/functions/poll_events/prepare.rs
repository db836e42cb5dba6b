//! Prepares an event: enriches it and composes its message.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{FAILURE_THRESHOLD, Run};
use crate::clients::bus::{Entry, Outgoing};
use crate::clients::milliseconds;
use crate::events::{OutgoingMessage, Reason, ReasonCode, Record};
use crate::functions::enrich::{EnrichError, Enriched, OPTIONAL_WAIT, enrich};
use crate::telemetry::LogEvent;

/// An event after its enrichment.
pub(super) enum Prepared {
    /// It will be published.
    Publish { record: Record, entry: Entry, scheduled_for: Option<DateTime<Utc>> },
    /// It has failed temporarily and will be retried. There is nothing to publish.
    Retry { record: Record },
    /// It has failed permanently. Its message has no details: Service Bus moves it to the dead-letter queue, where alerts
    /// and redrives find it.
    Failed { record: Record, entry: Option<Entry>, reason: Reason },
}

impl Prepared {
    pub(super) fn record(&self) -> &Record {
        match self {
            Self::Publish { record, .. } | Self::Retry { record } | Self::Failed { record, .. } => record,
        }
    }

    pub(super) fn into_record(self) -> Record {
        match self {
            Self::Publish { record, .. } | Self::Retry { record } | Self::Failed { record, .. } => record,
        }
    }

    /// Its message.
    pub(super) fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Publish { entry, .. } => Some(entry),
            Self::Failed { entry, .. } => entry.as_ref(),
            Self::Retry { .. } => None,
        }
    }

    /// The size of its message.
    pub(super) fn size(&self) -> usize {
        self.entry().map_or(0, Entry::size)
    }
}

impl Run<'_> {
    /// Enriches a record and composes its message. `None` leaves the record for the next run.
    pub(super) async fn prepare(&self, mut record: Record) -> Option<Prepared> {
        record.forget_retries_before(self.started - 2 * self.services.settings.retry.horizon);
        let age = record.age_ms(self.started);
        self.count(|summary| summary.oldest_ms = summary.oldest_ms.max(Some(age)));
        if let Some(reason) = record.rejection().cloned() {
            return Some(fail(record, reason));
        }
        if let Err(error) = record.event().validate() {
            return Some(fail(record, Reason::new(ReasonCode::MalformedEvent, error.to_string())));
        }
        if self.circuit_open.load(Ordering::Relaxed) {
            self.count(|summary| summary.left += 1);
            return None;
        }
        let enriched = enrich(self.services.source(&self.customers), record.event(), self.may_wait(&record)).await;
        self.update_circuit(enriched.as_ref().err());
        Some(match enriched {
            Ok(enriched) => self.compose(record, enriched),
            Err(EnrichError { reason, is_permanent: true, .. }) => fail(record, reason),
            Err(EnrichError { reason, retry_after, .. }) => self.schedule_retry(record, reason, retry_after),
        })
    }

    /// Whether the event may wait for what it can do without.
    fn may_wait(&self, record: &Record) -> bool {
        let longest = OPTIONAL_WAIT.min(self.services.settings.retry.horizon);
        let waited = record.failing_since().map(|since| self.services.clock.now() - since);
        waited.is_none_or(|waited| waited.to_std().is_ok_and(|waited| waited < longest))
    }

    /// Opens the circuit after a number of consecutive failures that show an outage.
    fn update_circuit(&self, error: Option<&EnrichError>) {
        if !error.is_some_and(|error| error.is_outage) {
            self.consecutive_failures.store(0, Ordering::Relaxed);
        } else if self.consecutive_failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURE_THRESHOLD {
            self.open_circuit();
        }
    }

    fn compose(&self, mut record: Record, enriched: Enriched) -> Prepared {
        let Enriched { order, customer, note } = enriched;
        let (order, numbers) = order.map(|order| (order.text, order.numbers)).unzip();
        record.set_numbers(numbers.unwrap_or_default().with_customer(&record.event().customer_id));
        let scheduled_for = self.scheduled_for(&record);
        let limit = self.services.settings.bus.max_message_bytes;
        let pack = |message: OutgoingMessage| {
            let entry = entry(&message, scheduled_for);
            (entry.size() <= limit).then_some((entry, message.truncation))
        };
        match OutgoingMessage::compose(&record, order.as_ref(), customer.as_deref(), pack) {
            Some((entry, truncation)) => {
                record.set_enriched(note, truncation);
                Prepared::Publish { record, entry, scheduled_for }
            }
            None => {
                let detail = "even without its arrays the message exceeds ServiceBusMaxMessageBytes";
                fail(record, Reason::new(ReasonCode::MessageTooLarge, detail))
            }
        }
    }

    /// Schedules a retry. After the retry horizon, fails the event instead.
    pub(super) fn schedule_retry(&self, mut record: Record, reason: Reason, retry_after: Option<Duration>) -> Prepared {
        let (now, policy) = (self.services.clock.now(), &self.services.settings.retry);
        if record.failing_since().is_some_and(|since| policy.is_exhausted(since, now)) {
            return fail(record, reason);
        }
        let attempts = record.retry_count() + 1;
        let delay = policy.delay(attempts, self.services.clock.chance(), retry_after);
        LogEvent::EventRetried {
            event_id: record.id().as_str(),
            event_type: &record.event().event_type,
            reason: &reason.code.to_string(),
            detail: &reason.detail,
            attempts,
            delay_ms: milliseconds(delay),
        }
        .log();
        record.schedule_retry(now + delay, reason, now);
        self.count(|summary| summary.retried += 1);
        Prepared::Retry { record }
    }
}

/// Fails an event permanently.
fn fail(record: Record, reason: Reason) -> Prepared {
    let entry = OutgoingMessage::of_failure(&record, &reason).map(|message| entry(&message, None));
    Prepared::Failed { record, entry, reason }
}

fn entry(message: &OutgoingMessage, scheduled: Option<DateTime<Utc>>) -> Entry {
    Entry::of(&Outgoing { id: &message.id, body: &message.body, properties: &message.properties, scheduled })
}
