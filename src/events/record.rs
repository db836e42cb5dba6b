//! The one record that is kept of each event.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CommerceEvent, EventId};

/// How far an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Seen, not yet published.
    New,
    /// Published; its journeys are the message side's business.
    Processing,
    /// Every journey was started or skipped. Final.
    Processed,
    /// Failed for now; tried again at its time.
    Retrying,
    /// Given up, for the recorded reason. Final, until somebody redrives it.
    Failed,
}

impl Status {
    /// Whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Processed | Self::Failed)
    }
}

/// Why an event is not (yet) done. The set is closed: an operator can count by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReasonCode {
    /// The event store's entry cannot be read as an event.
    MalformedEvent,
    /// The Scale Unit knows no such order, although the event says that it was made.
    OrderNotFound,
    /// The Scale Unit knows no such customer; the event went on without customer details.
    CustomerNotFound,
    /// The Scale Unit's reply could not be read.
    UnreadableReply,
    /// The Scale Unit refuses the call for this event.
    CommerceRefused,
    /// The Scale Unit does not answer.
    CommerceUnavailable,
    /// Even slimmed, the message is larger than the topic takes.
    MessageTooLarge,
    /// Service Bus does not take the message for now.
    ServiceBusUnavailable,
    /// The record could not be read or written for now.
    StoreUnavailable,
    /// Dataverse does not answer, throttles, or refuses our identity.
    DataverseUnavailable,
    /// Dataverse refuses the contact as it is.
    ContactRefused,
    /// The custom trigger does not exist or is not published.
    TriggerMissing,
    /// The custom trigger refuses its parameters.
    TriggerRefused,
    /// A required parameter has no value in this event.
    ParameterMissing,
    /// A trigger was invoked but its answer never came; the journey may have started.
    AnswerLost,
    /// The same, and the journey's `onUncertain` leaves it to a person.
    Held,
    /// Another delivery of this event is at work.
    InProgress,
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A reason with its particulars, which never hold personal data: ids, statuses, codes and names of settings only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The kind.
    pub code: ReasonCode,
    /// What was tried, what came back, what to do.
    pub detail: String,
}

impl Reason {
    /// A reason of this kind.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// What became of one journey of one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum JourneyOutcome {
    /// The custom trigger was invoked and answered.
    Started {
        /// When the answer came.
        at: DateTime<Utc>,
        /// How many earlier invocations went unanswered (each may have started the journey too).
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
    /// The event does not meet the journey's conditions.
    Skipped {
        /// Which condition, in words.
        because: String,
    },
    /// Not invoked yet; tried again.
    Waiting {
        /// What stood in the way.
        reason: Reason,
        /// How many invocations went unanswered so far.
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
    /// Left to a person or refused for good.
    Failed {
        /// Why.
        reason: Reason,
        /// How many invocations went unanswered.
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl JourneyOutcome {
    /// How many invocations of this journey's trigger may or may not have started it.
    pub fn uncertain(&self) -> u32 {
        match self {
            Self::Started { uncertain, .. } | Self::Waiting { uncertain, .. } | Self::Failed { uncertain, .. } => {
                *uncertain
            }
            Self::Skipped { .. } => 0,
        }
    }
}

/// The record of one event: an item of the Cosmos DB container, in the partition of its channel.
///
/// Written by `poll-events` until it is published and by `process-message` afterwards, always against its etag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The item's id.
    pub id: EventId,
    /// The event store's row.
    #[serde(flatten)]
    pub event: CommerceEvent,
    /// How far it has come.
    pub status: Status,
    /// Failures so far; counts towards the growing waits.
    #[serde(rename = "retryCount", default)]
    pub retry_count: u32,
    /// When it was first seen.
    #[serde(rename = "seenAt")]
    pub seen_at: DateTime<Utc>,
    /// Who saw it first: a run of the poller, another one every time. Tells a run's own record from one that another
    /// run has written at the same moment.
    #[serde(rename = "seenBy", default)]
    pub seen_by: Uuid,
    /// When the poller takes it up (again) if nobody else has finished it by then: the end of a run's lease, the time
    /// of a retry, or the time after which a published event without outcome is published once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// Since when it has been failing; the retry horizon begins here.
    #[serde(rename = "failingSince", default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<DateTime<Utc>>,
    /// When it was last published; absent if its journeys were started before the poller had noted that.
    #[serde(rename = "publishedAt", default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
    /// How many times it was published.
    #[serde(default)]
    pub publications: u32,
    /// What had to be left out of its message to fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slimmed: Option<String>,
    /// Why it is not done, or what was amiss when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The Dataverse contact.
    #[serde(rename = "contactId", default, skip_serializing_if = "Option::is_none")]
    pub contact_id: Option<Uuid>,
    /// What became of each journey, by name.
    #[serde(default)]
    pub journeys: BTreeMap<String, JourneyOutcome>,
    /// When it reached its final state.
    #[serde(rename = "finishedAt", default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Seconds after which Cosmos DB removes a finished record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u64>,
    /// The version that was read; every write is made against it.
    #[serde(rename = "_etag", default, skip_serializing)]
    pub etag: Option<String>,
}

impl Record {
    /// The record of an event seen for the first time at `now` and worked on until `due` by `run`, which saw it.
    pub fn new(event: CommerceEvent, run: Uuid, now: DateTime<Utc>, due: DateTime<Utc>) -> Self {
        Self {
            id: event.id(),
            event,
            status: Status::New,
            retry_count: 0,
            seen_at: now,
            seen_by: run,
            due: Some(due),
            failing_since: None,
            published_at: None,
            publications: 0,
            slimmed: None,
            reason: None,
            contact_id: None,
            journeys: BTreeMap::new(),
            finished_at: None,
            ttl: None,
            etag: None,
        }
    }

    /// The record of an entry of the event store that cannot be read at all.
    pub fn unreadable(raw: &str, run: Uuid, now: DateTime<Utc>, due: DateTime<Utc>) -> Self {
        Self { id: EventId::of_malformed(raw), ..Self::new(CommerceEvent::unreadable(), run, now, due) }
    }

    /// Notes a failure that may pass: it is tried again at `due`.
    pub fn retry_at(&mut self, due: DateTime<Utc>, reason: Reason, now: DateTime<Utc>) {
        self.status = Status::Retrying;
        self.retry_count += 1;
        self.failing_since.get_or_insert(now);
        self.due = Some(due);
        self.reason = Some(reason);
    }

    /// Notes that the event was handed to Service Bus; should no outcome have been recorded by `due`, it is published
    /// again.
    pub fn published(&mut self, now: DateTime<Utc>, due: DateTime<Utc>) {
        self.status = Status::Processing;
        self.published_at = Some(now);
        self.publications += 1;
        self.due = Some(due);
        self.failing_since = None;
        self.retry_count = 0;
    }

    /// Ends the event's way; the record is kept for `keep_seconds`.
    pub fn finish(&mut self, status: Status, reason: Option<Reason>, now: DateTime<Utc>, keep_seconds: u64) {
        self.status = status;
        self.reason = reason;
        self.due = None;
        self.finished_at = Some(now);
        self.ttl = Some(keep_seconds);
    }

    /// Takes a final record up again, on a person's word.
    pub fn reopen(&mut self) {
        self.status = Status::Processing;
        self.finished_at = None;
        self.ttl = None;
        self.failing_since = None;
        self.retry_count = 0;
    }
}
