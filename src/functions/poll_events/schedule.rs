//! Events whose journeys all wait are published for the time at which the first is due. So they need no delivery before.

use chrono::{DateTime, Utc};

use super::Run;
use crate::events::{JourneyOutcome, Record};
use crate::functions::event_log::log_undue;

impl Run<'_> {
    /// When the message becomes available, if no journey of the event is due now.
    pub(super) fn scheduled_for(&self, record: &Record) -> Option<DateTime<Utc>> {
        let now = self.services.clock.now();
        let journeys = self.services.journeys.of_type(&record.event().event_type);
        let occurred_at = record.event().occurred_at();
        let due: Option<Vec<_>> =
            journeys.map(|journey| journey.rules.due_at(occurred_at).filter(|due_at| *due_at > now)).collect();
        due?.into_iter().min()
    }

    /// Records until when the journeys of a published event wait.
    pub(super) fn record_schedule(&self, record: &mut Record, until: DateTime<Utc>, lost: DateTime<Utc>) {
        let (event_type, occurred_at) = (record.event().event_type.clone(), record.event().occurred_at());
        let before = record.journeys().clone();
        for journey in self.services.journeys.of_type(&event_type).filter(|it| !before.contains_key(&it.name)) {
            if let Some(until) = journey.rules.due_at(occurred_at) {
                record.set_journey_outcome(&journey.name, JourneyOutcome::Scheduled { until });
            }
        }
        let note = record.reason().cloned();
        record.schedule(until, lost, note);
        log_undue(&before, record, self.services.clock.now());
    }
}
