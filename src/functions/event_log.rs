//! What the functions log and trace about an event.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::events::{CommerceEvent, EventId, JourneyOutcome, Reason, ReasonCode, Record, Status};
use crate::telemetry::traces::TracedEvent;
use crate::telemetry::{LogEvent, invocation};

/// The names of a record's journeys by their state.
#[derive(Debug, Default)]
struct JourneysByState<'a> {
    started: Vec<&'a str>,
    skipped: Vec<&'a str>,
    failed: Vec<&'a str>,
    waiting: Vec<&'a str>,
    scheduled: Vec<&'a str>,
    held: Vec<&'a str>,
    uncertain: Vec<&'a str>,
}

impl<'a> JourneysByState<'a> {
    fn of(record: &'a Record) -> Self {
        let mut journeys = Self::default();
        for (name, outcome) in record.journeys() {
            let state = match outcome {
                JourneyOutcome::Started { .. } => &mut journeys.started,
                JourneyOutcome::Skipped { .. } => &mut journeys.skipped,
                JourneyOutcome::Waiting { .. } => &mut journeys.waiting,
                JourneyOutcome::Scheduled { .. } => &mut journeys.scheduled,
                JourneyOutcome::Failed { reason, .. } if reason.code == ReasonCode::Held => &mut journeys.held,
                JourneyOutcome::Failed { .. } => &mut journeys.failed,
            };
            state.push(name);
            if outcome.uncertain() > 0 {
                journeys.uncertain.push(name);
            }
        }
        journeys
    }
}

/// Logs that a record has reached its final status.
pub(super) fn log_final(record: &Record, now: DateTime<Utc>) {
    let JourneysByState { started, skipped, failed, held, uncertain, .. } = JourneysByState::of(record);
    let (event_id, event_type) = (record.id().as_str(), record.event().event_type.as_str());
    let age_ms = record.age_ms(now);
    if record.status() != Status::Failed {
        let reason = record.reason().map(|reason| reason.code.to_string());
        let reason = reason.as_deref();
        LogEvent::EventProcessed { event_id, event_type, reason, started, skipped, uncertain, age_ms }.log();
        return;
    }
    let Reason { code, detail } = &record.reason().cloned().unwrap_or_else(Reason::unknown);
    LogEvent::EventFailed {
        event_id,
        event_type,
        reason: &code.to_string(),
        detail,
        started,
        skipped,
        failed_journeys: failed,
        held,
        uncertain,
        age_ms,
    }
    .log();
}

/// Logs the journeys that are skipped or scheduled now and were not before.
pub(super) fn log_undue(before: &BTreeMap<String, JourneyOutcome>, record: &Record, now: DateTime<Utc>) {
    let event_id = record.id().as_str();
    let changed = record.journeys().iter().filter(|(name, outcome)| before.get(*name) != Some(outcome));
    for (journey, outcome) in changed {
        match outcome {
            JourneyOutcome::Skipped { code: Some(code), because, .. } => {
                LogEvent::JourneySkipped { event_id, journey, reason: code.name(), detail: because }.log();
            }
            JourneyOutcome::Scheduled { until } => {
                let delay_ms = (*until - now).num_milliseconds().max(0);
                LogEvent::JourneyScheduled { event_id, journey, delay_ms }.log();
            }
            _ => {}
        }
    }
}

/// Records the event that the current invocation handles.
pub(super) fn record_event(event: &CommerceEvent) {
    invocation::record(|facts| {
        facts.event_id = Some(event.id().to_string());
        facts.event_type = Some(event.event_type.clone());
    });
}

/// Records the state of the event's journeys after the current invocation.
pub(super) fn record_journeys(record: &Record) {
    let JourneysByState { started, skipped, failed, waiting, scheduled, held, uncertain } = JourneysByState::of(record);
    let names = |names: Vec<&str>| Some(names.into_iter().map(str::to_owned).collect());
    invocation::record(|facts| {
        facts.started = names(started);
        facts.skipped = names(skipped);
        facts.failed_journeys = names(failed);
        facts.waiting = names(waiting);
        facts.scheduled = names(scheduled);
        facts.held = names(held);
        facts.uncertain = names(uncertain);
    });
}

/// The event as traces identify it.
pub(super) fn traced<'a>(id: &'a EventId, event_type: &'a str) -> TracedEvent<'a> {
    TracedEvent { id: id.as_str(), event_type, trace_id: id.trace_id() }
}
