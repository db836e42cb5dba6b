//! The record of an event.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::merge::merge_journeys;
use super::{CommerceEvent, EventId, JourneyOutcome, Numbers, Reason, ReasonCode, Truncation};

/// The processing status of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Seen, not published yet.
    New,
    /// Published. `process-message` handles its journeys.
    Processing,
    /// Every journey was started or skipped. Final.
    Processed,
    /// Failed temporarily. It will be retried.
    Retrying,
    /// Failed for the recorded reason. Final, unless an operator replays or redrives it.
    Failed,
}

impl Status {
    /// Whether processing has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Processed | Self::Failed)
    }
}

/// The record of one event: an item of the Cosmos DB container, in the partition of its channel.
///
/// `poll-events` writes it until the event is published, `process-message` afterwards. Every write is conditional on its
/// etag. The fields change only through the methods below.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    id: EventId,
    #[serde(flatten)]
    event: CommerceEvent,
    status: Status,
    /// Failures so far. The retry delay grows with it.
    #[serde(rename = "retryCount", default)]
    retry_count: u32,
    #[serde(rename = "seenAt")]
    seen_at: DateTime<Utc>,
    /// The run of the poller that saw the event first. It distinguishes a run's own record from that of a concurrent run.
    #[serde(rename = "seenBy", default)]
    seen_by: Uuid,
    /// When the poller processes the record (again) unless it is finished by then: the end of a run's lease, the time of
    /// a retry, or the time at which a published event without outcome is published again.
    #[serde(rename = "due", default, skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<DateTime<Utc>>,
    /// The time of the first failure. The retry horizon begins here.
    #[serde(rename = "failingSince", default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<DateTime<Utc>>,
    /// Absent if the journeys started before the poller recorded the publication.
    #[serde(rename = "publishedAt", default, skip_serializing_if = "Option::is_none")]
    published_at: Option<DateTime<Utc>>,
    #[serde(default)]
    publications: u32,
    /// When the message of journeys that wait becomes available.
    #[serde(rename = "scheduledFor", default, skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<DateTime<Utc>>,
    /// When an operator replayed or redrove the event. Such an event says nothing about the subscription.
    #[serde(rename = "replayedAt", default, skip_serializing_if = "Option::is_none")]
    replayed_at: Option<DateTime<Utc>>,
    /// What was left out of the message to fit the size limit.
    #[serde(rename = "slimmed", default, skip_serializing_if = "Option::is_none")]
    truncation: Option<String>,
    /// Written when the order is read first.
    #[serde(flatten)]
    numbers: Numbers,
    /// Why it is not completed, or what was missing when it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(rename = "contactId", default, skip_serializing_if = "Option::is_none")]
    contact_id: Option<Uuid>,
    /// The outcome of each journey, by name.
    #[serde(default)]
    journeys: BTreeMap<String, JourneyOutcome>,
    #[serde(rename = "finishedAt", default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<DateTime<Utc>>,
    /// Seconds after which Cosmos DB deletes a finished record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    #[serde(rename = "_etag", default, skip_serializing)]
    etag: Option<String>,
}

impl Record {
    /// The record of a new event that `run` has seen at `now` and leases until `leased_until`.
    pub fn new(event: CommerceEvent, run: Uuid, now: DateTime<Utc>, leased_until: DateTime<Utc>) -> Self {
        Self {
            id: event.id(),
            event,
            status: Status::New,
            retry_count: 0,
            seen_at: now,
            seen_by: run,
            next_attempt_at: Some(leased_until),
            failing_since: None,
            published_at: None,
            publications: 0,
            scheduled_for: None,
            replayed_at: None,
            truncation: None,
            numbers: Numbers::default(),
            reason: None,
            contact_id: None,
            journeys: BTreeMap::new(),
            finished_at: None,
            ttl: None,
            etag: None,
        }
    }

    /// The record of a row that cannot be read as an event.
    pub fn unreadable(raw: &str, run: Uuid, now: DateTime<Utc>, leased_until: DateTime<Utc>) -> Self {
        Self { id: EventId::of_malformed(raw), ..Self::new(CommerceEvent::unreadable(), run, now, leased_until) }
    }

    /// The same record with the key fields only. Cosmos DB rejects the whole one, for this reason. A published event goes on,
    /// because its message is complete. A final one keeps its own reason.
    pub fn without_content(self, reason: Reason) -> Self {
        let reason = if self.status.is_final() { self.reason } else { Some(reason) };
        Self { event: self.event.key_only(), reason, ..self }
    }

    /// Why an unfinished record has no content. It cannot be published (again).
    pub fn rejection(&self) -> Option<&Reason> {
        self.reason.as_ref().filter(|reason| !self.status.is_final() && reason.code == ReasonCode::MalformedEvent)
    }

    /// Extends the lease of a run of the poller.
    pub fn lease_until(&mut self, end: DateTime<Utc>) {
        self.next_attempt_at = Some(end);
    }

    /// Records the result of the enrichment.
    pub fn set_enriched(&mut self, note: Option<Reason>, truncation: Option<Truncation>) {
        self.reason = note;
        self.truncation = truncation.map(|truncation| truncation.name().to_owned());
    }

    /// Records the numbers by which an operator finds the event. Those that are missing stay as they are.
    pub fn set_numbers(&mut self, numbers: Numbers) {
        self.numbers = numbers.or(std::mem::take(&mut self.numbers));
    }

    /// Records a temporary failure. The event is retried at `at`.
    pub fn schedule_retry(&mut self, at: DateTime<Utc>, reason: Reason, now: DateTime<Utc>) {
        self.status = Status::Retrying;
        self.retry_count += 1;
        self.failing_since.get_or_insert(now);
        self.next_attempt_at = Some(at);
        self.reason = Some(reason);
        self.scheduled_for = None;
    }

    /// Records that the rest of its journeys are due later. `next_attempt_at` is when the poller publishes the event unless it
    /// has an outcome by then. `note` is what is known so far.
    pub fn schedule(&mut self, until: DateTime<Utc>, next_attempt_at: DateTime<Utc>, note: Option<Reason>) {
        self.status = Status::Processing;
        self.scheduled_for = Some(until);
        self.next_attempt_at = Some(next_attempt_at);
        self.failing_since = None;
        self.retry_count = 0;
        self.reason = note;
    }

    /// Lets the poller publish a scheduled event, because its message cannot be scheduled.
    pub fn publish_when_due(&mut self) {
        self.next_attempt_at = self.scheduled_for.or(self.next_attempt_at);
    }

    /// Fails the journeys that have been attempted without success. Those that are not due yet stay.
    pub fn fail_attempted(&mut self, reason: &Reason) {
        for outcome in self.journeys.values_mut() {
            if let JourneyOutcome::Waiting { uncertain, .. } = outcome {
                *outcome = JourneyOutcome::Failed { reason: reason.clone(), uncertain: *uncertain };
            }
        }
    }

    /// Continues the retries of a message, whose first failure was at `since`. The horizon does not begin again.
    pub fn continue_retries(&mut self, since: Option<DateTime<Utc>>, retries: u32) {
        self.failing_since = since.or(self.failing_since);
        self.retry_count = retries.max(self.retry_count);
    }

    /// Begins the retries of a published event again if they began before this time. So much later its message was lost.
    pub fn forget_retries_before(&mut self, time: DateTime<Utc>) {
        if self.publications > 0 && self.failing_since.is_some_and(|since| since <= time) {
            self.failing_since = None;
            self.retry_count = 0;
        }
    }

    /// Records a publication. The event is published again at `republish_at` unless it has an outcome by then.
    pub fn publish(&mut self, now: DateTime<Utc>, republish_at: DateTime<Utc>) {
        self.status = Status::Processing;
        self.published_at = Some(now);
        self.publications += 1;
        self.next_attempt_at = Some(republish_at);
        self.scheduled_for = None;
        self.failing_since = None;
        self.retry_count = 0;
    }

    /// Completes the event. `note` is what was missing. The record expires after `ttl_seconds`.
    pub fn complete(&mut self, note: Option<Reason>, now: DateTime<Utc>, ttl_seconds: u64) {
        self.finish(Status::Processed, note, now, ttl_seconds);
    }

    /// Fails the event permanently. The record expires after `ttl_seconds`.
    pub fn fail(&mut self, reason: Reason, now: DateTime<Utc>, ttl_seconds: u64) {
        self.finish(Status::Failed, Some(reason), now, ttl_seconds);
    }

    /// Closes the event, because an operator decided so. Journeys that have not started are never started.
    pub fn dismiss(&mut self, detail: &str, now: DateTime<Utc>, ttl_seconds: u64) {
        let reason = Reason::new(ReasonCode::Dismissed, detail);
        for outcome in self.journeys.values_mut() {
            if let JourneyOutcome::Waiting { .. } | JourneyOutcome::Failed { .. } | JourneyOutcome::Scheduled { .. } =
                outcome
            {
                *outcome = JourneyOutcome::Failed { reason: reason.clone(), uncertain: outcome.uncertain() };
            }
        }
        self.finish(Status::Processed, Some(reason), now, ttl_seconds);
    }

    fn finish(&mut self, status: Status, reason: Option<Reason>, now: DateTime<Utc>, ttl_seconds: u64) {
        self.status = status;
        self.reason = reason;
        self.next_attempt_at = None;
        self.scheduled_for = None;
        self.finished_at = Some(now);
        self.ttl = Some(ttl_seconds);
    }

    /// Reopens a final record, because an operator asked for it.
    pub fn reopen(&mut self) {
        // What follows has a reason of its own, or none.
        self.reason.take_if(|_| self.status == Status::Failed);
        self.status = Status::Processing;
        self.finished_at = None;
        self.ttl = None;
        self.failing_since = None;
        self.retry_count = 0;
    }

    /// Records that an operator replays or redrives the event.
    pub fn mark_replayed(&mut self, now: DateTime<Utc>) {
        self.replayed_at = Some(now);
    }

    /// Records the outcome of a journey.
    pub fn set_journey_outcome(&mut self, journey: &str, outcome: JourneyOutcome) {
        self.journeys.insert(journey.to_owned(), outcome);
    }

    /// Records the Dataverse contact.
    pub fn set_contact(&mut self, id: Uuid) {
        self.contact_id = Some(id);
    }

    /// Moves these changes onto the version that is stored now. Keeps its publications, and merges the journey outcomes, so
    /// that no start is lost.
    pub fn rebase_onto(&mut self, stored: &Self) {
        self.etag.clone_from(&stored.etag);
        self.journeys = merge_journeys(&self.journeys, &stored.journeys);
        self.contact_id = self.contact_id.or(stored.contact_id);
        self.published_at = stored.published_at.or(self.published_at);
        self.publications = stored.publications.max(self.publications);
        self.replayed_at = self.replayed_at.or(stored.replayed_at);
    }

    /// The same record with the etag of the stored version.
    pub(crate) fn with_etag(self, etag: Option<String>) -> Self {
        Self { etag, ..self }
    }
}

/// What is recorded.
impl Record {
    /// Id of the item.
    pub fn id(&self) -> &EventId {
        &self.id
    }

    /// The row of the event store.
    pub fn event(&self) -> &CommerceEvent {
        &self.event
    }

    /// The processing status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Failures so far.
    pub fn retry_count(&self) -> u32 {
        self.retry_count
    }

    /// The run of the poller that saw the event first.
    pub fn seen_by(&self) -> Uuid {
        self.seen_by
    }

    /// The time of the first failure.
    pub fn failing_since(&self) -> Option<DateTime<Utc>> {
        self.failing_since
    }

    /// How many times the event was published.
    pub fn publications(&self) -> u32 {
        self.publications
    }

    /// When it was published last.
    pub fn published_at(&self) -> Option<DateTime<Utc>> {
        self.published_at
    }

    /// Why it is not completed, or what was missing when it was.
    pub fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// The Dataverse contact.
    pub fn contact_id(&self) -> Option<Uuid> {
        self.contact_id
    }

    /// The outcome of each journey, by name.
    pub fn journeys(&self) -> &BTreeMap<String, JourneyOutcome> {
        &self.journeys
    }

    /// Whether its journeys have been decided on, completely or not.
    pub fn has_outcomes(&self) -> bool {
        !self.journeys.is_empty()
    }

    /// The numbers of its order or cart.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// When the poller processes it next, unless it is finished by then.
    pub fn next_attempt_at(&self) -> Option<DateTime<Utc>> {
        self.next_attempt_at
    }

    /// When the message of journeys that wait becomes available.
    pub fn scheduled_for(&self) -> Option<DateTime<Utc>> {
        self.scheduled_for
    }

    /// When the first of its journeys that are not due yet is due.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let due = |outcome: &JourneyOutcome| match outcome {
            JourneyOutcome::Scheduled { until } => Some(*until),
            _ => None,
        };
        self.journeys.values().filter_map(due).min()
    }

    /// Number of invocations of a journey's trigger without an answer.
    pub fn uncertain(&self, journey: &str) -> u32 {
        self.journeys.get(journey).map_or(0, JourneyOutcome::uncertain)
    }

    /// The version that was read.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Milliseconds since the event's commit in the shop. Zero if the shop's clock is ahead or the event has no time.
    pub fn age_ms(&self, now: DateTime<Utc>) -> i64 {
        let age = self.event.occurred_at().map_or(TimeDelta::zero(), |occurred_at| now - occurred_at);
        age.num_milliseconds().max(0)
    }

    /// The W3C trace context of the event: one trace for each event, one parent span for each publication.
    pub(crate) fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-01", self.id.trace_id(), u64::from(self.publications) + 1)
    }
}
