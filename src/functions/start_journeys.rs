//! Starts the journeys of one event, each once: the heart of `process-message` and `trigger-journey`.
//!
//! The order of effects is the guarantee. The contact is found or created first, which may happen any number of
//! times. Then one write claims the event and names the journeys about to be triggered; then their triggers are
//! invoked; then one write records what came of it and gives the claim back. Whoever finds a claim that ran out knows
//! that its journeys are uncertain, and that no other journey was ever touched.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;
use uuid::Uuid;

use super::contacts::{ContactFate, resolve};
use super::enrich::needs_order;
use super::person::person_of;
use super::setback::{Setback, Terms};
use crate::app::App;
use crate::clients::dataverse::DataverseError;
use crate::clients::store::{Claim, Claimed, StoreError};
use crate::contacts::Person;
use crate::events::{JourneyOutcome, Message, Reason, ReasonCode, Record, Status, traceparent};
use crate::journeys::{Journey, OnUncertain, View};
use crate::telemetry::vocabulary::age_ms;
use crate::telemetry::{LogEvent, invocation, traces};

/// Starts the journeys of `message`. On success every journey has started or is skipped, and the record says so.
pub(super) async fn start_journeys(app: &App, message: &Message, terms: &Terms) -> Result<Record, Setback> {
    let started = traces::replay(&message.event).around(start(app, message, terms)).await;
    if let Ok(record) = &started {
        invocation::note(|facts| facts.journeys(record));
    }
    started
}

async fn start(app: &App, message: &Message, terms: &Terms) -> Result<Record, Setback> {
    let event = &message.event;
    if needs_order(event) && message.order.is_none() {
        return Err(Setback::never(
            ReasonCode::OrderNotFound,
            "the message of a checkout holds no order; redrive it once the order is there",
        ));
    }
    if terms.look_first
        && let Some(record) = app.store.record(&event.channel_id, &event.id()).await?
    {
        conclude_if_final(&record, terms)?;
        if record.status == Status::Processed && !terms.force {
            return Ok(record);
        }
    }
    let view = View::new(message);
    let person = person_of(&view, event);
    let plan = Plan::of(app, &view, event, &person);
    if plan.wanted.is_empty() {
        return skip_all(app, message, &plan).await;
    }
    let contact = resolve(app, &person).await?;
    invocation::note(|facts| facts.contact = Some(contact.fate));
    if contact.fate == ContactFate::Created {
        LogEvent::ContactCreated { event_id: &event.id(), contact_id: contact.id }.log();
    }
    let mut work = Work::begin(app, message, terms, &plan).await?;
    if work.record.status.is_final() {
        // An earlier delivery has decided everything; there is nothing new to tell.
        app.store.release(&work.claim).await?;
        return conclude(work.record, terms);
    }
    work.record.contact_id = Some(contact.id);
    work.invoke(&view, contact.id).await;
    work.settle().await
}

/// Which journeys this message asks for.
struct Plan<'a> {
    wanted: Vec<&'a Journey>,
    skipped: BTreeMap<String, JourneyOutcome>,
}

impl<'a> Plan<'a> {
    fn of(app: &'a App, view: &View<'_>, event: &'a crate::events::CommerceEvent, person: &Person) -> Self {
        let mut plan = Self { wanted: Vec::new(), skipped: BTreeMap::new() };
        for journey in app.journeys.of_type(&event.event_type) {
            let nobody = (!person.is_known())
                .then(|| "the event names neither an account number nor an e-mail address".to_owned());
            match nobody.or_else(|| journey.unmet(view)) {
                Some(because) => drop(plan.skipped.insert(journey.name.clone(), JourneyOutcome::Skipped { because })),
                None => plan.wanted.push(journey),
            }
        }
        plan
    }

    fn names(journeys: &[&Journey]) -> Vec<String> {
        journeys.iter().map(|journey| journey.name.clone()).collect()
    }
}

/// Nothing to trigger: the record is finished without claim, contact or trigger.
async fn skip_all(app: &App, message: &Message, plan: &Plan<'_>) -> Result<Record, Setback> {
    let event = &message.event;
    let now = app.clock.now();
    let record = match app.store.record(&event.channel_id, &event.id()).await? {
        Some(record) => record,
        None => add_record(app, message).await?,
    };
    if record.status.is_final() {
        return Ok(record);
    }
    let mut record = record;
    record.journeys.extend(plan.skipped.clone());
    let note = record.reason.take();
    record.finish(Status::Processed, note, now, app.settings.keep_records.as_secs());
    let saved = app.store.save(vec![record]).await?;
    match saved.written.into_iter().next() {
        Some(record) => {
            LogEvent::log_final(&record, now);
            Ok(record)
        }
        None => Err(Setback::retry(ReasonCode::InProgress, "the record was written by somebody else in the meantime")),
    }
}

/// The record of an event that was published by somebody else, or whose record has expired.
async fn add_record(app: &App, message: &Message) -> Result<Record, Setback> {
    let now = app.clock.now();
    let mut record = Record::new(message.event.clone(), Uuid::new_v4(), now, now + app.settings.lease);
    record.published(now, now + 2 * app.settings.retry.horizon);
    let added = app.store.add(vec![record]).await?;
    added
        .into_iter()
        .next()
        .ok_or_else(|| Setback::retry(ReasonCode::InProgress, "the record appeared in the meantime"))
}

/// What a final record means on these terms.
fn conclude_if_final(record: &Record, terms: &Terms) -> Result<(), Setback> {
    if record.status == Status::Failed && !terms.reopen && !terms.force {
        let unknown = || Reason::new(ReasonCode::MalformedEvent, "the record names no reason");
        return Err(Setback::Never { reason: record.reason.clone().unwrap_or_else(unknown), recorded: true });
    }
    Ok(())
}

fn conclude(record: Record, terms: &Terms) -> Result<Record, Setback> {
    conclude_if_final(&record, terms).map(|()| record)
}

/// A claimed event.
struct Work<'a> {
    app: &'a App,
    claim: Claim,
    claimed_at: DateTime<Utc>,
    record: Record,
    /// Journeys to trigger now.
    now: Vec<&'a Journey>,
    retry_after: Option<Duration>,
}

impl<'a> Work<'a> {
    /// Claims the event, and decides which of the wanted journeys are to be triggered now.
    async fn begin(app: &'a App, message: &Message, terms: &Terms, plan: &Plan<'a>) -> Result<Self, Setback> {
        let event = &message.event;
        let id = event.id();
        let claimed_at = app.clock.now();
        let (until, keep) = (claimed_at + app.settings.lease, app.settings.keep_records.as_secs());
        let claim = || Claim::new(&id, &event.channel_id, Uuid::new_v4(), until, Plan::names(&plan.wanted), keep);
        let claimed = match app.store.claim(claim(), &id).await? {
            Claimed::NoRecord => {
                add_record(app, message).await?;
                app.store.claim(claim(), &id).await?
            }
            other => other,
        };
        match claimed {
            Claimed::NoRecord => Err(Setback::retry(ReasonCode::StoreUnavailable, "the record was there and is gone")),
            Claimed::Ours(claim, record) => {
                let mut work = Self { app, claim, claimed_at, record: *record, now: Vec::new(), retry_after: None };
                work.choose(terms, plan);
                Ok(work)
            }
            Claimed::Taken(theirs, record) if theirs.until > claimed_at => {
                let reason = Reason::new(ReasonCode::InProgress, "another delivery of this event is at work");
                let not_before = (!record.status.is_final()).then_some(theirs.until);
                Err(Setback::Retry { reason, retry_after: None, not_before, started: BTreeMap::new() })
            }
            Claimed::Taken(theirs, record) => {
                let mut work =
                    Self { app, claim: claim(), claimed_at, record: *record, now: Vec::new(), retry_after: None };
                work.take_over(theirs, terms, plan).await?;
                Ok(work)
            }
        }
    }

    /// Goes on where a delivery died: what it may have been triggering is uncertain now.
    async fn take_over(&mut self, theirs: Claim, terms: &Terms, plan: &Plan<'a>) -> Result<(), Setback> {
        for name in &theirs.triggering {
            let before = self.record.journeys.get(name);
            if matches!(before, Some(JourneyOutcome::Started { .. } | JourneyOutcome::Skipped { .. }))
                || terms.started.contains_key(name)
            {
                continue;
            }
            LogEvent::JourneyUncertain { event_id: &self.record.id, journey: name }.log();
            let uncertain = before.map_or(0, JourneyOutcome::uncertain) + 1;
            let reason = Reason::new(
                ReasonCode::AnswerLost,
                "the process died between invoking the trigger and recording its answer",
            );
            self.record.journeys.insert(name.clone(), JourneyOutcome::Waiting { reason, uncertain });
        }
        self.choose(terms, plan);
        self.claim.etag = theirs.etag;
        self.claim.triggering = Plan::names(&self.now);
        let (claim, record) = self.app.store.mark(self.claim.clone(), self.record.clone()).await?;
        (self.claim, self.record) = (claim, record);
        Ok(())
    }

    /// Which journeys are to be triggered now, by what the record says of each.
    fn choose(&mut self, terms: &Terms, plan: &Plan<'a>) {
        let is_final = self.record.status.is_final();
        if is_final && !terms.reopen && !terms.force {
            return;
        }
        if is_final {
            self.record.reopen();
        }
        self.record.journeys.extend(plan.skipped.clone());
        for (name, at) in &terms.started {
            let uncertain = self.record.journeys.get(name).map_or(0, JourneyOutcome::uncertain);
            self.record.journeys.insert(name.clone(), JourneyOutcome::Started { at: *at, uncertain });
        }
        for journey in &plan.wanted {
            let before = self.record.journeys.get(&journey.name);
            let uncertain = before.map_or(0, JourneyOutcome::uncertain);
            match before {
                Some(JourneyOutcome::Started { .. }) if !terms.force => {}
                _ if uncertain > 0 && journey.on_uncertain == OnUncertain::Hold && !terms.force => {
                    LogEvent::JourneyHeld { event_id: &self.record.id, journey: &journey.name }.log();
                    let reason = Reason::new(
                        ReasonCode::Held,
                        "an earlier invocation may have started this journey; find out, then replay with force or leave it",
                    );
                    self.record.journeys.insert(journey.name.clone(), JourneyOutcome::Failed { reason, uncertain });
                }
                Some(JourneyOutcome::Failed { .. }) if !terms.reopen && !terms.force => {}
                _ => self.now.push(journey),
            }
        }
    }

    /// Invokes all triggers at once and notes what came of each.
    async fn invoke(&mut self, view: &View<'_>, contact: Uuid) {
        let invocations = self.now.iter().map(|journey| self.invoke_one(journey, view, contact));
        let outcomes = join_all(invocations).await;
        for (journey, (outcome, retry_after)) in self.now.iter().zip(outcomes) {
            self.retry_after = self.retry_after.max(retry_after);
            self.record.journeys.insert(journey.name.clone(), outcome);
        }
    }

    async fn invoke_one(
        &self,
        journey: &Journey,
        view: &View<'_>,
        contact: Uuid,
    ) -> (JourneyOutcome, Option<Duration>) {
        let app = self.app;
        let uncertain = self.record.journeys.get(&journey.name).map_or(0, JourneyOutcome::uncertain);
        let waiting =
            |code, detail: String, uncertain| JourneyOutcome::Waiting { reason: Reason::new(code, detail), uncertain };
        let failed = |code, detail: String| JourneyOutcome::Failed { reason: Reason::new(code, detail), uncertain };
        let parameters = match journey.fill(view, contact, app.clock.now()) {
            Ok(parameters) => parameters,
            Err(missing) => {
                let outcome = failed(ReasonCode::ParameterMissing, missing.to_string());
                self.log_not_started(journey, &outcome);
                return (outcome, None);
            }
        };
        // A claim that is about to run out protects nobody: a machine that was asleep since must not wake up and fire.
        if app.clock.now() - self.claimed_at > chrono::TimeDelta::from_std(app.settings.lease / 4).unwrap_or_default() {
            return (
                waiting(ReasonCode::InProgress, "too long ago since the event was claimed".to_owned(), uncertain),
                None,
            );
        }
        let invoked = app.dataverse.invoke(&journey.trigger, &parameters, &traceparent(&self.record)).await;
        match invoked {
            Ok(()) => {
                let at = app.clock.now();
                self.log_started(journey, contact, uncertain, at);
                (JourneyOutcome::Started { at, uncertain }, None)
            }
            Err(error) => {
                let detail = error.to_string();
                let (outcome, retry_after) = match error {
                    DataverseError::AnswerLost(_) => (waiting(ReasonCode::AnswerLost, detail, uncertain + 1), None),
                    DataverseError::Unavailable { retry_after, .. } => {
                        (waiting(ReasonCode::DataverseUnavailable, detail, uncertain), retry_after)
                    }
                    DataverseError::Denied(_) => (waiting(ReasonCode::DataverseUnavailable, detail, uncertain), None),
                    DataverseError::NotFound { .. } => (
                        waiting(
                            ReasonCode::TriggerMissing,
                            format!("{detail}; publish the trigger {}", journey.trigger),
                            uncertain,
                        ),
                        None,
                    ),
                    DataverseError::Refused(_) | DataverseError::Conflict(_) => {
                        (failed(ReasonCode::TriggerRefused, detail), None)
                    }
                };
                self.log_not_started(journey, &outcome);
                (outcome, retry_after)
            }
        }
    }

    fn log_started(&self, journey: &Journey, contact_id: Uuid, uncertain: u32, at: DateTime<Utc>) {
        let latency_ms = age_ms(&self.record, at);
        invocation::note(|facts| facts.latency_ms = facts.latency_ms.max(Some(latency_ms)));
        let (event_id, journey) = (&self.record.id, journey.name.as_str());
        LogEvent::JourneyStarted { event_id, journey, contact_id, latency_ms, uncertain }.log();
    }

    fn log_not_started(&self, journey: &Journey, outcome: &JourneyOutcome) {
        if let JourneyOutcome::Waiting { reason, .. } | JourneyOutcome::Failed { reason, .. } = outcome {
            let (event_id, journey) = (&self.record.id, journey.name.as_str());
            LogEvent::JourneyNotStarted { event_id, journey, reason: reason.code, detail: &reason.detail }.log();
        }
    }

    /// Records the outcomes and gives the claim back.
    async fn settle(mut self) -> Result<Record, Setback> {
        let verdict = self.verdict();
        let mut attempt = 0;
        loop {
            let error = match self.app.store.settle(&self.claim, &self.record).await {
                Ok(()) => break,
                Err(error) => error,
            };
            attempt += 1;
            LogEvent::OutcomeNotRecorded { event_id: &self.record.id, attempts: attempt, detail: &error.to_string() }
                .log();
            if attempt > SETTLE_ATTEMPTS {
                return Err(self.unrecorded(error));
            }
            if matches!(error, StoreError::Conflict(_)) {
                if self.rebase().await? {
                    break;
                }
            } else {
                self.app.clock.sleep(SETTLE_PAUSE * attempt).await;
            }
        }
        invocation::note(|facts| facts.journeys(&self.record));
        if self.record.status.is_final() {
            LogEvent::log_final(&self.record, self.app.clock.now());
        }
        match verdict {
            Some(setback) => Err(setback),
            None => Ok(self.record),
        }
    }

    /// Sums the journeys' outcomes up in the record. `None` if the event is done.
    fn verdict(&mut self) -> Option<Setback> {
        let (now, keep) = (self.app.clock.now(), self.app.settings.keep_records.as_secs());
        let reasons =
            |wanted: fn(&JourneyOutcome) -> Option<&Reason>| self.record.journeys.values().find_map(wanted).cloned();
        let waiting =
            reasons(|outcome| if let JourneyOutcome::Waiting { reason, .. } = outcome { Some(reason) } else { None });
        let failed =
            reasons(|outcome| if let JourneyOutcome::Failed { reason, .. } = outcome { Some(reason) } else { None });
        match (waiting, failed) {
            (Some(reason), _) => {
                self.record.retry_at(now + 2 * self.app.settings.retry.horizon, reason.clone(), now);
                Some(Setback::Retry {
                    reason,
                    retry_after: self.retry_after,
                    not_before: None,
                    started: BTreeMap::new(),
                })
            }
            (None, Some(reason)) => {
                self.record.finish(Status::Failed, Some(reason.clone()), now, keep);
                Some(Setback::Never { reason, recorded: true })
            }
            (None, None) => {
                let note = self.record.reason.take().filter(|reason| reason.code == ReasonCode::CustomerNotFound);
                self.record.finish(Status::Processed, note, now, keep);
                None
            }
        }
    }

    /// The claim is gone or another's: claims again and puts the outcomes on the record as it is now. `true` if it holds
    /// them already, because the write that seemed to fail did not.
    async fn rebase(&mut self) -> Result<bool, Setback> {
        let claimed = self.app.store.claim(self.claim.clone(), &self.record.id).await?;
        match claimed {
            Claimed::Ours(claim, current) => {
                let already = current.journeys == self.record.journeys && current.status == self.record.status;
                self.claim = claim;
                let mut merged = self.record.clone();
                merged.etag.clone_from(&current.etag);
                merged.published_at = current.published_at.or(merged.published_at);
                merged.publications = current.publications.max(merged.publications);
                self.record = merged;
                if already {
                    self.app.store.release(&self.claim).await?;
                }
                Ok(already)
            }
            Claimed::Taken(..) | Claimed::NoRecord => {
                Err(Setback::retry(ReasonCode::InProgress, "the claim was taken over by another delivery"))
            }
        }
    }

    /// The triggers were invoked and the store cannot be told: what is known travels with the retry.
    fn unrecorded(&self, error: StoreError) -> Setback {
        let started = self.now.iter().filter_map(|journey| match self.record.journeys.get(&journey.name) {
            Some(JourneyOutcome::Started { at, .. }) => Some((journey.name.clone(), *at)),
            _ => None,
        });
        let started = started.collect();
        let reason = Reason::new(ReasonCode::StoreUnavailable, error.to_string());
        Setback::Retry { reason, retry_after: None, not_before: Some(self.claim.until), started }
    }
}

/// Attempts to record an outcome, with growing pauses, before its retry is left to a later delivery.
const SETTLE_ATTEMPTS: u32 = 6;
const SETTLE_PAUSE: Duration = Duration::from_millis(500);
