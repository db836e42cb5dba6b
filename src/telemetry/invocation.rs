//! One line per invocation: everything that it was about, gathered on the way and written at its end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::LogEvent;
use super::vocabulary::Fates;
use crate::clients::Dependency;
use crate::events::{CommerceEvent, EventId, ReasonCode, Record};
use crate::functions::{ContactFate, PollSummary};

tokio::task_local! {
    static CURRENT: Arc<Invocation>;
}

/// An invocation under way.
#[derive(Debug)]
pub struct Invocation {
    /// Which function.
    pub function: &'static str,
    /// The host's id of it.
    pub id: String,
    trigger: Trigger,
    began: Instant,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    calls: BTreeMap<Dependency, u64>,
    facts: Facts,
}

/// What has set an invocation off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Trigger {
    Timer,
    ServiceBus,
    Http,
}

/// How an invocation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// A run of the poller did all that there was to do.
    Succeeded,
    /// A dependency was away during a run of the poller.
    Interrupted,
    /// What was asked for is done.
    Done,
    /// A copy of the message comes later.
    PutOff,
    /// The message has failed for good.
    Rejected,
    /// Service Bus is to deliver the message again.
    Undelivered,
    /// The invocation's payload is not the host's.
    Unreadable,
    /// The caller asked for something that cannot be done.
    Refused,
    /// It cannot be done now.
    Unavailable,
    /// A defect.
    Panicked,
}

macro_rules! facts {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {
        /// What an invocation was about, as far as it applies.
        #[derive(Debug, Default, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct Facts {
            /// What a run of the poller did.
            #[serde(flatten)]
            pub poll: Option<PollSummary>,
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>),*
        }

        impl Facts {
            /// The names of all fields but those of [`PollSummary`].
            pub const FIELDS: &[&str] = &[$(stringify!($field)),*];
        }
    };
}

facts! {
    /// How many times Service Bus has delivered the message.
    delivery_count: u32,
    /// Earlier attempts that were put off.
    attempts: u32,
    /// The event.
    event_id: EventId,
    /// Its type.
    event_type: String,
    /// Why it is not done.
    reason: ReasonCode,
    /// Journeys that have started.
    started: Vec<String>,
    /// Journeys that the event does not start.
    skipped: Vec<String>,
    /// Journeys that have failed for good.
    failed_journeys: Vec<String>,
    /// Journeys that are tried again.
    waiting: Vec<String>,
    /// Journeys that are left to a person.
    held: Vec<String>,
    /// Journeys with invocations that went unanswered.
    uncertain: Vec<String>,
    /// How the contact was come by.
    contact: ContactFate,
    /// From the event's commit to the start of its last journey in this invocation.
    latency_ms: i64,
    /// HTTP status of the answer.
    status: u16,
    /// Dead letters taken up.
    dead_letters: usize,
}

impl Facts {
    /// Notes which event this is about.
    pub(crate) fn about(&mut self, event: &CommerceEvent) {
        self.event_id = Some(event.id());
        self.event_type = Some(event.event_type.clone());
    }

    /// Notes what has become of the event's journeys, as its record has it after this invocation.
    pub(crate) fn journeys(&mut self, record: &Record) {
        let Fates { started, skipped, failed, waiting, held, uncertain } = Fates::of(record);
        let names = |names: Vec<&str>| Some(names.into_iter().map(str::to_owned).collect());
        self.started = names(started);
        self.skipped = names(skipped);
        self.failed_journeys = names(failed);
        self.waiting = names(waiting);
        self.held = names(held);
        self.uncertain = names(uncertain);
    }
}

impl Invocation {
    /// An invocation that begins now.
    pub fn new(function: &'static str, trigger: Trigger, id: &str) -> Arc<Self> {
        let (began, notes) = (Instant::now(), Mutex::default());
        Arc::new(Self { function, id: id.to_owned(), trigger, began, notes })
    }

    /// Does `work` as part of this invocation.
    pub fn around<T>(self: Arc<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(self, work)
    }

    /// Writes the invocation's line.
    pub(crate) fn end(&self, outcome: Outcome) {
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let Notes { calls, facts } = &*self.notes();
        LogEvent::Invocation { trigger: self.trigger, duration_ms, outcome, calls, facts }.log();
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The invocation that is under way here, if there is one.
pub(crate) fn current() -> Option<Arc<Invocation>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Notes something about the invocation that is under way.
pub(crate) fn note(change: impl FnOnce(&mut Facts)) {
    // Outside of an invocation (in a check, in a test) there is no line to note it for.
    let _ = CURRENT.try_with(|invocation| change(&mut invocation.notes().facts));
}

/// Counts a request.
pub(crate) fn count_call(dependency: Dependency) {
    let _ = CURRENT.try_with(|invocation| *invocation.notes().calls.entry(dependency).or_default() += 1);
}
