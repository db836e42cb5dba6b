//! Which journeys of an event are skipped, held or triggered now. Pure: no network and no clock.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::prospect::Prospect;
use crate::contacts::Person;
use crate::events::{CommerceEvent, JourneyOutcome, Numbers, Reason, ReasonCode, Record, SkipCode};
use crate::journeys::{Journey, OnUncertain, View};

/// How an event's journeys are to be started.
#[derive(Clone, Debug, Default)]
pub(in crate::functions) struct StartOptions {
    /// Read the record first, because it may be final already.
    pub(in crate::functions) check_record_first: bool,
    /// An operator asks for it: a failed record is reopened.
    pub(in crate::functions) reopen: bool,
    /// Which journeys an operator starts although the record speaks against it.
    pub(in crate::functions) force: Force,
    /// An operator names the journeys to start. The others stay as they are.
    pub(in crate::functions) only: Option<BTreeSet<String>>,
    /// Journeys that have started although their record does not say so.
    pub(in crate::functions) started: BTreeMap<String, DateTime<Utc>>,
    /// The owners of claims under which nothing was invoked: the answers to their requests were lost.
    pub(in crate::functions) unused_claims: Vec<Uuid>,
    /// Use the contact although Dataverse was not available for adding its missing number or address. Journeys do not need
    /// them, so they do not wait for that for long.
    pub(in crate::functions) may_skip_update: bool,
    /// Start journeys that are not due yet.
    pub(in crate::functions) early: bool,
    /// The data of the message was read just now, or comes from an operator.
    pub(in crate::functions) is_current: bool,
    /// What the message has to do without, if its data was read just now.
    pub(in crate::functions) note: Option<Reason>,
}

/// Which journeys an operator starts although the record speaks against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::functions) enum Force {
    /// None.
    #[default]
    No,
    /// Those that are held. Those that have started are not started again.
    Held,
    /// Those that are held, and those that have started.
    Started,
}

impl StartOptions {
    /// Whether a final record is reopened.
    pub(super) fn reopens(&self) -> bool {
        self.reopen || self.force != Force::No
    }

    /// Whether a processed event has something to do: journeys that have started are started again.
    pub(super) fn repeats(&self) -> bool {
        self.force == Force::Started
    }

    pub(super) fn selects(&self, journey: &Journey) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&journey.name))
    }
}

/// The journeys of an event, divided by what is to be done with them.
#[derive(Default)]
pub(super) struct JourneyPlan<'a> {
    /// The numbers of the order or the cart.
    numbers: Numbers,
    pub(super) wanted: Vec<&'a Journey>,
    skipped: BTreeMap<String, JourneyOutcome>,
    /// Journeys that are not due yet, and when they are.
    scheduled: BTreeMap<String, DateTime<Utc>>,
    /// Whether more than the conditions decided, so that the record and its claim have to be looked at.
    pub(super) needs_claim: bool,
    /// Journeys whose contact must not be used, and why.
    unusable: Option<(Vec<&'a Journey>, Reason)>,
}

/// What applying a plan to a record leads to.
#[derive(Debug, Default)]
pub(super) struct Selection<'a> {
    /// Journeys to trigger now.
    pub(super) to_trigger: Vec<&'a Journey>,
    /// Journeys that need an operator.
    pub(super) held: Vec<&'a Journey>,
}

/// What to do with one wanted journey.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Keep,
    Hold,
    Trigger,
}

/// Why `journey` is skipped, if it is.
pub(in crate::functions) fn skip_reason(
    journey: &Journey,
    view: &View<'_>,
    person: &Person,
) -> Option<(SkipCode, String)> {
    if !person.is_known() {
        let because = "the event contains neither the account number of a person nor an e-mail address";
        return Some((SkipCode::NoCustomer, because.to_owned()));
    }
    journey.unmet(view).map(|because| (SkipCode::ConditionNotMet, because))
}

impl<'a> JourneyPlan<'a> {
    /// The plan for these journeys.
    pub(super) fn new(prospect: &Prospect<'a>, view: &View<'_>, person: &Person) -> Self {
        let Prospect { due, scheduled, prevented, .. } = prospect;
        let has_waited = due.iter().any(|journey| !journey.rules.after.is_zero());
        let mut plan = Self {
            numbers: view.numbers(),
            needs_claim: has_waited || !scheduled.is_empty() || !prevented.is_empty(),
            scheduled: scheduled.clone(),
            skipped: prevented.clone(),
            ..Self::default()
        };
        for journey in due {
            match skip_reason(journey, view, person) {
                Some((code, because)) => {
                    drop(plan.skipped.insert(journey.name.clone(), JourneyOutcome::skipped(code, because)))
                }
                None => plan.wanted.push(journey),
            }
        }
        plan
    }

    /// The numbers by which an operator finds the event.
    pub(super) fn numbers_of(&self, event: &CommerceEvent) -> Numbers {
        self.numbers.clone().with_customer(&event.customer_id)
    }

    /// Skips a journey that was wanted.
    pub(super) fn skip(&mut self, journey: &Journey, outcome: JourneyOutcome) {
        self.wanted.retain(|wanted| wanted.name != journey.name);
        self.skipped.insert(journey.name.clone(), outcome);
        self.needs_claim = true;
    }

    /// The same plan without journeys to trigger, because the contact must not be used.
    pub(super) fn without_contact(mut self, reason: Reason) -> Self {
        self.unusable = Some((std::mem::take(&mut self.wanted), reason));
        self
    }

    /// Records the skipped journeys, except those that have started, and those that are not due yet.
    pub(super) fn record_undue(&self, record: &mut Record) {
        for (name, outcome) in &self.skipped {
            let (JourneyOutcome::Skipped { code, because, .. }, uncertain) = (outcome, record.uncertain(name)) else {
                continue;
            };
            if !matches!(record.journeys().get(name), Some(JourneyOutcome::Started { .. })) {
                let outcome = JourneyOutcome::Skipped { code: *code, because: because.clone(), uncertain };
                record.set_journey_outcome(name, outcome);
            }
        }
        for (name, until) in &self.scheduled {
            if matches!(record.journeys().get(name), None | Some(JourneyOutcome::Scheduled { .. })) {
                record.set_journey_outcome(name, JourneyOutcome::Scheduled { until: *until });
            }
        }
    }

    /// Selects the journeys to trigger now, and records those that are skipped, held, or known to have started. A final
    /// record selects none, unless it is reopened.
    pub(super) fn apply(&self, record: &mut Record, options: &StartOptions) -> Selection<'a> {
        let mut selection = Selection::default();
        if record.status().is_final() {
            if !options.reopens() {
                return selection;
            }
            record.reopen();
        }
        self.record_undue(record);
        for (name, at) in &options.started {
            let uncertain = record.uncertain(name);
            record.set_journey_outcome(name, JourneyOutcome::Started { at: *at, uncertain });
        }
        if let Some((journeys, reason)) = &self.unusable {
            journeys.iter().for_each(|journey| skip_unusable(record, journey, reason));
        }
        for journey in &self.wanted {
            match decide(journey, record.journeys().get(&journey.name), options) {
                Decision::Keep => {}
                Decision::Trigger => selection.to_trigger.push(journey),
                Decision::Hold => {
                    let uncertain = record.uncertain(&journey.name);
                    record.set_journey_outcome(&journey.name, held(uncertain));
                    selection.held.push(journey);
                }
            }
        }
        selection
    }
}

/// Skips a journey whose contact must not be used. One that has started, or may have, keeps what is known about it.
fn skip_unusable(record: &mut Record, journey: &Journey, reason: &Reason) {
    let uncertain = record.uncertain(&journey.name);
    let outcome = match record.journeys().get(&journey.name) {
        Some(JourneyOutcome::Started { .. }) => return,
        _ if uncertain > 0 => JourneyOutcome::Failed { reason: reason.clone(), uncertain },
        _ => JourneyOutcome::skipped(SkipCode::ContactInactive, &*reason.detail),
    };
    record.set_journey_outcome(&journey.name, outcome);
}

fn decide(journey: &Journey, before: Option<&JourneyOutcome>, options: &StartOptions) -> Decision {
    let uncertain = before.map_or(0, JourneyOutcome::uncertain);
    match before {
        _ if options.force == Force::Started => Decision::Trigger,
        Some(JourneyOutcome::Started { .. }) => Decision::Keep,
        _ if options.force == Force::Held => Decision::Trigger,
        _ if uncertain > 0 && journey.on_uncertain == OnUncertain::Hold => Decision::Hold,
        Some(JourneyOutcome::Failed { .. } | JourneyOutcome::Skipped { .. }) if !options.reopen => Decision::Keep,
        _ => Decision::Trigger,
    }
}

fn held(uncertain: u32) -> JourneyOutcome {
    let reason = Reason::new(
        ReasonCode::Held,
        "an earlier invocation may have started this journey; look in Customer Insights - Journeys, then release it if it has not started, or dismiss the event",
    );
    JourneyOutcome::Failed { reason, uncertain }
}

/// Marks the journeys that an interrupted delivery may have started. Returns those that are uncertain now.
pub(super) fn mark_interrupted(record: &mut Record, triggering: &[String], options: &StartOptions) -> Vec<String> {
    let mut marked = Vec::new();
    for name in triggering {
        let before = record.journeys().get(name);
        let is_certain = matches!(before, Some(JourneyOutcome::Started { .. } | JourneyOutcome::Skipped { .. }));
        if is_certain || options.started.contains_key(name) {
            continue;
        }
        let reason = Reason::new(
            ReasonCode::AnswerLost,
            "the process ended after it invoked the trigger and before it recorded the answer",
        );
        let uncertain = record.uncertain(name) + 1;
        record.set_journey_outcome(name, JourneyOutcome::Waiting { reason, uncertain });
        marked.push(name.clone());
    }
    marked
}

/// The status of an event whose triggers have been invoked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Conclusion {
    /// At least one journey will be retried.
    Retry(Reason),
    /// No journey will be retried, and at least one is not due yet. Contains the time, and the reason of a failed one.
    Scheduled(DateTime<Utc>, Option<Reason>),
    /// No journey will be retried, and at least one has failed.
    Failed(Reason),
    /// Every journey has started or is skipped.
    Completed,
}

impl Conclusion {
    pub(super) fn of(record: &Record) -> Self {
        let outcomes = || record.journeys().values();
        let waiting = outcomes().find_map(|outcome| match outcome {
            JourneyOutcome::Waiting { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        let failed = outcomes().find_map(|outcome| match outcome {
            JourneyOutcome::Failed { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        match (waiting, record.next_due(), failed) {
            (Some(reason), _, _) => Self::Retry(reason),
            (None, Some(until), failed) => Self::Scheduled(until, failed),
            (None, None, Some(reason)) => Self::Failed(reason),
            (None, None, None) => Self::Completed,
        }
    }
}
