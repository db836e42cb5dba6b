//! What an operator requested of `trigger-journey`, as the Functions host passed it on. It explains journeys that were started
//! again, and journeys that were never started.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

use super::journey::Journey;
use crate::host::HttpRequest;
use crate::shop::LedgerEntry;

/// The function that operators use.
const FUNCTION: &str = "trigger-journey";

/// The requests of operators that start journeys again, or that close an event.
#[derive(Debug, Default)]
pub(super) struct OperatorRequests {
    starts: Vec<ForcedStart>,
    dismissals: Vec<Dismissal>,
}

/// A request with `force` or `release`.
#[derive(Debug)]
struct ForcedStart {
    subject: Subject,
    /// The journeys that it names. `None` for all.
    journeys: Option<BTreeSet<String>>,
    from: DateTime<Utc>,
    /// `None` if the handler did not answer. Then it may have started journeys at any later time.
    until: Option<DateTime<Utc>>,
}

/// A request with `dismiss` that was answered with 200.
#[derive(Debug)]
struct Dismissal {
    subject: Subject,
    at: DateTime<Utc>,
}

/// The event that a request is about.
#[derive(Debug, PartialEq, Eq)]
enum Subject {
    /// A transaction id, a type and a time.
    Event(String, String, Option<DateTime<Utc>>),
    /// Every event with a dead letter.
    DeadLetters,
}

impl OperatorRequests {
    pub(super) fn read(requests: &[HttpRequest]) -> Self {
        let mut read = Self::default();
        for request in requests.iter().filter(|request| request.function == FUNCTION) {
            let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { continue };
            let Some(subject) = Subject::of(&body) else { continue };
            match request.answered {
                Some((at, 200)) if body["dismiss"].is_string() => read.dismissals.push(Dismissal { subject, at }),
                answered if is_forced(&body) => read.starts.push(ForcedStart {
                    subject,
                    journeys: journeys(&body),
                    from: request.at,
                    until: answered.map(|(at, _)| at),
                }),
                _ => {}
            }
        }
        read
    }

    /// The request that explains this start, except for those that explain an earlier one (`used`).
    pub(super) fn explaining(
        &self,
        journey: Journey,
        entry: &LedgerEntry,
        at: DateTime<Utc>,
        used: &BTreeSet<usize>,
    ) -> Option<usize> {
        let explains = |request: &ForcedStart| {
            request.subject.is(entry)
                && request.journeys.as_ref().is_none_or(|names| names.contains(journey.name()))
                && request.from <= at
                && request.until.is_none_or(|until| at <= until)
        };
        self.starts.iter().enumerate().position(|(place, request)| !used.contains(&place) && explains(request))
    }

    /// Whether the request is about one event.
    pub(super) fn names_event(&self, request: usize) -> bool {
        self.starts.get(request).is_some_and(|request| request.subject != Subject::DeadLetters)
    }

    /// When the event was dismissed.
    pub(super) fn dismissed_at(&self, entry: &LedgerEntry) -> Option<DateTime<Utc>> {
        self.dismissals.iter().filter(|request| request.subject.is(entry)).map(|request| request.at).min()
    }
}

impl Subject {
    fn of(body: &Value) -> Option<Self> {
        if body.get("deadLetters").is_some() {
            return Some(Self::DeadLetters);
        }
        if let Some(details) = body.get("message").map(|message| &message["EventDetails"]) {
            let text = |field: &str| details[field].as_str().map(str::to_owned);
            let time = text("EventDateTime").and_then(|time| time.parse().ok());
            return Some(Self::Event(text("EventTransactionId")?, text("EventType")?, time));
        }
        // The id of a record begins with these parts.
        let mut parts = body["eventId"].as_str()?.split('~');
        let (transaction, kind, time) = (parts.next()?, parts.next()?, parts.next()?);
        let time = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%.f").ok();
        Some(Self::Event(transaction.to_owned(), kind.to_owned(), time.map(|time| time.and_utc())))
    }

    fn is(&self, entry: &LedgerEntry) -> bool {
        let Self::Event(transaction, kind, time) = self else { return true };
        let event = &entry.event;
        *transaction == event.transaction_id
            && *kind == event.event_type
            && time.is_none_or(|time| time == event.date_time.to_utc())
    }
}

fn is_forced(body: &Value) -> bool {
    (body["force"] == true || body["release"] == true) && body["dryRun"] != true
}

fn journeys(body: &Value) -> Option<BTreeSet<String>> {
    let names = body["journeys"].as_array()?;
    Some(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}
