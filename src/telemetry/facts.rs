//! The fields of an invocation's log line.

use serde::Serialize;

/// The counts of one run of `poll-events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PollSummary {
    /// Events that the searches returned, including known ones.
    pub seen: usize,
    /// Events seen for the first time.
    pub new: usize,
    /// Existing records that were processed because their next attempt was due.
    pub due: usize,
    /// Published events without a trace of their message, which are published again.
    pub lost: usize,
    /// Published events.
    pub published: usize,
    /// Events that will be retried.
    pub retried: usize,
    /// Failed events. The record contains the reason.
    pub failed: usize,
    /// Events left for the next run because a dependency is not available.
    pub left: usize,
    /// Records that were not updated because another process had changed them.
    pub conflicted: usize,
    /// Search requests.
    pub pages: usize,
    /// Whether the run stopped because its time budget was used up.
    pub budget_exhausted: bool,
    /// Age of the oldest processed event, in milliseconds since its commit in the shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<i64>,
}

macro_rules! facts {
    ($($(#[$doc:meta])* $field:ident: $type:ty),* $(,)?) => {
        /// The facts about an invocation. Each is present only if it applies.
        #[derive(Debug, Default, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct Facts {
            /// The counts of a run of `poll-events`.
            #[serde(flatten)]
            pub poll: Option<PollSummary>,
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>),*
        }

        impl Facts {
            /// The names of all fields except those of [`PollSummary`].
            pub const FIELDS: &[&str] = &[$(stringify!($field)),*];
        }
    };
}

facts! {
    /// How many times Service Bus has delivered the message.
    delivery_count: u32,
    /// Time from the message's availability in the subscription to the invocation: the platform's wait for an instance, and
    /// of a redelivered message also the earlier deliveries.
    queue_wait_ms: i64,
    /// How many times the message was rescheduled before.
    attempts: u32,
    /// The event.
    event_id: String,
    /// The type of the event.
    event_type: String,
    /// Why the event is not completed.
    reason: String,
    /// Started journeys.
    started: Vec<String>,
    /// Skipped journeys.
    skipped: Vec<String>,
    /// Failed journeys.
    failed_journeys: Vec<String>,
    /// Journeys that will be retried.
    waiting: Vec<String>,
    /// Journeys that are not due yet.
    scheduled: Vec<String>,
    /// Journeys that need an operator.
    held: Vec<String>,
    /// Journeys with at least one invocation without an answer.
    uncertain: Vec<String>,
    /// How the contact was resolved.
    contact: &'static str,
    /// Time from the event's commit to the start of its last journey in this invocation.
    latency_ms: i64,
    /// HTTP status of the response.
    status: u16,
    /// Processed dead letters.
    dead_letters: usize,
}
