//! What version 0.1.0 requires of records, claims, cursors and messages, and which values it knows. It never changes: a
//! version that writes something else cannot be rolled back to 0.1.0.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    New,
    Processing,
    Processed,
    Retrying,
    Failed,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Code {
    MalformedEvent,
    OrderNotFound,
    CustomerNotFound,
    UnreadableReply,
    CommerceRefused,
    CommerceUnavailable,
    MessageTooLarge,
    MessageRefused,
    ServiceBusUnavailable,
    StoreUnavailable,
    DataverseUnavailable,
    ContactRefused,
    TriggerMissing,
    TriggerRefused,
    ParameterMissing,
    AnswerLost,
    Held,
    InProgress,
    Dismissed,
    #[serde(other)]
    OfNewerVersion,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Reason {
    code: Code,
    detail: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
#[allow(dead_code, reason = "only whether it can be read matters")]
enum Outcome {
    Started {
        at: DateTime<Utc>,
        #[serde(default)]
        uncertain: u32,
    },
    Skipped {
        because: String,
    },
    Waiting {
        reason: Reason,
        #[serde(default)]
        uncertain: u32,
    },
    Failed {
        reason: Reason,
        #[serde(default)]
        uncertain: u32,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Record {
    id: String,
    #[serde(rename = "EventTransactionId")]
    transaction_id: String,
    #[serde(rename = "EventDateTime")]
    date_time: String,
    #[serde(rename = "EventType")]
    event_type: String,
    #[serde(rename = "EventChannelId")]
    channel_id: String,
    status: Status,
    #[serde(default)]
    retry_count: u32,
    seen_at: DateTime<Utc>,
    #[serde(default)]
    seen_by: Uuid,
    #[serde(default)]
    due: Option<DateTime<Utc>>,
    #[serde(default)]
    failing_since: Option<DateTime<Utc>>,
    #[serde(default)]
    published_at: Option<DateTime<Utc>>,
    #[serde(default)]
    publications: u32,
    #[serde(default)]
    slimmed: Option<String>,
    #[serde(default)]
    reason: Option<Reason>,
    #[serde(default)]
    contact_id: Option<Uuid>,
    #[serde(default)]
    journeys: BTreeMap<String, Outcome>,
    #[serde(default)]
    replayed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    sales_id: Option<String>,
    #[serde(default)]
    channel_reference_id: Option<String>,
    #[serde(default)]
    receipt_id: Option<String>,
    #[serde(default)]
    customer_number: Option<String>,
    #[serde(default)]
    finished_at: Option<DateTime<Utc>>,
    #[serde(default)]
    ttl: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Claim {
    id: String,
    #[serde(rename = "EventChannelId")]
    channel_id: String,
    owner: Uuid,
    until: DateTime<Utc>,
    triggering: Vec<String>,
    ttl: u64,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Cursor {
    id: String,
    position: DateTime<Utc>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Assignment {
    id: String,
    contact_id: Uuid,
    ttl: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Message {
    #[serde(default)]
    order_details: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    customer_details: Option<BTreeMap<String, Value>>,
    event_details: Event,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[allow(dead_code, reason = "only whether it can be read matters")]
struct Event {
    event_transaction_id: String,
    event_date_time: String,
    event_type: String,
}

/// What a document is for this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Record,
    Claim,
    Cursor,
    Assignment,
}

/// Reads a document. Additional fields are ignored.
pub(super) fn read_document(document: &Value) -> Result<Kind, serde_json::Error> {
    let partition = document["EventChannelId"].as_str().unwrap_or_default();
    let id = document["id"].as_str().unwrap_or_default();
    match partition {
        "cursors" => Cursor::deserialize(document).map(|_| Kind::Cursor),
        "customers" => Assignment::deserialize(document).map(|_| Kind::Assignment),
        _ if id.ends_with("~claim") => Claim::deserialize(document).map(|_| Kind::Claim),
        _ => Record::deserialize(document).map(|_| Kind::Record),
    }
}

/// Reads the body of a message.
pub(super) fn read_message(body: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<Message>(body).map(drop)
}

/// Reads the properties of a rescheduled message: how many attempts, since when, and which journeys have started.
pub(super) fn read_history(property: impl Fn(&str) -> Option<String>) -> Option<(u32, i64, BTreeMap<String, i64>)> {
    let attempts = property("RetryAttempts")?.parse().ok()?;
    let since = property("RetryFailingSince")?.parse().ok()?;
    let started = property("RetryJourneysStarted").map(|text| serde_json::from_str(&text));
    Some((attempts, since, started.transpose().ok()?.unwrap_or_default()))
}
