//! `poll-events`: from the event store to the topic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use serde_json::value::RawValue;

use super::enrich::{Customers, Enriched, NotEnriched, enrich};
use super::packing::packed;
use crate::app::App;
use crate::clients::bus::{BusError, Outgoing};
use crate::clients::commerce::{CommerceError, Page};
use crate::clients::store::{Cursor, StoreError};
use crate::events::{CommerceEvent, OutgoingMessage, Reason, ReasonCode, Record, Status, read_json};

/// Why a run could not do all that it should. What it did is done; the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The event store could not be searched.
    #[error(transparent)]
    Commerce(#[from] CommerceError),
    /// Records could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Messages could not be published.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PollSummary {
    /// Events that the searches returned, known ones included.
    pub returned: usize,
    /// Events seen for the first time.
    pub new: usize,
    /// Records taken up because their time had come.
    pub due: usize,
    /// Published.
    pub published: usize,
    /// To be tried again later.
    pub retrying: usize,
    /// Given up, with a reason in the record.
    pub failed: usize,
    /// Left for the next run, because a neighbour is away.
    pub left: usize,
}

/// What the poller remembers between runs. Losing it costs a few requests and nothing else.
#[derive(Debug, Default)]
pub struct PollMemory(Mutex<HashMap<String, TypeMemory>>);

#[derive(Clone, Debug, Default)]
struct TypeMemory {
    cursor: Option<Cursor>,
    /// Events known to be recorded, with their moments: as far back as polls look.
    known: HashMap<crate::events::EventId, DateTime<Utc>>,
}

impl PollMemory {
    fn take(&self, event_type: &str) -> TypeMemory {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(event_type).unwrap_or_default()
    }

    fn keep(&self, event_type: &str, memory: TypeMemory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(event_type.to_owned(), memory);
    }
}

/// Records saved per request round; they are split by partition and by the 100 operations of a batch.
const SAVED_TOGETHER: usize = 200;

/// Messages being published at once.
const PUBLISHED_AT_ONCE: usize = 8;

/// So many failures in a row that look like an outage are one.
const OUTAGE_AFTER: usize = 10;

/// Polls every event type, then works on everything whose time has come.
///
/// Order of effects, which every crash respects: the records of a page are written, then the cursor moves past it,
/// then its events are enriched and published, then their records say so. New records are written as leased to this
/// run, which saves a write; whatever a crash leaves behind comes due when its lease runs out.
pub async fn poll_events(app: &App) -> Result<PollSummary, PollError> {
    let run = Run::new(app);
    let types = stream::iter(&app.settings.poll.event_types).flat_map(|event_type| run.intake(event_type));
    let due = stream::once(async { run.due() }).flatten();
    let work = types.chain(due).filter_map(|item| std::future::ready(run.note_error(item)));
    let prepared = work
        .map(|record| run.prepare(record))
        .buffer_unordered(app.settings.commerce.concurrency)
        .filter_map(std::future::ready)
        .boxed();
    let (limit, size) = (app.settings.bus.max_message_bytes, |item: &Prepared| item.size());
    let published = packed(prepared, limit, size).map(|group| run.publish(group)).buffer_unordered(PUBLISHED_AT_ONCE);
    let saved = published
        .flat_map(stream::iter)
        .chunks(SAVED_TOGETHER)
        .map(|records| async {
            let saved = run.note_error(app.store.save(records).await.map_err(PollError::from));
            for record in saved.into_iter().flat_map(|saved| saved.overtaken) {
                tracing::info!(event = %record.id, "the record was written by somebody else in the meantime");
            }
        })
        .buffer_unordered(2);
    saved.for_each(|()| std::future::ready(())).await;
    run.conclude()
}

/// One run of the poller.
struct Run<'a> {
    app: &'a App,
    started: DateTime<Utc>,
    stop_at: DateTime<Utc>,
    customers: Customers,
    /// Set when going on makes no sense in this run.
    halted: AtomicBool,
    outage_signs: AtomicUsize,
    summary: Mutex<PollSummary>,
    error: Mutex<Option<PollError>>,
}

/// A record after enrichment, with its message if it has come so far.
struct Prepared {
    record: Record,
    message: Option<OutgoingMessage>,
    /// What the record becomes when the message is out: published, or failed for this reason.
    failed: Option<Reason>,
}

impl Prepared {
    fn size(&self) -> usize {
        self.message.as_ref().map_or(0, |message| outgoing(message).size())
    }
}

fn outgoing(message: &OutgoingMessage) -> Outgoing<'_> {
    Outgoing { id: &message.id, body: &message.body, properties: &message.properties, scheduled: None }
}

/// Where the intake of one event type stands.
struct Intake<'a> {
    event_type: &'a str,
    memory: TypeMemory,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    skip: usize,
    done: bool,
}

impl<'a> Run<'a> {
    fn new(app: &'a App) -> Self {
        let started = app.clock.now();
        Self {
            app,
            started,
            stop_at: started + app.settings.poll.time_budget,
            customers: Customers::default(),
            halted: AtomicBool::new(false),
            outage_signs: AtomicUsize::new(0),
            summary: Mutex::default(),
            error: Mutex::default(),
        }
    }

    fn count(&self, change: impl FnOnce(&mut PollSummary)) {
        change(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether to stop cleanly, because time is up or a neighbour is away.
    fn is_over(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || self.app.clock.now() >= self.stop_at
    }

    fn lease_end(&self) -> DateTime<Utc> {
        self.app.clock.now() + self.app.settings.lease
    }

    /// The first error is the run's; all are logged.
    fn note_error<T>(&self, result: Result<T, PollError>) -> Option<T> {
        result
            .map_err(|error| {
                tracing::warn!(%error, "poll-events was interrupted");
                self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            })
            .ok()
    }

    fn conclude(self) -> Result<PollSummary, PollError> {
        let summary = self.summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        let milliseconds = (self.app.clock.now() - self.started).num_milliseconds();
        tracing::info!(
            returned = summary.returned,
            new = summary.new,
            due = summary.due,
            published = summary.published,
            retrying = summary.retrying,
            failed = summary.failed,
            left = summary.left,
            milliseconds,
            "polled"
        );
        self.error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(summary), Err)
    }

    /// New records of one event type, page by page as the work on them goes on.
    fn intake<'r>(&'r self, event_type: &'r str) -> impl Stream<Item = Result<Record, PollError>> + 'r {
        stream::once(self.begin(event_type))
            .map_ok(move |intake| stream::try_unfold(intake, move |intake| self.next_page(intake)))
            .try_flatten()
            .map_ok(|records| stream::iter(records).map(Ok))
            .try_flatten()
    }

    async fn begin<'r>(&'r self, event_type: &'r str) -> Result<Intake<'r>, PollError> {
        let mut memory = self.app.memory.take(event_type);
        if memory.cursor.is_none() {
            memory.cursor = self.app.store.cursor(event_type).await?;
        }
        let poll = &self.app.settings.poll;
        let now = self.app.clock.now();
        let from = memory.cursor.as_ref().map_or(now - poll.initial_lookback, |cursor| cursor.position - poll.overlap);
        Ok(Intake { event_type, memory, from, to: now + poll.clock_allowance, skip: 0, done: false })
    }

    async fn next_page<'r>(&'r self, mut intake: Intake<'r>) -> Result<Option<(Vec<Record>, Intake<'r>)>, PollError> {
        if intake.done || self.is_over() {
            self.app.memory.keep(intake.event_type, intake.memory);
            return Ok(None);
        }
        let page = Page { skip: intake.skip, top: self.app.settings.poll.page_size };
        let rows = match self.app.commerce.search(intake.event_type, intake.from, intake.to, page).await {
            Ok(rows) => rows,
            Err(error) => {
                // Without the event store, orders and customers are not to be had either.
                self.halted.fetch_or(error.is_outage(), Ordering::Relaxed);
                self.app.memory.keep(intake.event_type, intake.memory);
                return Err(error.into());
            }
        };
        intake.skip += rows.len();
        intake.done = rows.len() < page.top;
        let records = self.read_rows(&rows);
        let latest = records.iter().filter_map(|record| record.event.moment()).max();
        let new = self.record_new(records, &mut intake.memory).await?;
        self.advance(&mut intake, latest).await?;
        self.count(|summary| {
            summary.returned += rows.len();
            summary.new += new.len();
        });
        Ok(Some((new, intake)))
    }

    /// The rows as records leased to this run. Rows that cannot be read become records too, and fail as such.
    fn read_rows(&self, rows: &[Box<RawValue>]) -> Vec<Record> {
        let (now, due) = (self.app.clock.now(), self.lease_end());
        rows.iter()
            .map(|row| match read_json::<CommerceEvent>(row.get().as_bytes()) {
                Ok(event) => Record::new(event.in_some_partition(), now, due),
                Err(_) => Record::unreadable(row.get(), now, due),
            })
            .collect()
    }

    /// Writes the records of events that are not known yet.
    async fn record_new(&self, mut records: Vec<Record>, memory: &mut TypeMemory) -> Result<Vec<Record>, PollError> {
        records.retain(|record| !memory.known.contains_key(&record.id));
        let seen: Vec<_> =
            records.iter().map(|record| (record.id.clone(), record.event.moment().unwrap_or(self.started))).collect();
        // A row that is there twice (a page boundary moved) would spoil its batch.
        let mut ids = std::collections::HashSet::new();
        records.retain(|record| ids.insert(record.id.clone()));
        let added = if records.is_empty() { Vec::new() } else { self.app.store.add(records).await? };
        memory.known.extend(seen);
        Ok(added)
    }

    /// Moves the cursor past a recorded page: to its last event, but never ahead of our own clock, or an event with a
    /// wrong clock could hide all that come after it.
    async fn advance(&self, intake: &mut Intake<'_>, latest: Option<DateTime<Utc>>) -> Result<(), PollError> {
        let Some(position) = latest.map(|latest| latest.min(self.app.clock.now())) else { return Ok(()) };
        let cursor = intake.memory.cursor.clone();
        if cursor.as_ref().is_some_and(|cursor| position <= cursor.position) {
            return Ok(());
        }
        let etag = cursor.and_then(|cursor| cursor.etag);
        intake.memory.cursor = match self.app.store.move_cursor(intake.event_type, position, etag.as_deref()).await {
            Ok(moved) => Some(moved),
            // Another poller has moved it; both have recorded what they read. The next run reads it anew.
            Err(StoreError::Conflict(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let horizon = position - TimeDelta::from_std(2 * self.app.settings.poll.overlap).unwrap_or(TimeDelta::days(1));
        intake.memory.known.retain(|_, moment| *moment >= horizon);
        Ok(())
    }

    /// Unfinished records whose time has come, taken into this run's lease.
    fn due<'r>(&'r self) -> impl Stream<Item = Result<Record, PollError>> + 'r {
        let page = move |done: bool| async move {
            if done || self.is_over() {
                return Ok::<_, PollError>(None);
            }
            let limit = self.app.settings.poll.page_size;
            let mut records = self.app.store.due(self.app.clock.now(), limit).await?;
            let last = records.len() < limit;
            let due = self.lease_end();
            records.iter_mut().for_each(|record| record.due = Some(due));
            let taken = if records.is_empty() { Vec::new() } else { self.app.store.save(records).await?.written };
            self.count(|summary| summary.due += taken.len());
            Ok(Some((taken, last)))
        };
        stream::try_unfold(false, page).map_ok(|records| stream::iter(records).map(Ok)).try_flatten()
    }

    /// Enriches a record and composes its message.
    async fn prepare(&self, record: Record) -> Option<Prepared> {
        if let Err(problem) = record.event.check() {
            return Some(self.give_up(record, Reason::new(ReasonCode::MalformedEvent, problem.to_string())));
        }
        if self.halted.load(Ordering::Relaxed) {
            self.count(|summary| summary.left += 1);
            return None;
        }
        let enriched = enrich(&self.app.commerce, &self.customers, &record.event).await;
        self.watch_for_outage(enriched.as_ref().err());
        Some(match enriched {
            Ok(enriched) => self.compose(record, enriched),
            Err(problem) => self.set_back(record, problem),
        })
    }

    fn watch_for_outage(&self, problem: Option<&NotEnriched>) {
        if !problem.is_some_and(|problem| problem.outage) {
            self.outage_signs.store(0, Ordering::Relaxed);
        } else if self.outage_signs.fetch_add(1, Ordering::Relaxed) + 1 >= OUTAGE_AFTER {
            self.halted.store(true, Ordering::Relaxed);
        }
    }

    fn compose(&self, mut record: Record, enriched: Enriched) -> Prepared {
        record.reason = enriched.note;
        let fits = |message: &OutgoingMessage| outgoing(message).size() <= self.app.settings.bus.max_message_bytes;
        match OutgoingMessage::compose(&record, enriched.order.as_deref(), enriched.customer.as_deref(), fits) {
            Some(message) => {
                record.slimmed = message.slimmed.map(|slimmed| slimmed.name().to_owned());
                Prepared { record, message: Some(message), failed: None }
            }
            None => self.give_up(
                record,
                Reason::new(
                    ReasonCode::MessageTooLarge,
                    "even without its arrays the message exceeds ServiceBusMaxMessageBytes",
                ),
            ),
        }
    }

    /// Notes a failure that may pass, or gives the event up when it has been failing for too long.
    fn set_back(&self, mut record: Record, problem: NotEnriched) -> Prepared {
        let (now, policy) = (self.app.clock.now(), &self.app.settings.retry);
        if record.failing_since.is_some_and(|since| policy.is_over(since, now)) {
            return self.give_up(record, problem.reason);
        }
        let delay = policy.delay(record.retry_count + 1, self.app.clock.chance(), problem.retry_after);
        tracing::info!(event = %record.id, reason = %problem.reason, delay_seconds = delay.as_secs(), "event retried later");
        record.retry_at(now + delay, problem.reason, now);
        self.count(|summary| summary.retrying += 1);
        Prepared { record, message: None, failed: None }
    }

    /// A given-up event has a message too, without details: it ends in the dead-letter queue, where alerts and
    /// redrives look.
    fn give_up(&self, record: Record, reason: Reason) -> Prepared {
        let message = OutgoingMessage::compose(&record, None, None, |_| true);
        Prepared { record, message, failed: Some(reason) }
    }

    /// Publishes a group of messages in one request and returns the records as they are to be saved.
    async fn publish(&self, mut group: Vec<Prepared>) -> Vec<Record> {
        let messages: Vec<Outgoing<'_>> = group.iter().filter_map(|item| item.message.as_ref().map(outgoing)).collect();
        let sent = if messages.is_empty() { Ok(()) } else { self.send(&messages).await };
        match sent {
            Ok(()) => group.into_iter().map(|item| self.after_publication(item)).collect(),
            // Our count of bytes is the stricter one, but the topic may have been given a lower limit.
            Err(BusError::TooLarge(_)) if group.len() > 1 => {
                let rest = group.split_off(group.len() / 2);
                let mut records = Box::pin(self.publish(group)).await;
                records.extend(Box::pin(self.publish(rest)).await);
                records
            }
            Err(BusError::TooLarge(cause)) => {
                let detail = format!(
                    "Service Bus finds the message too large, is over its quota or lacks our right to send ({cause})"
                );
                group
                    .into_iter()
                    .map(|item| self.refused(item, Reason::new(ReasonCode::MessageTooLarge, detail.clone())))
                    .collect()
            }
            Err(error) => {
                let (unsent, others): (Vec<_>, Vec<_>) = group.into_iter().partition(|item| item.message.is_some());
                self.count(|summary| summary.left += unsent.len());
                self.halted.store(true, Ordering::Relaxed);
                self.note_error::<()>(Err(error.into()));
                others.into_iter().map(|item| item.record).collect()
            }
        }
    }

    fn refused(&self, item: Prepared, reason: Reason) -> Record {
        match item.failed {
            // Its last word could not be published either; the record says all there is to say.
            Some(failed) => self.after_publication(Prepared { message: None, failed: Some(failed), ..item }),
            None => self.set_back(item.record, NotEnriched { reason, retry_after: None, outage: false }).record,
        }
    }

    /// One more try is worth it before a whole run is ended; the same message ids make it safe.
    async fn send(&self, messages: &[Outgoing<'_>]) -> Result<(), BusError> {
        match self.app.bus.send(messages).await {
            Err(BusError::Unavailable { cause, .. }) => {
                tracing::info!(cause, "publishing again");
                self.app.bus.send(messages).await
            }
            result => result,
        }
    }

    fn after_publication(&self, item: Prepared) -> Record {
        let Prepared { mut record, message, failed } = item;
        let now = self.app.clock.now();
        match failed {
            Some(reason) => {
                tracing::error!(event = %record.id, %reason, "event failed");
                record.finish(Status::Failed, Some(reason), now, self.app.settings.keep_records.as_secs());
                self.count(|summary| summary.failed += 1);
            }
            None if message.is_some() => {
                // Should the message vanish (a purged subscription, a wrong filter), the event is published once more.
                record.published(now, now + 2 * self.app.settings.retry.horizon);
                self.count(|summary| summary.published += 1);
            }
            None => {}
        }
        record
    }
}
