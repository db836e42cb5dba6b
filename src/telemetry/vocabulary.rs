//! Every event that the log can hold, with its level and its fields.
//!
//! The rules of `LOGGING.md` hold for all of them: ids, names, codes, counts and durations only. A `detail` is a
//! sentence of one of our own error types, none of which quotes what it read.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tracing::Level;
use uuid::Uuid;

use super::invocation::{Facts, Outcome, Trigger};
use crate::clients::Dependency;
use crate::events::{EventId, JourneyOutcome, Reason, ReasonCode, Record, Status};

/// The name, level and field names of an event, as they stand in the code.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// As in [`LogEvent`]; in a line it begins in lower case.
    pub name: &'static str,
    /// Its level.
    pub level: Level,
    /// As in [`LogEvent`]; in a line they are written in camel case.
    pub fields: &'static [&'static str],
}

/// Declares the events of a log: their enumeration, and the same as a table for the test that compares it with the page
/// on which they are described. For any function app of this repository; its crate needs `serde` and `tracing`.
#[macro_export]
macro_rules! log_events {
    ($($level:ident $event:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        /// An event of the log.
        #[derive(Clone, Debug, ::serde::Serialize)]
        #[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
        #[expect(missing_docs, reason = "LOGGING.md describes each of them")]
        pub enum LogEvent<'a> { $($event { $($(#[$attribute])* $field: $type),* }),* }

        impl LogEvent<'_> {
            /// How much it matters.
            pub fn level(&self) -> ::tracing::Level {
                match self { $(Self::$event { .. } => ::tracing::Level::$level),* }
            }

            /// Writes the event to the log, within the invocation that is under way.
            pub fn log(&self) {
                $crate::telemetry::vocabulary::write(self.level(), self);
            }
        }

        /// All events, for the test that compares them with `LOGGING.md`.
        pub const VOCABULARY: &[$crate::telemetry::vocabulary::Described] = &[$(
            $crate::telemetry::vocabulary::Described {
                name: stringify!($event),
                level: ::tracing::Level::$level,
                fields: &[$(stringify!($field)),*],
            }
        ),*];
    };
}

log_events! {
    INFO HandlerStarted { version: &'a str, start_ms: u64, journeys: Vec<&'a str>, traces: bool }
    INFO HandlerStopped { uptime_ms: u64 }
    ERROR HandlerNotStarted { detail: &'a str }
    ERROR Panicked { place: &'a str }
    WARN TracesNotExported { detail: &'a str }

    INFO Invocation {
        trigger: Trigger,
        duration_ms: u64,
        outcome: Outcome,
        calls: &'a BTreeMap<Dependency, u64>,
        #[serde(flatten)] facts: &'a Facts,
    }
    ERROR InvocationFailed { detail: &'a str }

    INFO EventProcessed {
        event_id: &'a EventId,
        event_type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")] reason: Option<ReasonCode>,
        started: Vec<&'a str>,
        skipped: Vec<&'a str>,
        uncertain: Vec<&'a str>,
        age_ms: i64,
    }
    ERROR EventFailed {
        event_id: &'a EventId,
        event_type: &'a str,
        reason: ReasonCode,
        detail: &'a str,
        started: Vec<&'a str>,
        skipped: Vec<&'a str>,
        failed_journeys: Vec<&'a str>,
        held: Vec<&'a str>,
        uncertain: Vec<&'a str>,
        age_ms: i64,
    }
    INFO EventRetried {
        event_id: &'a EventId, event_type: &'a str, reason: ReasonCode, detail: &'a str, attempts: u32, delay_ms: u64,
    }
    WARN MessagePutOff {
        event_id: &'a EventId, event_type: &'a str, reason: ReasonCode, detail: &'a str, attempts: u32, delay_ms: u64,
    }
    WARN MessageRejected {
        #[serde(skip_serializing_if = "Option::is_none")] event_id: Option<&'a EventId>,
        reason: ReasonCode,
        detail: &'a str,
        delivery_count: u32,
    }
    ERROR MessageUndelivered { event_id: &'a EventId, reason: ReasonCode, detail: &'a str }
    INFO ContactCreated { event_id: &'a EventId, contact_id: Uuid }
    INFO JourneyStarted { event_id: &'a EventId, journey: &'a str, contact_id: Uuid, latency_ms: i64, uncertain: u32 }
    WARN JourneyNotStarted { event_id: &'a EventId, journey: &'a str, reason: ReasonCode, detail: &'a str }
    WARN JourneyUncertain { event_id: &'a EventId, journey: &'a str }
    WARN JourneyHeld { event_id: &'a EventId, journey: &'a str }

    WARN Throttled {
        dependency: Dependency,
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")] retry_after_ms: Option<u64>,
    }
    WARN PollInterrupted { detail: &'a str }
    INFO PublicationRepeated { detail: &'a str }
    WARN OutcomeNotRecorded { event_id: &'a EventId, attempts: u32, detail: &'a str }
    WARN RecordMissing { event_id: &'a EventId, reason: ReasonCode, detail: &'a str }
    INFO SetbackNotNoted { event_id: &'a EventId, detail: &'a str }
    WARN CopyNotScheduled { event_id: &'a EventId, detail: &'a str }
    WARN OperatingUnitUnknown { channel_id: &'a str, operating_unit: &'a str }
    WARN DeadLetterKept {
        #[serde(skip_serializing_if = "Option::is_none")] event_id: Option<&'a EventId>,
        detail: &'a str,
    }
}

/// Writes an event of a vocabulary as a line of the log.
pub fn write(level: Level, event: &impl Serialize) {
    // Text, numbers and lists of them always serialise.
    let line = serde_json::to_string(event).unwrap_or_default();
    // A level is part of a call site, which is why there are three.
    match level {
        Level::ERROR => tracing::error!(line),
        Level::WARN => tracing::warn!(line),
        _ => tracing::info!(line),
    }
}

impl LogEvent<'_> {
    /// Says that a record has reached its final state.
    pub(crate) fn log_final(record: &Record, now: DateTime<Utc>) {
        let Fates { started, skipped, failed, held, uncertain, .. } = Fates::of(record);
        let (event_id, event_type, age_ms) = (&record.id, record.event.event_type.as_str(), age_ms(record, now));
        if record.status != Status::Failed {
            let reason = record.reason.as_ref().map(|reason| reason.code);
            LogEvent::EventProcessed { event_id, event_type, reason, started, skipped, uncertain, age_ms }.log();
            return;
        }
        let unknown = Reason::new(ReasonCode::MalformedEvent, "the record names no reason");
        let Reason { code, detail } = record.reason.as_ref().unwrap_or(&unknown);
        LogEvent::EventFailed {
            event_id,
            event_type,
            reason: *code,
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
}

/// Milliseconds since the event's commit in the shop; nothing if the shop's clock is ahead, or the event has no time.
pub(crate) fn age_ms(record: &Record, now: DateTime<Utc>) -> i64 {
    let age = record.event.moment().map_or(TimeDelta::zero(), |moment| now - moment);
    age.num_milliseconds().max(0)
}

/// A record's journeys by what has become of them.
#[derive(Debug, Default)]
pub(crate) struct Fates<'a> {
    pub(crate) started: Vec<&'a str>,
    pub(crate) skipped: Vec<&'a str>,
    pub(crate) failed: Vec<&'a str>,
    pub(crate) waiting: Vec<&'a str>,
    pub(crate) held: Vec<&'a str>,
    pub(crate) uncertain: Vec<&'a str>,
}

impl<'a> Fates<'a> {
    pub(crate) fn of(record: &'a Record) -> Self {
        let mut fates = Self::default();
        for (name, outcome) in &record.journeys {
            let place = match outcome {
                JourneyOutcome::Started { .. } => &mut fates.started,
                JourneyOutcome::Skipped { .. } => &mut fates.skipped,
                JourneyOutcome::Waiting { .. } => &mut fates.waiting,
                JourneyOutcome::Failed { reason, .. } if reason.code == ReasonCode::Held => &mut fates.held,
                JourneyOutcome::Failed { .. } => &mut fates.failed,
            };
            place.push(name);
            if outcome.uncertain() > 0 {
                fates.uncertain.push(name);
            }
        }
        fates
    }
}
