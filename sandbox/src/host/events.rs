//! What happens in the host, for those who watch it.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;
use uuid::Uuid;

use super::launch::Exit;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum HostEvent {
    /// The handler answers.
    HandlerStarted {
        /// Its port.
        port: u16,
    },
    /// The handler is gone.
    HandlerDied(Cause),
    /// The host has given up: nothing runs until the platform replaces the instance.
    Stopped,
    /// An invocation began.
    Started {
        /// The function.
        function: String,
        /// The invocation's id.
        id: Uuid,
    },
    /// The message that an invocation is about.
    Delivered {
        /// The invocation's id.
        id: Uuid,
        /// The sender's name for the message.
        message_id: Option<String>,
        /// How many times the message was delivered, this time included.
        delivery_count: u32,
    },
    /// An invocation ended.
    Ended {
        /// The function.
        function: String,
        /// The invocation's id.
        id: Uuid,
        /// How.
        outcome: Outcome,
        /// How long it took, by the sandbox's clock.
        took: TimeDelta,
    },
    /// The broker did not accept what became of a message.
    Unsettled {
        /// The function.
        function: String,
        /// The invocation's id.
        id: Uuid,
        /// Why.
        reason: String,
    },
}

/// Why the handler is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself.
    Exited(Exit),
    /// It could not be started, or did not answer in time.
    NotStarted(String),
    /// It was replaced.
    Replaced(KillScope),
    /// An invocation ran into `functionTimeout`.
    TimedOut,
    /// The host shut down.
    ShutDown,
}

/// What dies when a handler is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillScope {
    /// The handler only: the host lives, its invocations fail and their messages are abandoned.
    Process,
    /// The instance with its host: nobody abandons anything, and locks are left to expire.
    Instance,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host counts it as done.
    Succeeded,
    /// The host counts it as failed.
    Failed(String),
    /// The host was gone before it ended.
    Lost,
}

/// How often things happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// How often a handler was ready.
    pub handler_starts: u64,
    /// How often one was gone, for whatever cause.
    pub handler_deaths: u64,
    /// Locks renewed.
    pub renewals: u64,
    /// Messages whose fate the broker did not accept.
    pub unsettled: u64,
    /// Timer occurrences that were due while the run before was still going.
    pub skipped: u64,
    /// HTTP requests turned away for their key.
    pub refused: u64,
    /// Invocations by function.
    pub functions: BTreeMap<String, FunctionCounters>,
}

/// One function's invocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionCounters {
    /// Begun.
    pub started: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Ended badly.
    pub failed: u64,
    /// Lost with their instance.
    pub lost: u64,
}

impl Counters {
    pub(super) fn count(&mut self, event: &HostEvent) {
        match event {
            HostEvent::HandlerStarted { .. } => self.handler_starts += 1,
            HostEvent::HandlerDied(_) => self.handler_deaths += 1,
            HostEvent::Stopped | HostEvent::Delivered { .. } => {}
            HostEvent::Started { function, .. } => self.function(function).started += 1,
            HostEvent::Ended { function, outcome, .. } => {
                let counters = self.function(function);
                match outcome {
                    Outcome::Succeeded => counters.succeeded += 1,
                    Outcome::Failed(_) => counters.failed += 1,
                    Outcome::Lost => counters.lost += 1,
                }
            }
            HostEvent::Unsettled { .. } => self.unsettled += 1,
        }
    }

    fn function(&mut self, name: &str) -> &mut FunctionCounters {
        self.functions.entry(name.to_owned()).or_default()
    }
}
