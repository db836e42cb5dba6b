//! The timeline of one event: everything that happened to it so far.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::record::Record;
use crate::audit::{self, Journey, Occasion};
use crate::dataverse::StartedJourney;
use crate::shop::{self, Channel, ChannelKind, Customer, LedgerEntry, OrderFacts};

/// The number of steps that are kept for one event.
const STEPS: usize = 400;

/// An event and everything that happened to it.
pub(super) struct EventTimeline {
    /// Its place in the shop's ledger, from 1.
    pub(super) number: usize,
    /// The version of the dashboard in which it last changed.
    pub(super) revision: u64,
    pub(super) entry: Arc<LedgerEntry>,
    /// The customer, if there is an account.
    pub(super) customer: Option<Arc<Customer>>,
    /// The expected journeys.
    pub(super) due: Vec<Occasion>,
    /// Its record as it was last written.
    pub(super) record: Option<Record>,
    /// The number of the last change of its record, among the changes of all records.
    pub(super) record_change: u64,
    pub(super) deliveries: u32,
    /// The next attempt, if its message is scheduled.
    pub(super) retry: Option<Retry>,
    pub(super) started: Vec<Start>,
    pub(super) steps: Vec<Step>,
}

/// A journey that started for the event.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) journey: Journey,
    pub(super) call: Arc<StartedJourney>,
    /// The time since the event was committed.
    pub(super) latency: TimeDelta,
}

/// When an event is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) at: DateTime<Utc>,
    /// The number of the attempt, if the message contains it.
    pub(super) attempt: Option<u32>,
}

/// Something that happened to an event.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Step {
    pub(super) at: DateTime<Utc>,
    #[serde(flatten)]
    pub(super) kind: StepKind,
}

/// The kind of a step.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum StepKind {
    /// The shop committed it.
    Committed,
    /// Its record was written.
    Recorded {
        status: String,
        retry_count: u64,
        publications: u64,
        reason: Option<Box<RawValue>>,
        journeys: Option<Box<RawValue>>,
    },
    /// Its message was delivered to `process-message`.
    Delivered { message_id: String, delivery_count: u32 },
    /// The invocation of `process-message` ended.
    Settled { outcome: &'static str, detail: String, took_ms: i64 },
    /// A journey started.
    Started { journey: Journey, call: u64, latency_ms: i64, again: bool },
    /// An operator made a request on this page.
    Requested { action: &'static str, status: u16 },
}

/// The event as a row of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    number: usize,
    at: i64,
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    who: String,
    guest: bool,
    place: &'a str,
    online: bool,
    amount: Option<&'a str>,
    currency: &'a str,
    status: &'a str,
    reason: Option<&'a str>,
    /// When it is tried again, in milliseconds since 1970.
    retry_at: Option<i64>,
    /// When its next journey is due, in milliseconds since 1970.
    scheduled_for: Option<i64>,
    attempt: Option<u64>,
    deliveries: u32,
    journeys: Vec<JourneyMark>,
}

/// The state of one journey of the event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JourneyMark {
    journey: Journey,
    state: String,
    times: usize,
    latency_ms: Option<i64>,
}

impl Step {
    fn is_record(&self) -> bool {
        matches!(self.kind, StepKind::Recorded { .. })
    }
}

impl StepKind {
    fn is_same_record(&self, other: &Self) -> bool {
        let text = |value: &Option<Box<RawValue>>| value.as_ref().map(|value| value.get().to_owned());
        match (self, other) {
            (
                Self::Recorded { status, retry_count, publications, reason, journeys },
                Self::Recorded { status: s, retry_count: r, publications: p, reason: why, journeys: j },
            ) => {
                (status, retry_count, publications) == (s, r, p)
                    && text(reason) == text(why)
                    && text(journeys) == text(j)
            }
            _ => false,
        }
    }
}

/// The time of a step: a publication is recorded only after its message may have been delivered.
fn published_at(written: DateTime<Utc>, item: &Value, before: Option<&Record>) -> DateTime<Utc> {
    let is_new = item["publications"].as_u64() > before.and_then(|before| before.item()["publications"].as_u64());
    let published = item["publishedAt"].as_str().and_then(|at| at.parse().ok());
    published.filter(|at| is_new && *at < written).unwrap_or(written)
}

impl EventTimeline {
    pub(super) fn new(
        number: usize,
        entry: Arc<LedgerEntry>,
        customer: Option<Arc<Customer>>,
        enabled: &[Journey],
        revision: u64,
    ) -> Self {
        let due = audit::due(&entry, enabled).collect();
        let steps = vec![Step { at: entry.committed, kind: StepKind::Committed }];
        Self {
            number,
            revision,
            entry,
            customer,
            due,
            record: None,
            record_change: 0,
            deliveries: 0,
            retry: None,
            started: Vec::new(),
            steps,
        }
    }

    pub(super) fn add(&mut self, at: DateTime<Utc>, kind: StepKind) {
        if self.steps.len() < STEPS {
            self.steps.push(Step { at, kind });
        }
    }

    /// Updates the record. Returns `false` if nothing relevant has changed.
    pub(super) fn update_record(&mut self, at: DateTime<Utc>, item: &Value) -> bool {
        let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| item[field].as_u64().unwrap_or_default();
        if self.record.as_ref().is_some_and(|known| !known.differs_from(item)) {
            return false;
        }
        let raw = |field: &str| to_raw_value(&item[field]).ok();
        let kind = StepKind::Recorded {
            status: text("status"),
            retry_count: number("retryCount"),
            publications: number("publications"),
            reason: raw("reason"),
            journeys: raw("journeys"),
        };
        // A write that changes only times is no step of its own.
        if !self.steps.iter().rev().find(|step| step.is_record()).is_some_and(|step| step.kind.is_same_record(&kind)) {
            self.add(published_at(at, item, self.record.as_ref()), kind);
        }
        self.record = Some(Record::new(item));
        true
    }

    /// Adds a started journey. Returns the latency, if this is the first start of the journey.
    pub(super) fn add_start(&mut self, journey: Journey, call: Arc<StartedJourney>) -> Option<TimeDelta> {
        let latency = call.at - self.entry.committed;
        let again = self.started.iter().any(|start| start.journey == journey);
        let kind = StepKind::Started { journey, call: call.number, latency_ms: latency.num_milliseconds(), again };
        self.add(call.at, kind);
        self.started.push(Start { journey, call, latency });
        (!again).then_some(latency)
    }

    /// The status of the record. `None` until the poller has found the event.
    pub(super) fn status(&self) -> Option<&str> {
        self.record.as_ref().map(|record| record.status.as_str())
    }

    /// The channel of the event.
    pub(super) fn channel(&self) -> Option<&'static Channel> {
        shop::channel(self.entry.event.channel_id)
    }

    pub(super) fn who(&self) -> String {
        let of_order = self.entry.order.as_ref().map(|order| order.name.clone());
        let of_account = || self.customer.as_ref().map(|customer| customer.name());
        of_order.filter(|name| !name.is_empty()).or_else(of_account).unwrap_or_else(|| "Guest".to_owned())
    }

    /// Whether what a person may know about the event contains a text, which is in lower case.
    pub(super) fn contains(&self, text: &str) -> bool {
        let has = |value: &str| value.to_lowercase().contains(text);
        let event = &self.entry.event;
        let is_in_order =
            |order: &OrderFacts| has(&order.sales_id) || has(&order.channel_reference_id) || has(&order.receipt_id);
        text.is_empty()
            || has(&self.who())
            || has(self.place())
            || has(&event.transaction_id)
            || has(&event.event_type)
            || self.entry.email.as_deref().is_some_and(has)
            || self.entry.account.as_deref().is_some_and(has)
            || self.entry.order.as_ref().is_some_and(is_in_order)
            || has(self.status().unwrap_or_default())
            || self.record.as_ref().is_some_and(|record| record.has_word(text))
    }

    /// When the event is tried again: its scheduled message, or the time in its record.
    fn retry(&self) -> Option<Retry> {
        let record = self.record.as_ref().filter(|record| record.status == "retrying")?;
        self.retry.or_else(|| record.retry_by_poller())
    }

    fn place(&self) -> &'static str {
        self.channel().map_or("elsewhere", |channel| channel.name)
    }

    pub(super) fn row(&self, enabled: &[Journey]) -> Row<'_> {
        let (event, order) = (&self.entry.event, self.entry.order.as_ref());
        let channel = self.channel();
        Row {
            number: self.number,
            at: self.entry.committed.timestamp_millis(),
            kind: &event.event_type,
            id: &event.transaction_id,
            who: self.who(),
            guest: self.entry.account.is_none(),
            place: self.place(),
            online: channel.is_some_and(|channel| channel.kind == ChannelKind::Online),
            amount: order.map(|order| order.amount_paid.as_str()),
            currency: order.map_or("", |order| &order.currency),
            status: self.status().unwrap_or("notPolled"),
            reason: self.record.as_ref().and_then(|record| record.reason.as_deref()),
            retry_at: self.retry().map(|retry| retry.at.timestamp_millis()),
            scheduled_for: self.record.as_ref().and_then(|record| record.scheduled_for).map(|at| at.timestamp_millis()),
            attempt: self.retry().and_then(|retry| retry.attempt).map(u64::from),
            deliveries: self.deliveries,
            journeys: enabled.iter().filter_map(|journey| self.mark(*journey)).collect(),
        }
    }

    fn mark(&self, journey: Journey) -> Option<JourneyMark> {
        let mut starts = self.started.iter().filter(|start| start.journey == journey);
        if let Some(first) = starts.next() {
            let (times, latency_ms) = (1 + starts.count(), Some(first.latency.num_milliseconds()));
            return Some(JourneyMark { journey, state: "started".to_owned(), times, latency_ms });
        }
        let recorded = self.record.as_ref().and_then(|record| record.state_of(journey));
        let is_due = || self.due.iter().any(|occasion| occasion.journey == journey);
        let state = recorded.map(str::to_owned).or_else(|| is_due().then(|| "due".to_owned()))?;
        Some(JourneyMark { journey, state, times: 0, latency_ms: None })
    }
}
