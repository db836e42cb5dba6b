//! Publishes prepared events, and updates their records.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::Run;
use super::prepare::Prepared;
use crate::clients::bus::{BusError, Entry};
use crate::events::{Reason, ReasonCode, Record};
use crate::functions::event_log::{log_final, traced};
use crate::telemetry::{LogEvent, traces};

impl Run<'_> {
    /// Publishes a batch of messages in one request. Returns the records to save.
    pub(super) async fn publish(&self, mut batch: Vec<Prepared>) -> Vec<Record> {
        if self.bus_unavailable.load(Ordering::Relaxed) {
            return self.leave_unsent(batch);
        }
        let messages: Vec<&Entry> = batch.iter().filter_map(Prepared::entry).collect();
        let began = SystemTime::now();
        let sent = if messages.is_empty() { Ok(()) } else { self.send(&messages).await };
        match sent {
            Ok(()) => {
                batch.iter().filter(|item| item.entry().is_some()).for_each(|item| self.trace(item.record(), began));
                batch.into_iter().map(|item| self.after_publication(item)).collect()
            }
            // Only one message may be the reason. Our size is the upper bound, but the topic may have a lower limit.
            Err(error) if !error.may_pass() && batch.len() > 1 => {
                let rest = batch.split_off(batch.len() / 2);
                let mut records = Box::pin(self.publish(batch)).await;
                records.extend(Box::pin(self.publish(rest)).await);
                records
            }
            Err(error) if !error.may_pass() => {
                let mut records = Vec::new();
                for item in batch {
                    records.extend(self.on_rejected(item, &error).await);
                }
                records
            }
            Err(error) => {
                self.bus_unavailable.store(true, Ordering::Relaxed);
                self.open_circuit();
                self.record_error::<()>(Err(error.into()));
                self.leave_unsent(batch)
            }
        }
    }

    /// Leaves messages that cannot be sent now to the next run. Returns the records that have no message.
    fn leave_unsent(&self, batch: Vec<Prepared>) -> Vec<Record> {
        let (unsent, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|item| item.entry().is_some());
        self.count(|summary| summary.left += unsent.len());
        others.into_iter().map(Prepared::into_record).collect()
    }

    fn trace(&self, record: &Record, began: SystemTime) {
        let (id, event_type, topic) = (record.id(), &record.event().event_type, &self.services.settings.bus.topic);
        traces::published(traced(id, event_type), &record.traceparent(), self.id, topic, began);
    }

    /// Service Bus has rejected a single message. The event is retried until the retry horizon, and then fails. A failed event
    /// whose last message is rejected too is finished without a message, because its record contains the reason.
    async fn on_rejected(&self, item: Prepared, error: &BusError) -> Vec<Record> {
        let Prepared::Publish { record, .. } = item else { return vec![self.after_publication(item)] };
        let code = match error {
            BusError::TooLarge(_) => ReasonCode::MessageTooLarge,
            _ => ReasonCode::MessageRefused,
        };
        match self.schedule_retry(record, Reason::new(code, error.to_string()), None) {
            Prepared::Retry { record } => vec![record],
            failed => Box::pin(self.publish(vec![failed])).await,
        }
    }

    /// Sends the messages, with one retry. The same message ids make the retry safe.
    async fn send(&self, messages: &[&Entry]) -> Result<(), BusError> {
        match self.services.bus.send(messages).await {
            Err(BusError::Unavailable { cause, .. }) if !self.bus_unavailable.load(Ordering::Relaxed) => {
                LogEvent::PublicationRepeated { detail: &cause }.log();
                self.services.bus.send(messages).await
            }
            result => result,
        }
    }

    fn after_publication(&self, item: Prepared) -> Record {
        let (now, settings) = (self.services.clock.now(), &self.services.settings);
        match item {
            Prepared::Failed { mut record, reason, .. } => {
                record.fail(reason, now, settings.keep_records.as_secs());
                log_final(&record, now);
                self.count(|summary| summary.failed += 1);
                record
            }
            Prepared::Publish { mut record, scheduled_for, .. } => {
                // If the message is lost (a purged subscription, a wrong filter), the event is published again.
                let lost = scheduled_for.unwrap_or(now) + 2 * settings.retry.horizon;
                record.publish(now, lost);
                if let Some(until) = scheduled_for {
                    self.record_schedule(&mut record, until, lost);
                }
                self.count(|summary| summary.published += 1);
                record
            }
            Prepared::Retry { record } => record,
        }
    }
}
