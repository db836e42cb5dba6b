//! Finds events by what a person who calls has in hand, and says what can be done about each.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{Answer, error, store_error};
use crate::clients::store::{Criterion, Page};
use crate::events::{JourneyOutcome, ReasonCode, Record, Status};
use crate::functions::Services;

/// A search: one or more criteria, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Find {
    /// The order number.
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_id: Option<String>,
    /// The confirmation number of an online order.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_reference_id: Option<String>,
    /// The number on a store's receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt_id: Option<String>,
    /// The id of the cart, which is the id of the order's transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    /// The customer's account number.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_number: Option<String>,
    /// The Dataverse contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_id: Option<String>,
    /// The customer's e-mail address. Dataverse is asked for the contacts that have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The status of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusFilter>,
    /// The code of the record's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonCode>,
    /// Most events per answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<usize>,
    /// Where the next page begins. Only an earlier answer knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Page>,
}

/// A status, or `scheduled`: a journey of the event is not due yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StatusFilter {
    New,
    Processing,
    Processed,
    Retrying,
    Failed,
    Scheduled,
}

impl StatusFilter {
    fn criterion(self) -> Criterion {
        match self {
            Self::New => Criterion::Status(Status::New),
            Self::Processing => Criterion::Status(Status::Processing),
            Self::Processed => Criterion::Status(Status::Processed),
            Self::Retrying => Criterion::Status(Status::Retrying),
            Self::Failed => Criterion::Status(Status::Failed),
            Self::Scheduled => Criterion::Scheduled,
        }
    }
}

const DEFAULT_EVENTS: usize = 20;
const MAX_EVENTS: usize = 100;
/// Maximum length of a value, in bytes.
const MAX_VALUE_BYTES: usize = 320;

impl Find {
    /// The same search, if it can be made.
    pub(super) fn checked(self) -> Result<Self, String> {
        let texts = self.texts();
        if let Some((name, _)) = texts.iter().find(|(_, text)| text.is_empty() || text.len() > MAX_VALUE_BYTES) {
            return Err(format!("find.{name}: must have 1 to {MAX_VALUE_BYTES} bytes"));
        }
        if self.max.is_some_and(|max| max == 0 || max > MAX_EVENTS) {
            return Err(format!("find.max: must be from 1 to {MAX_EVENTS}"));
        }
        if texts.is_empty() && self.status.is_none() && self.reason.is_none() {
            return Err(
                "find: needs one of salesId, channelReferenceId, receiptId, transactionId, customerNumber, contactId, \
                        email, status, reason"
                    .to_owned(),
            );
        }
        Ok(self)
    }

    fn texts(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("salesId", &self.sales_id),
            ("channelReferenceId", &self.channel_reference_id),
            ("receiptId", &self.receipt_id),
            ("transactionId", &self.transaction_id),
            ("customerNumber", &self.customer_number),
            ("contactId", &self.contact_id),
            ("email", &self.email),
        ];
        texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?.trim().to_owned()))).collect()
    }

    /// What Cosmos DB is asked for. An e-mail address is asked for in Dataverse, because no record contains one.
    async fn criteria(&self, services: &Services) -> Result<Vec<Criterion>, Answer> {
        let mut criteria = Vec::new();
        for (name, text) in self.texts() {
            criteria.push(match name {
                "salesId" => Criterion::SalesId(text),
                "channelReferenceId" => Criterion::ChannelReferenceId(text),
                "receiptId" => Criterion::ReceiptId(text),
                "transactionId" => Criterion::TransactionId(text),
                "customerNumber" => Criterion::CustomerNumber(text),
                "contactId" => Criterion::Contacts(vec![text.to_lowercase()]),
                _ => Criterion::Contacts(contacts_of(services, text).await?),
            });
        }
        criteria.extend(self.status.map(StatusFilter::criterion));
        criteria.extend(self.reason.map(Criterion::Reason));
        Ok(criteria)
    }
}

/// The contacts with this e-mail address.
async fn contacts_of(services: &Services, email: String) -> Result<Vec<String>, Answer> {
    let rows = services.dataverse.contacts(None, &[email]).await;
    let rows = rows.map_err(|cause| error(503, "dataverseUnavailable", cause.to_string()))?;
    Ok(rows.rows.into_iter().map(|row| row.contactid.to_string()).collect())
}

/// Lists the events, the latest first. `next` is the request for the next page.
pub(super) async fn find(services: &Services, query: &Find) -> Result<Answer, Answer> {
    let criteria = query.criteria(services).await?;
    let max = query.max.unwrap_or(DEFAULT_EVENTS);
    let found = services.store.find(&criteria, query.page.as_ref(), max).await;
    let (records, next) = found.map_err(|error| store_error(&error))?;
    let events: Vec<Value> = records.iter().map(|record| describe(services, record)).collect();
    let next = next.map(|page| json!({"find": Find { page: Some(page), ..query.clone() }}));
    Ok(Answer::ok(json!({"events": events, "next": next})))
}

/// One event of the list.
fn describe(services: &Services, record: &Record) -> Value {
    let (event, numbers) = (record.event(), record.numbers());
    json!({
        "eventId": record.id(),
        "eventChannelId": event.channel_id,
        "eventType": event.event_type,
        "eventDateTime": event.date_time,
        "status": record.status(),
        "reason": record.reason(),
        "salesId": numbers.sales_id,
        "channelReferenceId": numbers.channel_reference_id,
        "receiptId": numbers.receipt_id,
        "customerNumber": numbers.customer_number,
        "contactId": record.contact_id(),
        "journeys": record.journeys(),
        "scheduledFor": record.scheduled_for(),
        "nextAttempt": next_attempt(services, record),
        "possible": possible(record),
    })
}

/// Who tries next, and when. Service Bus has the time of a rescheduled message, so only its longest delay is known here.
fn next_attempt(services: &Services, record: &Record) -> Option<Value> {
    match record.status() {
        Status::Processed | Status::Failed => None,
        Status::Retrying if record.publications() > 0 => {
            let within = services.settings.retry.longest_delay.as_secs();
            Some(json!({"by": "process-message", "withinSeconds": within}))
        }
        Status::New | Status::Retrying => Some(json!({"by": "poll-events", "at": record.next_attempt_at()})),
        Status::Processing => match record.scheduled_for() {
            Some(at) => Some(json!({"by": "process-message", "at": at})),
            None => Some(json!({"by": "process-message"})),
        },
    }
}

/// What an operator can do about the event now: the fields of a request beside `eventId` and `eventChannelId`.
fn possible(record: &Record) -> Vec<&'static str> {
    let is_held = |outcome: &JourneyOutcome| matches!(outcome, JourneyOutcome::Failed { reason, .. } if reason.code == ReasonCode::Held);
    match record.status() {
        Status::Processed => vec!["force"],
        Status::Failed if record.journeys().values().any(is_held) => vec!["replay", "release", "dismiss"],
        Status::Failed | Status::Retrying => vec!["replay", "dismiss"],
        Status::New | Status::Processing => vec!["wait", "replay", "dismiss"],
    }
}
