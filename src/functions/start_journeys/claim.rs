//! The claim protocol: claim an event, take over an expired claim, record the outcomes, release the claim.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::invoke::Invoked;
use super::plan::{Conclusion, JourneyPlan, Selection, StartOptions, mark_interrupted};
use super::{add_record, check_not_expired};
use crate::clients::store::{Claim, Claimed, StoreError, shortened};
use crate::events::{JourneyOutcome, Message, Reason, ReasonCode, Record, Status};
use crate::functions::Services;
use crate::functions::event_log::{log_final, log_undue, record_journeys};
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
    /// The outcomes before this delivery.
    before: BTreeMap<String, JourneyOutcome>,
    /// An operator has requested it. So it may have no message, and the poller publishes it when a journey is due.
    by_operator: bool,
    retry_after: Option<Duration>,
    /// What is missing in the event if it is completed.
    note: Option<Reason>,
    /// The journeys that this delivery has started, with their times.
    started_now: BTreeMap<String, DateTime<Utc>>,
    /// Why a journey that had started before was not started again. Its first start remains recorded.
    not_repeated: Option<StartError>,
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
        let own = new_claim(services, message, plan, claimed_at);
        let owner = own.owner;
        let id = message.event.id();
        let claim = async || {
            let claimed = services.store.claim(own.clone(), &id).await;
            claimed.map_err(|error| StartError::from(error).with_unused_claim(owner))
        };
        let claimed = match claim().await? {
            Claimed::NoRecord => {
                check_not_expired(services, message, options)?;
                add_record(services, message, plan).await?;
                claim().await?
            }
            other => other,
        };
        let new = |claim, record: Box<Record>| {
            let (mut record, to_trigger, started_now) = (*record, Vec::new(), BTreeMap::new());
            // The poller records them after the publication, and this delivery may be faster.
            record.set_numbers(plan.numbers_of(&message.event));
            let (before, by_operator) = (record.journeys().clone(), options.reopens());
            let (retry_after, note, not_repeated) = (None, None, None);
            Self {
                services,
                claim,
                claimed_at,
                record,
                to_trigger,
                before,
                by_operator,
                retry_after,
                note,
                started_now,
                not_repeated,
            }
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
            Claimed::Held(existing, record) => {
                let is_unused = options.unused_claims.contains(&existing.owner);
                if existing.expires_at > claimed_at && !is_unused {
                    return Err(in_progress(&existing, &record));
                }
                let interrupted: &[String] = if is_unused { &[] } else { &existing.triggering };
                let mut event = new(own.with_version_of(&existing), record);
                event.take_over(interrupted, options, plan).await?;
                Ok(event)
            }
        }
    }

    /// Takes over the expired claim of an interrupted delivery, or one that was never used. The journeys that were
    /// `interrupted` are uncertain.
    async fn take_over(
        &mut self,
        interrupted: &[String],
        options: &StartOptions,
        plan: &JourneyPlan<'a>,
    ) -> Result<(), StartError> {
        for journey in mark_interrupted(&mut self.record, interrupted, options) {
            LogEvent::JourneyUncertain { event_id: self.record.id().as_str(), journey: &journey }.log();
        }
        self.select_journeys(options, plan);
        self.claim.triggering = names(&self.to_trigger);
        let taken_over = self.services.store.take_over(self.claim.clone(), self.record.clone()).await;
        let unused = |error| StartError::from(error).with_unused_claim(self.claim.owner);
        (self.claim, self.record) = taken_over.map_err(unused)?;
        Ok(())
    }

    fn select_journeys(&mut self, options: &StartOptions, plan: &JourneyPlan<'a>) {
        let Selection { to_trigger, held } = plan.apply(&mut self.record, options);
        if options.reopens() {
            self.record.mark_replayed(self.claimed_at);
        }
        for journey in held {
            LogEvent::JourneyHeld { event_id: self.record.id().as_str(), journey: &journey.name }.log();
        }
        self.to_trigger = to_trigger;
    }

    /// Sets what the record says if the event is completed.
    pub(super) fn set_note(&mut self, note: Option<Reason>) {
        self.note = note;
    }

    /// Adds the outcomes of the invocations to the record.
    pub(super) fn apply_outcomes(&mut self, invoked: Vec<Invoked>) {
        for (journey, Invoked { outcome, retry_after }) in self.to_trigger.iter().zip(invoked) {
            self.retry_after = self.retry_after.max(retry_after);
            if let JourneyOutcome::Started { at, .. } = &outcome {
                self.started_now.insert(journey.name.clone(), *at);
            }
            let before = self.record.journeys().get(&journey.name);
            let (outcome, not_repeated) = keep_start(before, outcome, retry_after);
            self.record.set_journey_outcome(&journey.name, outcome);
            self.not_repeated = self.not_repeated.take().or(not_repeated);
        }
    }

    /// Releases the claim without a change of the record, and returns the record.
    pub(super) async fn release(self) -> Result<Record, StartError> {
        self.services.store.release(&self.claim).await?;
        Ok(self.record)
    }

    /// Records the outcomes and releases the claim. An error always contains the journeys that have started.
    pub(super) async fn settle(mut self) -> Result<Settled, StartError> {
        let error = self.conclude(None);
        let error = match self.write_outcomes(error).await {
            Ok(error) => error,
            Err(reason) => return Err(self.unrecorded(reason)),
        };
        record_journeys(&self.record);
        log_undue(&self.before, &self.record, self.services.clock.now());
        if self.record.status().is_final() {
            log_final(&self.record, self.services.clock.now());
        }
        let started_now = self.started_now.into_keys().collect();
        Ok(Settled { record: self.record, started_now, error: error.or(self.not_repeated) })
    }

    /// Closes the event without starting its journeys, because an operator decided so.
    pub(super) async fn dismiss(mut self, detail: &str) -> Result<Record, StartError> {
        let now = self.services.clock.now();
        self.record.dismiss(detail, now, self.services.settings.keep_records.as_secs());
        self.record.mark_replayed(now);
        self.services.store.settle(&self.claim, &self.record).await?;
        log_final(&self.record, now);
        Ok(self.record)
    }

    /// Sets the record's status from the outcomes of its journeys. `None` if the event is completed. A stored record that has
    /// failed is not retried.
    fn conclude(&mut self, stored_failure: Option<Reason>) -> Option<StartError> {
        let settings = &self.services.settings;
        let (now, ttl) = (self.services.clock.now(), settings.keep_records.as_secs());
        let conclusion = match (Conclusion::of(&self.record), stored_failure) {
            (Conclusion::Retry(_) | Conclusion::Scheduled(..), Some(reason)) => Conclusion::Failed(reason),
            (conclusion, _) => conclusion,
        };
        match conclusion {
            Conclusion::Retry(reason) => {
                self.record.schedule_retry(now + 2 * settings.retry.horizon, reason.clone(), now);
                Some(StartError::transient_after(reason, self.retry_after))
            }
            Conclusion::Scheduled(until, failed) => {
                let lost = if self.by_operator { until } else { until + 2 * settings.retry.horizon };
                self.record.schedule(until, lost, failed.or_else(|| self.note.clone()));
                None
            }
            Conclusion::Failed(reason) => {
                self.record.fail(reason.clone(), now, ttl);
                Some(StartError::Permanent { reason, recorded: true })
            }
            Conclusion::Completed => {
                let earlier = || self.record.reason().filter(|reason| reason.code.is_note()).cloned();
                let note = self.note.clone().or_else(earlier);
                self.record.complete(note, now, ttl);
                None
            }
        }
    }

    /// Writes the record until that succeeds. Returns the event's conclusion, which a merge may have changed.
    async fn write_outcomes(&mut self, mut conclusion: Option<StartError>) -> Result<Option<StartError>, Reason> {
        let mut attempts = 0;
        loop {
            let Err(mut error) = self.services.store.settle(&self.claim, &self.record).await else {
                return Ok(conclusion);
            };
            if matches!(error, StoreError::Refused(_)) && attempts == 0 {
                self.record = shortened(self.record.clone(), &error);
            }
            if matches!(error, StoreError::Conflict(_)) {
                match self.rebase().await {
                    Ok(Rebased::Recorded) => return Ok(conclusion),
                    Ok(Rebased::Merged(merged)) => conclusion = merged,
                    Ok(Rebased::TakenOver) => {
                        let detail = "the claim was taken over by another delivery";
                        return Err(Reason::new(ReasonCode::InProgress, detail));
                    }
                    Err(cause) => error = cause,
                }
            }
            attempts += 1;
            let event_id = self.record.id().as_str();
            LogEvent::OutcomeNotRecorded { event_id, attempts, detail: &error.to_string() }.log();
            // After the claim has expired, another delivery may take it over.
            if attempts > SETTLE_ATTEMPTS || self.services.clock.now() >= self.claim.expires_at {
                return Err(Reason::new(ReasonCode::StoreUnavailable, error.to_string()));
            }
            if !matches!(error, StoreError::Conflict(_)) {
                self.services.clock.sleep(SETTLE_PAUSE * attempts).await;
            }
        }
    }

    /// Claims the event again after the claim was lost, and moves the outcomes onto the current record.
    async fn rebase(&mut self) -> Result<Rebased, StoreError> {
        let (claim, stored) = match self.services.store.claim(self.claim.clone(), self.record.id()).await? {
            Claimed::Acquired(claim, stored) => (claim, stored),
            Claimed::Held(..) | Claimed::NoRecord => return Ok(Rebased::TakenOver),
        };
        self.claim = claim;
        if stored.journeys() == self.record.journeys() && stored.status() == self.record.status() {
            self.services.store.release(&self.claim).await?;
            return Ok(Rebased::Recorded);
        }
        self.record.rebase_onto(&stored);
        let failure = (stored.status() == Status::Failed).then(|| stored.reason().cloned()).flatten();
        Ok(Rebased::Merged(self.conclude(failure)))
    }

    /// The triggers were invoked but the outcomes could not be recorded. The rescheduled message carries them.
    fn unrecorded(&self, reason: Reason) -> StartError {
        StartError::Transient {
            reason,
            retry_after: None,
            not_before: Some(self.claim.expires_at),
            started: self.started_now.clone(),
            unused_claim: None,
        }
    }
}

/// The outcome to record, given the one before. A journey that has started stays started, whatever becomes of a repetition
/// that an operator forces. Also returns why it was not repeated.
fn keep_start(
    before: Option<&JourneyOutcome>,
    outcome: JourneyOutcome,
    retry_after: Option<Duration>,
) -> (JourneyOutcome, Option<StartError>) {
    let Some(JourneyOutcome::Started { at, .. }) = before else { return (outcome, None) };
    let kept = JourneyOutcome::Started { at: *at, uncertain: outcome.uncertain() };
    match outcome {
        JourneyOutcome::Waiting { reason, .. } => (kept, Some(StartError::transient_after(reason, retry_after))),
        JourneyOutcome::Failed { reason, .. } => (kept, Some(StartError::Permanent { reason, recorded: true })),
        JourneyOutcome::Started { .. } | JourneyOutcome::Skipped { .. } | JourneyOutcome::Scheduled { .. } => {
            (outcome, None)
        }
    }
}

/// The recorded result of a start.
#[derive(Debug)]
pub(in crate::functions) struct Settled {
    pub(in crate::functions) record: Record,
    /// Journeys that this start has started.
    pub(in crate::functions) started_now: Vec<String>,
    /// Why not all journeys of the event have started or are skipped.
    pub(in crate::functions) error: Option<StartError>,
}

impl Settled {
    /// An event that was finished before.
    pub(super) fn unchanged(record: Record) -> Self {
        Self { record, started_now: Vec::new(), error: None }
    }
}

/// What became of outcomes whose claim was lost.
enum Rebased {
    /// The record contains them already: the write succeeded although it reported an error.
    Recorded,
    /// They are merged with the stored outcomes and can be written. Contains the event's conclusion.
    Merged(Option<StartError>),
    /// Another delivery holds the claim, or the record does not exist any more.
    TakenOver,
}

fn new_claim(services: &Services, message: &Message, plan: &JourneyPlan<'_>, now: DateTime<Utc>) -> Claim {
    let event = &message.event;
    let (expires_at, ttl) = (now + services.settings.lease, services.settings.claim_time_to_live().as_secs());
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
        unused_claim: None,
    }
}
