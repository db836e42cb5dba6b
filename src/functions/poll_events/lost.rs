//! Finds published events whose message is lost, for example purged, or settled without an invocation.
//!
//! A message that waits in a backlog is not lost: then no event that was published later is finished. A rescheduled message
//! is not lost either: its record says so, or it comes back within the longest retry delay. If a message was not lost after
//! all, the claim protects its event.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc::Sender;

use super::ingest::forward;
use super::{PollError, Run};
use crate::events::Record;
use crate::functions::Services;
use crate::telemetry::LogEvent;

/// The time between two checks. A check costs one small query if all messages are handled in time.
const INTERVAL: Duration = Duration::from_secs(60);

/// A message may be handled this much later than one that was published later: the host renews a lock for five minutes.
const LONGEST_DELIVERY: Duration = Duration::from_secs(300);

/// An event that was published this often is not published again by this check. Perhaps its message ends in the dead-letter
/// queue each time.
const MOST_PUBLICATIONS: u32 = 3;

/// When the next check may take place. It only saves requests and prevents false alarms.
#[derive(Debug, Default)]
pub(in crate::functions) struct LostMessageCheck(Mutex<Option<DateTime<Utc>>>);

impl LostMessageCheck {
    /// Whether to check now. A new process waits for one interval.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = next.is_some_and(|next| next <= now);
        if is_due || next.is_none() {
            *next = Some(now + INTERVAL);
        }
        is_due
    }

    fn postpone(&self, until: DateTime<Utc>) {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Some(until));
    }
}

/// Postpones the check because Cosmos DB could not be written or read. Meanwhile messages may have been rescheduled without
/// a trace in their records. Until they come back, they look like lost ones.
pub(in crate::functions) fn postpone_lost_message_check(services: &Services) {
    let settings = &services.settings;
    let back = services.clock.now() + settings.retry.longest_delay + settings.lease + LONGEST_DELIVERY;
    services.lost_messages.postpone(back);
}

impl Run<'_> {
    /// Leases events whose message is lost, and forwards them.
    pub(super) async fn find_lost_messages(&self, records: &Sender<Record>) -> Result<(), PollError> {
        let now = self.services.clock.now();
        if self.should_stop() || !self.services.lost_messages.is_due(now) {
            return Ok(());
        }
        let before = self.lost_before(now).await?;
        let Some(before) = before else { return Ok(()) };
        let limit = self.services.settings.poll.page_size;
        let mut lost = self.services.store.unfinished(before, limit).await?;
        lost.retain(|record| record.publications() < MOST_PUBLICATIONS && available_at(record) < Some(before));
        let claimed = self.claimed(&lost, now).await?;
        lost.retain(|record| !claimed.contains(record.id().as_str()));
        let lease_end = self.lease_end();
        lost.iter_mut().for_each(|record| record.lease_until(lease_end));
        let leased = if lost.is_empty() { lost } else { self.services.store.save(lost).await?.written };
        leased.iter().for_each(|record| log_lost(record, now));
        self.count(|summary| summary.lost += leased.len());
        forward(leased, records).await;
        Ok(())
    }

    /// Unfinished events that were published before this time are lost: they should be finished by now, and later ones are.
    async fn lost_before(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, PollError> {
        let (store, lost_after) = (&self.services.store, self.services.settings.poll.lost_after);
        let overdue = now - lost_after;
        if store.unfinished(overdue, 1).await?.is_empty() {
            return Ok(None);
        }
        let latest = store.latest_publication_finished(now - LONGEST_DELIVERY.min(lost_after)).await?;
        Ok(latest.map(|latest| latest.min(overdue)))
    }

    /// The events that a delivery has claimed, or had claimed a short time ago.
    async fn claimed(&self, records: &[Record], now: DateTime<Utc>) -> Result<HashSet<String>, PollError> {
        if records.is_empty() {
            return Ok(HashSet::new());
        }
        let since = now - self.services.settings.poll.lost_after;
        Ok(self.services.store.claimed_since(records, since).await?)
    }
}

/// When its message became available.
fn available_at(record: &Record) -> Option<DateTime<Utc>> {
    record.published_at().max(record.scheduled_for())
}

fn log_lost(record: &Record, now: DateTime<Utc>) {
    let since = record.published_at().map_or(TimeDelta::zero(), |published_at| now - published_at);
    LogEvent::MessageLost {
        event_id: record.id().as_str(),
        event_type: &record.event().event_type,
        publications: record.publications(),
        published_ms: since.num_milliseconds(),
    }
    .log();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_due_once_per_interval_and_not_while_it_is_postponed() {
        let check = LostMessageCheck::default();
        let at = |seconds: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(seconds);
        assert_eq!([0, 59, 60, 61, 120].map(|second| check.is_due(at(second))), [false, false, true, false, true]);
        check.postpone(at(1000));
        check.postpone(at(500));
        assert_eq!([180, 999, 1000, 1001].map(|second| check.is_due(at(second))), [false, false, true, false]);
    }
}
