//! What a run does with an event: enriches it, composes its message, publishes it, and notes what came of it.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::super::enrich::{Enriched, NotEnriched, enrich};
use super::{OUTAGE_AFTER, Run};
use crate::clients::bus::{BusError, Outgoing};
use crate::clients::milliseconds;
use crate::events::{OutgoingMessage, Reason, ReasonCode, Record, Status};
use crate::telemetry::vocabulary::age_ms;
use crate::telemetry::{LogEvent, traces};

/// A record after enrichment, with its message if it has come so far.
pub(super) struct Prepared {
    record: Record,
    message: Option<OutgoingMessage>,
    /// What the record becomes when the message is out: published, or failed for this reason.
    failed: Option<Reason>,
}

impl Prepared {
    pub(super) fn size(&self) -> usize {
        self.message.as_ref().map_or(0, |message| outgoing(message).size())
    }
}

fn outgoing(message: &OutgoingMessage) -> Outgoing<'_> {
    Outgoing { id: &message.id, body: &message.body, properties: &message.properties, scheduled: None }
}

impl Run<'_> {
    /// Enriches a record and composes its message.
    pub(super) async fn prepare(&self, record: Record) -> Option<Prepared> {
        let age = age_ms(&record, self.started);
        self.count(|summary| summary.oldest_ms = summary.oldest_ms.max(Some(age)));
        if let Err(problem) = record.event.check() {
            return Some(self.give_up(record, Reason::new(ReasonCode::MalformedEvent, problem.to_string())));
        }
        if self.halted.load(Ordering::Relaxed) {
            self.count(|summary| summary.left += 1);
            return None;
        }
        let enriched = enrich(&self.app.commerce, &self.customers, &record.event).await;
        self.watch_for_outage(enriched.as_ref().err());
        Some(match enriched {
            Ok(enriched) => self.compose(record, enriched),
            Err(problem) => self.set_back(record, problem),
        })
    }

    fn watch_for_outage(&self, problem: Option<&NotEnriched>) {
        if !problem.is_some_and(|problem| problem.outage) {
            self.outage_signs.store(0, Ordering::Relaxed);
        } else if self.outage_signs.fetch_add(1, Ordering::Relaxed) + 1 >= OUTAGE_AFTER {
            self.halted.store(true, Ordering::Relaxed);
        }
    }

    fn compose(&self, mut record: Record, enriched: Enriched) -> Prepared {
        record.reason = enriched.note;
        let fits = |message: &OutgoingMessage| outgoing(message).size() <= self.app.settings.bus.max_message_bytes;
        match OutgoingMessage::compose(&record, enriched.order.as_deref(), enriched.customer.as_deref(), fits) {
            Some(message) => {
                record.slimmed = message.slimmed.map(|slimmed| slimmed.name().to_owned());
                Prepared { record, message: Some(message), failed: None }
            }
            None => self.give_up(
                record,
                Reason::new(
                    ReasonCode::MessageTooLarge,
                    "even without its arrays the message exceeds ServiceBusMaxMessageBytes",
                ),
            ),
        }
    }

    /// Notes a failure that may pass, or gives the event up when it has been failing for too long.
    fn set_back(&self, mut record: Record, problem: NotEnriched) -> Prepared {
        let (now, policy) = (self.app.clock.now(), &self.app.settings.retry);
        if record.failing_since.is_some_and(|since| policy.is_over(since, now)) {
            return self.give_up(record, problem.reason);
        }
        let delay = policy.delay(record.retry_count + 1, self.app.clock.chance(), problem.retry_after);
        LogEvent::EventRetried {
            event_id: &record.id,
            event_type: &record.event.event_type,
            reason: problem.reason.code,
            detail: &problem.reason.detail,
            attempts: record.retry_count + 1,
            delay_ms: milliseconds(delay),
        }
        .log();
        record.retry_at(now + delay, problem.reason, now);
        self.count(|summary| summary.retried += 1);
        Prepared { record, message: None, failed: None }
    }

    /// A given-up event has a message too, without details: it ends in the dead-letter queue, where alerts and
    /// redrives look.
    fn give_up(&self, record: Record, reason: Reason) -> Prepared {
        let message = OutgoingMessage::compose(&record, None, None, |_| true);
        Prepared { record, message, failed: Some(reason) }
    }

    /// Publishes a group of messages in one request and returns the records as they are to be saved.
    pub(super) async fn publish(&self, mut group: Vec<Prepared>) -> Vec<Record> {
        let messages: Vec<Outgoing<'_>> = group.iter().filter_map(|item| item.message.as_ref().map(outgoing)).collect();
        let began = SystemTime::now();
        let sent = if messages.is_empty() { Ok(()) } else { self.send(&messages).await };
        match sent {
            Ok(()) => {
                let with_message = group.iter().filter(|item| item.message.is_some());
                with_message
                    .for_each(|item| traces::published(&item.record, self.id, &self.app.settings.bus.topic, began));
                group.into_iter().map(|item| self.after_publication(item)).collect()
            }
            // Our count of bytes is the stricter one, but the topic may have been given a lower limit.
            Err(BusError::TooLarge(_)) if group.len() > 1 => {
                let rest = group.split_off(group.len() / 2);
                let mut records = Box::pin(self.publish(group)).await;
                records.extend(Box::pin(self.publish(rest)).await);
                records
            }
            Err(BusError::TooLarge(cause)) => {
                let detail = format!(
                    "Service Bus finds the message too large, is over its quota or lacks our right to send ({cause})"
                );
                group
                    .into_iter()
                    .map(|item| self.refused(item, Reason::new(ReasonCode::MessageTooLarge, detail.clone())))
                    .collect()
            }
            Err(error) => {
                let (unsent, others): (Vec<_>, Vec<_>) = group.into_iter().partition(|item| item.message.is_some());
                self.count(|summary| summary.left += unsent.len());
                self.halted.store(true, Ordering::Relaxed);
                self.note_error::<()>(Err(error.into()));
                others.into_iter().map(|item| item.record).collect()
            }
        }
    }

    fn refused(&self, item: Prepared, reason: Reason) -> Record {
        match item.failed {
            // Its last word could not be published either; the record says all there is to say.
            Some(failed) => self.after_publication(Prepared { message: None, failed: Some(failed), ..item }),
            None => self.set_back(item.record, NotEnriched { reason, retry_after: None, outage: false }).record,
        }
    }

    /// One more try is worth it before a whole run is ended; the same message ids make it safe.
    async fn send(&self, messages: &[Outgoing<'_>]) -> Result<(), BusError> {
        match self.app.bus.send(messages).await {
            Err(BusError::Unavailable { cause, .. }) => {
                LogEvent::PublicationRepeated { detail: &cause }.log();
                self.app.bus.send(messages).await
            }
            result => result,
        }
    }

    fn after_publication(&self, item: Prepared) -> Record {
        let Prepared { mut record, message, failed } = item;
        let now = self.app.clock.now();
        match failed {
            Some(reason) => {
                record.finish(Status::Failed, Some(reason), now, self.app.settings.keep_records.as_secs());
                LogEvent::log_final(&record, now);
                self.count(|summary| summary.failed += 1);
            }
            None if message.is_some() => {
                // Should the message vanish (a purged subscription, a wrong filter), the event is published once more.
                record.published(now, now + 2 * self.app.settings.retry.horizon);
                self.count(|summary| summary.published += 1);
            }
            None => {}
        }
        record
    }
}
