//! Events of the host, for observers.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;
use uuid::Uuid;

use super::launch::Exit;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub enum HostEvent {
    /// The handler is ready.
    HandlerStarted {
        /// The handler's port.
        port: u16,
    },
    /// The handler has exited.
    HandlerDied(Cause),
    /// The host stopped: nothing runs until the platform replaces the instance.
    Stopped,
    /// An invocation started.
    Started {
        /// The function.
        function: String,
        /// The invocation's id.
        id: Uuid,
    },
    /// The message of an invocation.
    Delivered {
        /// The invocation's id.
        id: Uuid,
        /// The message id, set by the sender.
        message_id: Option<String>,
        /// The number of deliveries, including this one.
        delivery_count: u32,
    },
    /// An invocation ended.
    Ended {
        /// The function.
        function: String,
        /// The invocation's id.
        id: Uuid,
        /// The outcome.
        outcome: Outcome,
        /// The duration, by the sandbox's clock.
        took: TimeDelta,
    },
    /// The broker did not accept the settlement of a message.
    Unsettled {
        /// The function.
        function: String,
        /// The invocation's id.
        id: Uuid,
        /// The reason.
        reason: String,
    },
}

/// Why the handler exited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It exited by itself.
    Exited(Exit),
    /// It could not be started, or was not ready in time.
    NotStarted(String),
    /// It was replaced.
    Replaced(KillScope),
    /// An invocation exceeded `functionTimeout`.
    TimedOut,
    /// The host shut down.
    ShutDown,
}

/// What is killed when a handler is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillScope {
    /// Only the handler process. The host continues, its invocations fail and their messages are abandoned.
    Process,
    /// The whole instance with its host. No message is abandoned; the locks expire.
    Instance,
    /// The whole instance after a signal (SIGTERM), as when the platform scales in. Invocations in progress have ten
    /// seconds to end, but no message is settled any more; the locks expire.
    GracefulStop,
}

/// The outcome of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host counts it as succeeded.
    Succeeded,
    /// The host counts it as failed.
    Failed(String),
    /// The instance was killed before the invocation ended.
    Lost,
}

/// Counters of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// How often a handler became ready.
    pub handler_starts: u64,
    /// How often a handler exited, for any reason.
    pub handler_deaths: u64,
    /// Renewed locks.
    pub renewals: u64,
    /// Messages whose settlement the broker did not accept.
    pub unsettled: u64,
    /// Timer occurrences that were skipped because the previous run was still in progress.
    pub skipped: u64,
    /// HTTP requests that were rejected because of their key.
    pub refused: u64,
    /// Invocations of each function.
    pub functions: BTreeMap<String, FunctionCounters>,
}

/// The invocations of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionCounters {
    /// Started.
    pub started: u64,
    /// Succeeded.
    pub succeeded: u64,
    /// Failed.
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
