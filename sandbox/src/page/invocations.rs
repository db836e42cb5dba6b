//! What the Functions hosts were seen doing.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::host::{Cause, Exit, HostEvent, Outcome};

/// One function's work so far.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Work {
    started: u64,
    succeeded: u64,
    failed: u64,
    lost: u64,
    in_flight: usize,
    /// Milliseconds since 1970.
    last_began: Option<i64>,
    last_took_ms: Option<i64>,
    last_outcome: Option<&'static str>,
}

/// One instance of the function app.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Handler {
    up: bool,
    /// Since when, in milliseconds since 1970.
    since: i64,
    deaths: u64,
    last_death: Option<String>,
}

/// An invocation under way.
struct Begun {
    function: String,
    /// The message it is about.
    message: Option<String>,
}

/// All instances together.
pub(super) struct Invocations {
    functions: BTreeMap<String, Work>,
    handlers: Vec<Handler>,
    under_way: HashMap<Uuid, Begun>,
}

/// What an event of the host's means to the rest of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing beyond the counts.
    Nothing,
    /// A message was handed over.
    Delivered { message: String, delivery_count: u32 },
    /// A message's invocation is over.
    Settled { message: String, outcome: &'static str, detail: String, took_ms: i64 },
    /// A handler is gone.
    Died(String),
    /// A handler answers.
    Up,
    /// The host has given up.
    Stopped,
}

impl Invocations {
    pub(super) fn new(instances: usize, now: DateTime<Utc>) -> Self {
        let handler = Handler { up: true, since: now.timestamp_millis(), deaths: 0, last_death: None };
        Self { functions: BTreeMap::new(), handlers: vec![handler; instances], under_way: HashMap::new() }
    }

    pub(super) fn functions(&self) -> &BTreeMap<String, Work> {
        &self.functions
    }

    pub(super) fn handlers(&self) -> &[Handler] {
        &self.handlers
    }

    pub(super) fn take(&mut self, instance: usize, event: HostEvent, at: DateTime<Utc>) -> News {
        match event {
            HostEvent::HandlerStarted { .. } => self.up(instance, at),
            HostEvent::HandlerDied(cause) => self.died(instance, &cause, at),
            HostEvent::Stopped => News::Stopped,
            HostEvent::Started { function, id } => {
                let work = self.functions.entry(function.clone()).or_default();
                (work.started, work.in_flight) = (work.started + 1, work.in_flight + 1);
                work.last_began = Some(at.timestamp_millis());
                self.under_way.insert(id, Begun { function, message: None });
                News::Nothing
            }
            HostEvent::Delivered { id, message_id: Some(message), delivery_count } => {
                if let Some(begun) = self.under_way.get_mut(&id) {
                    begun.message = Some(message.clone());
                }
                News::Delivered { message, delivery_count }
            }
            HostEvent::Ended { id, outcome, took, .. } => self.ended(id, outcome, took.num_milliseconds()),
            HostEvent::Delivered { message_id: None, .. } | HostEvent::Unsettled { .. } => News::Nothing,
        }
    }

    fn up(&mut self, instance: usize, at: DateTime<Utc>) -> News {
        let Some(handler) = self.handlers.get_mut(instance) else { return News::Nothing };
        if handler.up {
            // The first start, which came before anybody watched.
            return News::Nothing;
        }
        (handler.up, handler.since) = (true, at.timestamp_millis());
        News::Up
    }

    fn died(&mut self, instance: usize, cause: &Cause, at: DateTime<Utc>) -> News {
        let cause = words(cause);
        if let Some(handler) = self.handlers.get_mut(instance) {
            (handler.up, handler.since) = (false, at.timestamp_millis());
            handler.deaths += 1;
            handler.last_death = Some(cause.clone());
        }
        News::Died(cause)
    }

    fn ended(&mut self, id: Uuid, outcome: Outcome, took_ms: i64) -> News {
        let Some(Begun { function, message }) = self.under_way.remove(&id) else { return News::Nothing };
        let work = self.functions.entry(function).or_default();
        let (outcome, count, detail) = match outcome {
            Outcome::Succeeded => ("succeeded", &mut work.succeeded, String::new()),
            Outcome::Failed(detail) => ("failed", &mut work.failed, detail),
            Outcome::Lost => ("lost", &mut work.lost, "the instance died".to_owned()),
        };
        *count += 1;
        work.in_flight = work.in_flight.saturating_sub(1);
        (work.last_took_ms, work.last_outcome) = (Some(took_ms), Some(outcome));
        match message {
            Some(message) => News::Settled { message, outcome, detail, took_ms },
            None => News::Nothing,
        }
    }
}

fn words(cause: &Cause) -> String {
    match cause {
        Cause::Exited(Exit(Some(code))) => format!("it ended by itself with exit code {code}"),
        Cause::Exited(Exit(None)) => "a signal ended it".to_owned(),
        Cause::NotStarted(why) => format!("it did not start: {why}"),
        Cause::Replaced(_) => "it was killed".to_owned(),
        Cause::TimedOut => "an invocation ran out of time".to_owned(),
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
    fn a_message_is_followed_through_its_invocation() {
        let (mut invocations, now, id) =
            (Invocations::new(1, DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH, Uuid::new_v4());
        let function = "process-message".to_owned();
        assert_eq!(invocations.take(0, HostEvent::Started { function, id }, now), News::Nothing);
        let delivered = HostEvent::Delivered { id, message_id: Some("m~~1".to_owned()), delivery_count: 2 };
        let message = "m~~1".to_owned();
        assert_eq!(
            invocations.take(0, delivered, now),
            News::Delivered { message: message.clone(), delivery_count: 2 }
        );
        assert_eq!(invocations.functions()["process-message"].in_flight, 1);
        let failed = ended(id, Outcome::Failed("500".to_owned()));
        let settled = News::Settled { message, outcome: "failed", detail: "500".to_owned(), took_ms: 12 };
        assert_eq!(invocations.take(0, failed.clone(), now), settled);
        assert_eq!(invocations.take(0, failed, now), News::Nothing, "an invocation ends once");
        let work = &invocations.functions()["process-message"];
        assert_eq!((work.started, work.failed, work.in_flight), (1, 1, 0));
    }

    #[test]
    fn deaths_are_told_with_their_cause() {
        let (mut invocations, now) = (Invocations::new(1, DateTime::UNIX_EPOCH), DateTime::UNIX_EPOCH);
        assert_eq!(invocations.take(0, HostEvent::HandlerStarted { port: 1 }, now), News::Nothing, "it was up");
        let died = HostEvent::HandlerDied(Cause::Replaced(KillScope::Process));
        assert_eq!(invocations.take(0, died, now), News::Died("it was killed".to_owned()));
        assert!(!invocations.handlers()[0].up);
        assert_eq!(invocations.take(0, HostEvent::HandlerStarted { port: 2 }, now), News::Up);
        assert!(invocations.handlers()[0].up && invocations.handlers()[0].deaths == 1);
    }
}
