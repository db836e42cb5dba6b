//! One log line for each invocation. Its facts are collected during the invocation and written at its end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::{Facts, LogEvent};
use crate::dependency::Dependency;

tokio::task_local! {
    static CURRENT: Arc<Invocation>;
}

/// A running invocation.
#[derive(Debug)]
pub struct Invocation {
    /// The function.
    pub function: &'static str,
    /// The invocation id of the Functions host.
    pub id: String,
    trigger: Trigger,
    began: Instant,
    collected: Mutex<Collected>,
}

#[derive(Debug, Default)]
struct Collected {
    calls: BTreeMap<Dependency, u64>,
    facts: Facts,
}

/// The kind of trigger that started an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of Azure Functions triggers")]
pub enum Trigger {
    Timer,
    ServiceBus,
    Http,
}

/// The result of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A run of `poll-events` finished its work.
    Succeeded,
    /// A dependency was not available during a run of `poll-events`.
    Interrupted,
    /// The request or the message is completed.
    Completed,
    /// A journey is due later, and the message is scheduled for that time.
    Scheduled,
    /// The message is rescheduled.
    Rescheduled,
    /// The message has failed permanently.
    Rejected,
    /// Service Bus will deliver the message again.
    Abandoned,
    /// The payload of the invocation cannot be read.
    Unreadable,
    /// The request cannot be fulfilled.
    Refused,
    /// The request cannot be fulfilled now.
    Unavailable,
    /// A defect in the handler.
    Panicked,
}

impl Invocation {
    /// An invocation that begins now.
    pub fn new(function: &'static str, trigger: Trigger, id: &str) -> Arc<Self> {
        let (began, collected) = (Instant::now(), Mutex::default());
        Arc::new(Self { function, id: id.to_owned(), trigger, began, collected })
    }

    /// Runs `work` as part of this invocation.
    pub fn in_scope<T>(self: Arc<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(self, work)
    }

    /// Writes the log line of the invocation.
    pub(crate) fn end(&self, outcome: Outcome) {
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Collected { calls, facts } = &*self.collected();
        LogEvent::Invocation { trigger: self.trigger, duration_ms, outcome, calls, facts }.log();
    }

    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The current invocation, if there is one.
pub(crate) fn current() -> Option<Arc<Invocation>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Records a fact about the current invocation.
pub(crate) fn record(change: impl FnOnce(&mut Facts)) {
    // A check and a unit test run outside of an invocation and have no line to record it for.
    let _ = CURRENT.try_with(|invocation| change(&mut invocation.collected().facts));
}

/// Counts a request to a dependency.
pub(crate) fn count_call(dependency: Dependency) {
    let _ = CURRENT.try_with(|invocation| *invocation.collected().calls.entry(dependency).or_default() += 1);
}
