//! Which journeys of an event are due, and which other events prevent them, before the contact is looked up.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::check_not_failed;
use super::claim::Settled;
use super::frequency::owner_of_marker;
use super::plan::{Force, StartOptions};
use crate::clients::store::StoreError;
use crate::contacts::Person;
use crate::events::{CommerceEvent, JourneyOutcome, KnownEvent, Record, SkipCode, Status};
use crate::functions::Services;
use crate::functions::enrich::EnrichError;
use crate::functions::reread::{Reread, reread};
use crate::functions::start_error::StartError;
use crate::journeys::{Details, Journey, Obstacle};

/// The journeys of an event, by what is known so far.
#[derive(Default)]
pub(super) struct Prospect<'a> {
    /// Journeys that are due.
    pub(super) due: Vec<&'a Journey>,
    /// Journeys that are not, and when they are.
    pub(super) scheduled: BTreeMap<String, DateTime<Utc>>,
    /// Journeys that other events prevent.
    pub(super) prevented: BTreeMap<String, JourneyOutcome>,
    /// The recorded outcomes, if the record was read.
    pub(super) recorded: BTreeMap<String, JourneyOutcome>,
}

impl<'a> Prospect<'a> {
    /// The selected journeys of an event of this type, by their time.
    pub(super) fn new(services: &'a Services, event: &'a CommerceEvent, options: &StartOptions) -> Self {
        let (now, mut prospect) = (services.clock.now(), Self::default());
        for journey in services.journeys.of_type(&event.event_type).filter(|journey| options.selects(journey)) {
            match journey.rules.due_at(event.occurred_at()).filter(|due_at| *due_at > now && !options.early) {
                Some(due_at) => drop(prospect.scheduled.insert(journey.name.clone(), due_at)),
                None => prospect.due.push(journey),
            }
        }
        prospect
    }

    /// Reads what is recorded of the event and of others, as far as a journey that is due depends on it. Returns the result if
    /// there is nothing to start.
    pub(super) async fn look_up(
        &mut self,
        services: &Services,
        event: &CommerceEvent,
        options: &StartOptions,
    ) -> Result<Option<Settled>, StartError> {
        let depends = self.due.iter().any(|journey| journey.rules.depends_on_others());
        let known = if depends { services.store.events_of_transaction(event).await? } else { Vec::new() };
        let own = known.iter().find(|known| known.id == event.id());
        let is_final = own.is_some_and(|own| own.status.is_final());
        self.recorded = own.map(|own| own.journeys.clone()).unwrap_or_default();
        if options.check_record_first || is_final || own.is_none() && self.has_waited() {
            let record = services.store.record(&event.channel_id, &event.id()).await?;
            if let Some(record) = record {
                if is_settled(&record, options)? {
                    return Ok(Some(Settled::unchanged(record)));
                }
                self.recorded.clone_from(record.journeys());
            }
        }
        self.apply(event, &known, options);
        Ok(None)
    }

    /// Reads what is recorded of the customer's other events, as far as a journey depends on it.
    pub(super) async fn look_up_customer(
        &mut self,
        services: &Services,
        event: &CommerceEvent,
        person: &Person,
        options: &StartOptions,
    ) -> Result<(), StoreError> {
        let Some(number) = &person.number else { return Ok(()) };
        if !self.due.iter().any(|journey| journey.rules.depends_on_customer()) {
            return Ok(());
        }
        let known = services.store.events_of_customer(&event.data_area_id, number).await?;
        self.apply(event, &known, options);
        Ok(())
    }

    /// The event with the cart as it is now, for a journey that has waited.
    pub(super) async fn reread(
        &self,
        services: &Services,
        event: &CommerceEvent,
        options: &StartOptions,
    ) -> Result<Option<Reread>, StartError> {
        let is_cart = services.journeys.event_type(&event.event_type).details == Some(Details::Cart);
        if options.is_current || !is_cart || !self.has_waited() {
            return Ok(None);
        }
        let now = services.clock.now();
        let record = Record::new(event.clone(), uuid::Uuid::nil(), now, now);
        match reread(services, &record, !options.may_skip_update).await {
            Ok(reread) => Ok(Some(reread)),
            Err(EnrichError { reason, is_permanent: true, .. }) => {
                Err(StartError::Permanent { reason, recorded: false })
            }
            Err(EnrichError { reason, retry_after, .. }) => Err(StartError::transient_after(reason, retry_after)),
        }
    }

    fn has_waited(&self) -> bool {
        self.due.iter().any(|journey| !journey.rules.after.is_zero())
    }

    /// Whether the journey has started, or may have.
    pub(super) fn may_have_started(&self, journey: &Journey) -> bool {
        let before = self.recorded.get(&journey.name);
        before.is_some_and(|before| matches!(before, JourneyOutcome::Started { .. }) || before.uncertain() > 0)
    }

    /// Takes out the journeys that one of these events prevents. An operator can start them nevertheless, and what may have
    /// started is decided by `onUncertain`.
    fn apply(&mut self, event: &CommerceEvent, known: &[KnownEvent], options: &StartOptions) {
        if options.force == Force::Started {
            return;
        }
        let own = KnownEvent::new(event);
        for journey in std::mem::take(&mut self.due) {
            match journey.rules.obstacle(&own, known).filter(|_| !self.may_have_started(journey)) {
                Some(obstacle) => drop(self.prevented.insert(journey.name.clone(), outcome_of(&obstacle))),
                None => self.due.push(journey),
            }
        }
    }
}

/// Whether the record leaves nothing to start.
fn is_settled(record: &Record, options: &StartOptions) -> Result<bool, StartError> {
    check_not_failed(record, options)?;
    let is_done = record.status() == Status::Processed && !options.repeats();
    Ok(is_done || options.only.is_some() && !record.has_outcomes())
}

/// The journeys of an event that would be prevented now, with the reasons. Takes no markers.
pub(in crate::functions) async fn prevented(
    services: &Services,
    event: &CommerceEvent,
    person: &Person,
) -> Result<BTreeMap<String, String>, StoreError> {
    let options = StartOptions { early: true, ..StartOptions::default() };
    let mut prospect = Prospect::new(services, event, &options);
    if prospect.due.iter().any(|journey| journey.rules.depends_on_others()) {
        prospect.apply(event, &services.store.events_of_transaction(event).await?, &options);
        prospect.look_up_customer(services, event, person, &options).await?;
    }
    let mut prevented: BTreeMap<String, String> = prospect.prevented.iter().filter_map(reason).collect();
    for journey in prospect.due {
        prevented
            .extend(owner_of_marker(services, journey, event, person).await?.map(|why| (journey.name.clone(), why)));
    }
    Ok(prevented)
}

fn reason((name, outcome): (&String, &JourneyOutcome)) -> Option<(String, String)> {
    match outcome {
        JourneyOutcome::Skipped { because, .. } => Some((name.clone(), because.clone())),
        _ => None,
    }
}

fn outcome_of(obstacle: &Obstacle) -> JourneyOutcome {
    match obstacle {
        Obstacle::Superseded => {
            JourneyOutcome::skipped(SkipCode::Superseded, "a later event of this type and transaction counts instead")
        }
        Obstacle::Precluded(event_type) => {
            JourneyOutcome::skipped(SkipCode::Precluded, format!("{event_type} has happened"))
        }
    }
}
