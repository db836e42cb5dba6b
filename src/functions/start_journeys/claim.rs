//! The claim protocol: claim an event, take over an expired claim, record the outcomes, release the claim.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::add_record;
use super::invoke::Invoked;
use super::plan::{Conclusion, JourneyPlan, Selection, StartOptions, mark_interrupted};
use crate::clients::store::{Claim, Claimed, StoreError};
use crate::events::{JourneyOutcome, Message, Reason, ReasonCode, Record};
use crate::functions::Services;
use crate::functions::event_log::{log_final, record_journeys};
use crate::functions::start_error::StartError;
use crate::journeys::Journey;
use crate::telemetry::LogEvent;

/// Attempts to record the outcomes, with growing pauses, before a later delivery has to do it.
const SETTLE_ATTEMPTS: u32 = 6;
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// An event that this delivery has claimed.
pub(super) struct ClaimedEvent<'a> {
    services: &'a Services,
    claim: Claim,
    pub(super) claimed_at: DateTime<Utc>,
    pub(super) record: Record,
    pub(super) to_trigger: Vec<&'a Journey>,
    retry_after: Option<Duration>,
}

impl<'a> ClaimedEvent<'a> {
    /// Claims the event, and selects the journeys to trigger now.
    pub(super) async fn begin(
        services: &'a Services,
        message: &Message,
        options: &StartOptions,
        plan: &JourneyPlan<'a>,
    ) -> Result<Self, StartError> {
        let claimed_at = services.clock.now();
        let claim = || new_claim(services, message, plan, claimed_at);
        let id = message.event.id();
        let claimed = match services.store.claim(claim(), &id).await? {
            Claimed::NoRecord => {
                add_record(services, message).await?;
                services.store.claim(claim(), &id).await?
            }
            other => other,
        };
        let new = |claim, record: Box<Record>| {
            let (record, to_trigger) = (*record, Vec::new());
            Self { services, claim, claimed_at, record, to_trigger, retry_after: None }
        };
        match claimed {
            Claimed::NoRecord => {
                Err(StartError::transient(ReasonCode::StoreUnavailable, "the record was deleted in the meantime"))
            }
            Claimed::Acquired(claim, record) => {
                let mut event = new(claim, record);
                event.select_journeys(options, plan);
                Ok(event)
            }
            Claimed::Held(existing, record) if existing.expires_at > claimed_at => Err(in_progress(&existing, &record)),
            Claimed::Held(existing, record) => {
                let mut event = new(claim(), record);
                event.take_over(existing, options, plan).await?;
                Ok(event)
            }
        }
    }

    /// Takes over the expired claim of an interrupted delivery. The journeys that it was triggering are uncertain.
    async fn take_over(
        &mut self,
        existing: Claim,
        options: &StartOptions,
        plan: &JourneyPlan<'a>,
    ) -> Result<(), StartError> {
        for journey in mark_interrupted(&mut self.record, &existing.triggering, options) {
            LogEvent::JourneyUncertain { event_id: self.record.id().as_str(), journey: &journey }.log();
        }
        self.select_journeys(options, plan);
        self.claim.etag = existing.etag;
        self.claim.triggering = names(&self.to_trigger);
        (self.claim, self.record) = self.services.store.take_over(self.claim.clone(), self.record.clone()).await?;
        Ok(())
    }

    fn select_journeys(&mut self, options: &StartOptions, plan: &JourneyPlan<'a>) {
        let Selection { to_trigger, held } = plan.apply(&mut self.record, options);
        for journey in held {
            LogEvent::JourneyHeld { event_id: self.record.id().as_str(), journey: &journey.name }.log();
        }
        self.to_trigger = to_trigger;
    }

    /// Adds the outcomes of the invocations to the record.
    pub(super) fn apply_outcomes(&mut self, invoked: Vec<Invoked>) {
        for (journey, Invoked { outcome, retry_after }) in self.to_trigger.iter().zip(invoked) {
            self.retry_after = self.retry_after.max(retry_after);
            self.record.set_journey_outcome(&journey.name, outcome);
        }
    }

    /// Releases the claim without a change of the record, and returns the record.
    pub(super) async fn release(self) -> Result<Record, StartError> {
        self.services.store.release(&self.claim).await?;
        Ok(self.record)
    }

    /// Records the outcomes and releases the claim.
    pub(super) async fn settle(mut self) -> Result<Record, StartError> {
        let error = self.conclude();
        self.write_outcomes().await?;
        record_journeys(&self.record);
        if self.record.status().is_final() {
            log_final(&self.record, self.services.clock.now());
        }
        error.map_or(Ok(self.record), Err)
    }

    /// Sets the record's status from the outcomes of its journeys. `None` if the event is completed.
    fn conclude(&mut self) -> Option<StartError> {
        let settings = &self.services.settings;
        let (now, ttl) = (self.services.clock.now(), settings.keep_records.as_secs());
        match Conclusion::of(&self.record) {
            Conclusion::Retry(reason) => {
                self.record.schedule_retry(now + 2 * settings.retry.horizon, reason.clone(), now);
                Some(StartError::transient_after(reason, self.retry_after))
            }
            Conclusion::Failed(reason) => {
                self.record.fail(reason.clone(), now, ttl);
                Some(StartError::Permanent { reason, recorded: true })
            }
            Conclusion::Completed => {
                let note = self.record.reason().filter(|reason| reason.code == ReasonCode::CustomerNotFound).cloned();
                self.record.complete(note, now, ttl);
                None
            }
        }
    }

    async fn write_outcomes(&mut self) -> Result<(), StartError> {
        let mut attempts = 0;
        while let Err(error) = self.services.store.settle(&self.claim, &self.record).await {
            attempts += 1;
            let event_id = self.record.id().as_str();
            LogEvent::OutcomeNotRecorded { event_id, attempts, detail: &error.to_string() }.log();
            if attempts > SETTLE_ATTEMPTS {
                return Err(self.unrecorded(&error));
            }
            if matches!(error, StoreError::Conflict(_)) {
                if self.rebase().await? {
                    break;
                }
            } else {
                self.services.clock.sleep(SETTLE_PAUSE * attempts).await;
            }
        }
        Ok(())
    }

    /// Claims the event again after the claim was lost, and moves the outcomes onto the current record. Returns `true` if
    /// the record contains them already, because the write succeeded although it reported an error.
    async fn rebase(&mut self) -> Result<bool, StartError> {
        match self.services.store.claim(self.claim.clone(), self.record.id()).await? {
            Claimed::Acquired(claim, current) => {
                let already = current.journeys() == self.record.journeys() && current.status() == self.record.status();
                self.claim = claim;
                self.record.rebase_onto(&current);
                if already {
                    self.services.store.release(&self.claim).await?;
                }
                Ok(already)
            }
            Claimed::Held(..) | Claimed::NoRecord => {
                Err(StartError::transient(ReasonCode::InProgress, "the claim was taken over by another delivery"))
            }
        }
    }

    /// The triggers were invoked but the outcomes could not be recorded. The rescheduled message carries them.
    fn unrecorded(&self, error: &StoreError) -> StartError {
        let started = self.to_trigger.iter().filter_map(|journey| match self.record.journeys().get(&journey.name) {
            Some(JourneyOutcome::Started { at, .. }) => Some((journey.name.clone(), *at)),
            _ => None,
        });
        StartError::Transient {
            reason: Reason::new(ReasonCode::StoreUnavailable, error.to_string()),
            retry_after: None,
            not_before: Some(self.claim.expires_at),
            started: started.collect(),
        }
    }
}

fn new_claim(services: &Services, message: &Message, plan: &JourneyPlan<'_>, now: DateTime<Utc>) -> Claim {
    let event = &message.event;
    let (expires_at, ttl) = (now + services.settings.lease, services.settings.keep_records.as_secs());
    Claim::new(&event.id(), &event.channel_id, Uuid::new_v4(), expires_at, names(&plan.wanted), ttl)
}

fn names(journeys: &[&Journey]) -> Vec<String> {
    journeys.iter().map(|journey| journey.name.clone()).collect()
}

fn in_progress(existing: &Claim, record: &Record) -> StartError {
    StartError::Transient {
        reason: Reason::new(ReasonCode::InProgress, "another delivery is processing this event"),
        retry_after: None,
        not_before: (!record.status().is_final()).then_some(existing.expires_at),
        started: BTreeMap::new(),
    }
}
