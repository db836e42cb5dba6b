//! All log events with their levels and fields.
//!
//! The rules of `docs/logging.md` apply: ids, names, codes, counts and durations only. A `detail` is the text of one of our
//! own error types. They never quote the data that was read.

use std::collections::BTreeMap;

use serde::Serialize;
use tracing::Level;
use uuid::Uuid;

use super::Facts;
use super::invocation::{Outcome, Trigger};
use crate::dependency::Dependency;

/// The name, level and field names of a log event.
#[derive(Clone, Copy, Debug)]
pub struct LogEventInfo {
    /// The name as in [`LogEvent`]. Log lines contain it in camel case.
    pub name: &'static str,
    /// The level.
    pub level: Level,
    /// The names as in [`LogEvent`]. Log lines contain them in camel case.
    pub fields: &'static [&'static str],
}

/// Declares the log events of a function app: the enumeration, and a table that a test compares with the page that
/// describes them. The calling crate needs `serde` and `tracing`.
#[macro_export]
macro_rules! log_events {
    ($($level:ident $event:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        /// A log event.
        #[derive(Clone, Debug, ::serde::Serialize)]
        #[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
        #[expect(missing_docs, reason = "docs/logging.md describes each of them")]
        pub enum LogEvent<'a> { $($event { $($(#[$attribute])* $field: $type),* }),* }

        impl LogEvent<'_> {
            /// The level of the event.
            pub fn level(&self) -> ::tracing::Level {
                match self { $(Self::$event { .. } => ::tracing::Level::$level),* }
            }

            /// Writes the event to the log, as part of the current invocation.
            pub fn log(&self) {
                $crate::telemetry::log_events::write(self.level(), self);
            }
        }

        /// All log events, for the test that compares them with `docs/logging.md`.
        pub const LOG_EVENTS: &[$crate::telemetry::log_events::LogEventInfo] = &[$(
            $crate::telemetry::log_events::LogEventInfo {
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
    WARN SettingSuspicious { detail: &'a str }
    WARN EventTypeNotPolled { journey: &'a str, event_type: &'a str }
    WARN EventTypeUnknown { journey: &'a str, event_type: &'a str, similar: &'a str }
    INFO CursorDeleted { cursor: &'a str }
    WARN EventTypeUnused { event_type: &'a str }
    ERROR Panicked { location: &'a str }
    WARN TracesNotExported { detail: &'a str }

    INFO Invocation {
        trigger: Trigger,
        duration_ms: u64,
        outcome: Outcome,
        calls: &'a BTreeMap<Dependency, u64>,
        #[serde(flatten)] facts: &'a Facts,
    }
    ERROR InvocationFailed { detail: &'a str }
    WARN UnknownRequest { method: &'a str, path: &'a str }

    INFO EventProcessed {
        event_id: &'a str,
        event_type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")] reason: Option<&'a str>,
        started: Vec<&'a str>,
        skipped: Vec<&'a str>,
        uncertain: Vec<&'a str>,
        age_ms: i64,
    }
    ERROR EventFailed {
        event_id: &'a str,
        event_type: &'a str,
        reason: &'a str,
        detail: &'a str,
        started: Vec<&'a str>,
        skipped: Vec<&'a str>,
        failed_journeys: Vec<&'a str>,
        held: Vec<&'a str>,
        uncertain: Vec<&'a str>,
        age_ms: i64,
    }
    INFO EventDismissed { event_id: &'a str, event_type: &'a str }
    INFO EventRetried {
        event_id: &'a str, event_type: &'a str, reason: &'a str, detail: &'a str, attempts: u32, delay_ms: u64,
    }
    WARN MessageRescheduled {
        event_id: &'a str, event_type: &'a str, reason: &'a str, detail: &'a str, attempts: u32, delay_ms: u64,
    }
    WARN MessageRejected {
        #[serde(skip_serializing_if = "Option::is_none")] event_id: Option<&'a str>,
        reason: &'a str,
        detail: &'a str,
        delivery_count: u32,
    }
    ERROR MessageAbandoned { event_id: &'a str, reason: &'a str, detail: &'a str }
    INFO ContactCreated { event_id: &'a str, contact_id: Uuid }
    WARN ContactNotUpdated { event_id: &'a str, contact_id: Uuid, columns: &'a [&'static str], detail: &'a str }
    WARN ContactSearchTruncated { rows: usize }
    INFO JourneyStarted { event_id: &'a str, journey: &'a str, contact_id: Uuid, latency_ms: i64, uncertain: u32 }
    INFO JourneyScheduled { event_id: &'a str, journey: &'a str, delay_ms: i64 }
    INFO JourneySkipped { event_id: &'a str, journey: &'a str, reason: &'a str, detail: &'a str }
    WARN JourneyNotStarted { event_id: &'a str, journey: &'a str, reason: &'a str, detail: &'a str }
    WARN JourneyUncertain { event_id: &'a str, journey: &'a str }
    WARN JourneyHeld { event_id: &'a str, journey: &'a str }

    WARN Throttled {
        dependency: Dependency,
        status: u16,
        #[serde(skip_serializing_if = "Option::is_none")] retry_after_ms: Option<u64>,
    }
    WARN PollInterrupted { detail: &'a str }
    INFO PublicationRepeated { detail: &'a str }
    WARN OutcomeNotRecorded { event_id: &'a str, attempts: u32, detail: &'a str }
    WARN RecordMissing { event_id: &'a str, reason: &'a str, detail: &'a str }
    WARN MessageLost { event_id: &'a str, event_type: &'a str, publications: u32, published_ms: i64 }
    WARN RecordShortened { event_id: &'a str, detail: &'a str }
    INFO RetryNotRecorded { event_id: &'a str, detail: &'a str }
    INFO MarkerNotReturned { event_id: &'a str, detail: &'a str }
    WARN MessageNotRescheduled { event_id: &'a str, detail: &'a str }
    WARN OperatingUnitUnknown { channel_id: &'a str, operating_unit: &'a str, detail: &'a str }
    WARN SearchPageShort { event_type: &'a str, requested: usize, received: usize }
    WARN SearchPageRepeated { event_type: &'a str, skipped: usize }
    WARN DeadLetterNotSettled {
        #[serde(skip_serializing_if = "Option::is_none")] event_id: Option<&'a str>,
        detail: &'a str,
    }
}

/// Writes a log event as one line.
pub fn write(level: Level, event: &impl Serialize) {
    // Text, numbers and lists can always be serialised.
    let line = serde_json::to_string(event).unwrap_or_default();
    // `tracing` needs a call site for each level.
    match level {
        Level::ERROR => tracing::error!(line),
        Level::WARN => tracing::warn!(line),
        _ => tracing::info!(line),
    }
}
