//! The invocations of the Functions hosts.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::host::{Cause, Exit, HostEvent, Outcome};

/// The invocations of one function so far.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionStats {
    started: u64,
    succeeded: u64,
    failed: u64,
    lost: u64,
    in_flight: usize,
    /// Milliseconds since 1970.
    last_start: Option<i64>,
    last_took_ms: Option<i64>,
    last_outcome: Option<&'static str>,
}

/// The handler of one instance of the function app.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandlerStatus {
    up: bool,
    /// The time of the last change, in milliseconds since 1970.
    since: i64,
    exits: u64,
    last_exit: Option<String>,
}

/// An invocation in progress.
struct OngoingInvocation {
    function: String,
    /// The message that is processed.
    message: Option<String>,
}

/// All instances together.
pub(super) struct Invocations {
    functions: BTreeMap<String, FunctionStats>,
    handlers: Vec<HandlerStatus>,
    ongoing: HashMap<Uuid, OngoingInvocation>,
}

/// What an event of the host changes in the rest of the dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostUpdate {
    /// Only the counts.
    CountsOnly,
    /// A message was delivered.
    Delivered { message: String, delivery_count: u32 },
    /// The invocation of a message ended.
    Settled { message: String, outcome: &'static str, detail: String, took_ms: i64 },
    /// A handler exited.
    HandlerExited(String),
    /// A handler is running.
    HandlerUp,
    /// The host no longer restarts the handler.
    HostStopped,
}

impl Invocations {
    pub(super) fn new(instances: usize, now: DateTime<Utc>) -> Self {
        let handler = HandlerStatus { up: true, since: now.timestamp_millis(), exits: 0, last_exit: None };
        Self { functions: BTreeMap::new(), handlers: vec![handler; instances], ongoing: HashMap::new() }
    }

    pub(super) fn functions(&self) -> &BTreeMap<String, FunctionStats> {
        &self.functions
    }

    pub(super) fn handlers(&self) -> &[HandlerStatus] {
        &self.handlers
    }

    pub(super) fn update(&mut self, instance: usize, event: HostEvent, at: DateTime<Utc>) -> HostUpdate {
        match event {
            HostEvent::HandlerStarted { .. } => self.up(instance, at),
            HostEvent::HandlerDied(cause) => self.exited(instance, &cause, at),
            HostEvent::Stopped => HostUpdate::HostStopped,
            HostEvent::Started { function, id } => {
                let stats = self.functions.entry(function.clone()).or_default();
                (stats.started, stats.in_flight) = (stats.started + 1, stats.in_flight + 1);
                stats.last_start = Some(at.timestamp_millis());
                self.ongoing.insert(id, OngoingInvocation { function, message: None });
                HostUpdate::CountsOnly
            }
            HostEvent::Delivered { id, message_id: Some(message), delivery_count } => {
                if let Some(invocation) = self.ongoing.get_mut(&id) {
                    invocation.message = Some(message.clone());
                }
                HostUpdate::Delivered { message, delivery_count }
            }
            HostEvent::Ended { id, outcome, took, .. } => self.ended(id, outcome, took.num_milliseconds()),
            HostEvent::Delivered { message_id: None, .. } | HostEvent::Unsettled { .. } => HostUpdate::CountsOnly,
        }
    }

    fn up(&mut self, instance: usize, at: DateTime<Utc>) -> HostUpdate {
        let Some(handler) = self.handlers.get_mut(instance) else { return HostUpdate::CountsOnly };
        if handler.up {
            // The first start, before the page was opened.
            return HostUpdate::CountsOnly;
        }
        (handler.up, handler.since) = (true, at.timestamp_millis());
        HostUpdate::HandlerUp
    }

    fn exited(&mut self, instance: usize, cause: &Cause, at: DateTime<Utc>) -> HostUpdate {
        let cause = description(cause);
        if let Some(handler) = self.handlers.get_mut(instance) {
            (handler.up, handler.since) = (false, at.timestamp_millis());
            handler.exits += 1;
            handler.last_exit = Some(cause.clone());
        }
        HostUpdate::HandlerExited(cause)
    }

    fn ended(&mut self, id: Uuid, outcome: Outcome, took_ms: i64) -> HostUpdate {
        let Some(OngoingInvocation { function, message }) = self.ongoing.remove(&id) else {
            return HostUpdate::CountsOnly;
        };
        let stats = self.functions.entry(function).or_default();
        let (outcome, count, detail) = match outcome {
            Outcome::Succeeded => ("succeeded", &mut stats.succeeded, String::new()),
            Outcome::Failed(detail) => ("failed", &mut stats.failed, failure(detail)),
            Outcome::Lost => ("lost", &mut stats.lost, "the instance ended".to_owned()),
        };
        *count += 1;
        stats.in_flight = stats.in_flight.saturating_sub(1);
        (stats.last_took_ms, stats.last_outcome) = (Some(took_ms), Some(outcome));
        match message {
            Some(message) => HostUpdate::Settled { message, outcome, detail, took_ms },
            None => HostUpdate::CountsOnly,
        }
    }
}

/// Why an invocation failed. The text of the HTTP client means nothing to a reader.
fn failure(detail: String) -> String {
    if detail.contains("client error") { "the handler ended during the request".to_owned() } else { detail }
}

fn description(cause: &Cause) -> String {
    match cause {
        Cause::Exited(Exit(Some(code))) => format!("it exited with code {code}"),
        Cause::Exited(Exit(None)) => "a signal ended it".to_owned(),
        Cause::NotStarted(why) => format!("it did not start: {why}"),
        Cause::Replaced(_) => "it was killed".to_owned(),
        Cause::TimedOut => "an invocation timed out".to_owned(),
        Cause::ShutDown => "the host shut down".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::host::KillScope;

    fn ended(id: Uuid, outcome: Outcome) -> HostEvent {
        HostEvent::Ended { function: "process-message".to_owned(), id, outcome, took: TimeDelta::milliseconds(12) }
    }

    #[test]
    fn an_invocation_has_a_message_and_an_outcome() {
        let (mut invocations, now, id) =
            (Invocations::new(1, DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH, Uuid::new_v4());
        let function = "process-message".to_owned();
        assert_eq!(invocations.update(0, HostEvent::Started { function, id }, now), HostUpdate::CountsOnly);
        let delivered = HostEvent::Delivered { id, message_id: Some("m~~1".to_owned()), delivery_count: 2 };
        let message = "m~~1".to_owned();
        assert_eq!(
            invocations.update(0, delivered, now),
            HostUpdate::Delivered { message: message.clone(), delivery_count: 2 }
        );
        assert_eq!(invocations.functions()["process-message"].in_flight, 1);
        let failed = ended(id, Outcome::Failed("500".to_owned()));
        let settled = HostUpdate::Settled { message, outcome: "failed", detail: "500".to_owned(), took_ms: 12 };
        assert_eq!(invocations.update(0, failed.clone(), now), settled);
        assert_eq!(invocations.update(0, failed, now), HostUpdate::CountsOnly, "an invocation ends once");
        let stats = &invocations.functions()["process-message"];
        assert_eq!((stats.started, stats.failed, stats.in_flight), (1, 1, 0));
    }

    #[test]
    fn exits_are_reported_with_their_cause() {
        let (mut invocations, now) = (Invocations::new(1, DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH);
        assert_eq!(
            invocations.update(0, HostEvent::HandlerStarted { port: 1 }, now),
            HostUpdate::CountsOnly,
            "it was up"
        );
        let exited = HostEvent::HandlerDied(Cause::Replaced(KillScope::Process));
        assert_eq!(invocations.update(0, exited, now), HostUpdate::HandlerExited("it was killed".to_owned()));
        assert!(!invocations.handlers()[0].up);
        assert_eq!(invocations.update(0, HostEvent::HandlerStarted { port: 2 }, now), HostUpdate::HandlerUp);
        assert!(invocations.handlers()[0].up && invocations.handlers()[0].exits == 1);
    }
}
