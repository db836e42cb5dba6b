//! Publishes prepared events, and updates their records.

use std::time::SystemTime;

use super::Run;
use super::prepare::Prepared;
use crate::clients::bus::{BusError, Outgoing};
use crate::events::{OutgoingMessage, Reason, ReasonCode, Record};
use crate::functions::event_log::{log_final, traced};
use crate::telemetry::{LogEvent, traces};

/// A message as the Service Bus client sends it.
pub(super) fn outgoing(message: &OutgoingMessage) -> Outgoing<'_> {
    Outgoing { id: &message.id, body: &message.body, properties: &message.properties, scheduled: None }
}

impl Run<'_> {
    /// Publishes a batch of messages in one request. Returns the records to save.
    pub(super) async fn publish(&self, mut batch: Vec<Prepared>) -> Vec<Record> {
        let messages: Vec<Outgoing<'_>> = batch.iter().filter_map(|item| item.message().map(outgoing)).collect();
        let began = SystemTime::now();
        let sent = if messages.is_empty() { Ok(()) } else { self.send(&messages).await };
        match sent {
            Ok(()) => {
                batch.iter().filter(|item| item.message().is_some()).for_each(|item| self.trace(item.record(), began));
                batch.into_iter().map(|item| self.after_publication(item)).collect()
            }
            // Our size is the upper bound, but the topic may have a lower limit.
            Err(BusError::TooLarge(_)) if batch.len() > 1 => {
                let rest = batch.split_off(batch.len() / 2);
                let mut records = Box::pin(self.publish(batch)).await;
                records.extend(Box::pin(self.publish(rest)).await);
                records
            }
            Err(BusError::TooLarge(cause)) => {
                let mut records = Vec::new();
                for item in batch {
                    records.extend(self.on_rejected(item, &cause).await);
                }
                records
            }
            Err(error) => {
                let (unsent, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|item| item.message().is_some());
                self.count(|summary| summary.left += unsent.len());
                self.open_circuit();
                self.record_error::<()>(Err(error.into()));
                others.into_iter().map(Prepared::into_record).collect()
            }
        }
    }

    fn trace(&self, record: &Record, began: SystemTime) {
        let (id, event_type, topic) = (record.id(), &record.event().event_type, &self.services.settings.bus.topic);
        traces::published(traced(id, event_type), &record.traceparent(), self.id, topic, began);
    }

    /// Service Bus has rejected a single message. A failed event is finished without a message, because its record contains
    /// the reason. Any other event is retried.
    async fn on_rejected(&self, item: Prepared, cause: &str) -> Vec<Record> {
        let Prepared::Publish { record, .. } = item else { return vec![self.after_publication(item)] };
        let detail = format!(
            "the message is too large for Service Bus, the entity is over its quota, or the right to send is missing \
             ({cause})"
        );
        match self.schedule_retry(record, Reason::new(ReasonCode::MessageTooLarge, detail), None) {
            Prepared::Retry { record } => vec![record],
            failed => Box::pin(self.publish(vec![failed])).await,
        }
    }

    /// Sends the messages, with one retry. The same message ids make the retry safe.
    async fn send(&self, messages: &[Outgoing<'_>]) -> Result<(), BusError> {
        match self.services.bus.send(messages).await {
            Err(BusError::Unavailable { cause, .. }) => {
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
            Prepared::Publish { mut record, .. } => {
                // If the message is lost (a purged subscription, a wrong filter), the event is published again.
                record.publish(now, now + 2 * settings.retry.horizon);
                self.count(|summary| summary.published += 1);
                record
            }
            Prepared::Retry { record } => record,
        }
    }
}
