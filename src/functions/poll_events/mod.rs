//! `poll-events`: reads new events from the event store and publishes them to the topic.

mod ingest;
mod lost;
mod prepare;
mod publish;
mod schedule;
mod unpolled;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{self, Stream, StreamExt as _};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Services;
use super::batching::in_batches;
use super::enrich::CustomerCache;
use super::event_log::traced;
use crate::clients::bus::BusError;
use crate::clients::commerce::CommerceError;
use crate::clients::store::StoreError;
use crate::events::Record;
use crate::telemetry::{LogEvent, PollSummary, invocation, traces};
use ingest::Lookback;
pub use ingest::PollCache;
pub(super) use lost::{LostMessageCheck, postpone_lost_message_check};
use prepare::Prepared;
pub(super) use unpolled::UnpolledTypes;

/// Why a run was interrupted. The next run continues from there.
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

/// Records that are saved together. They are split by partition and by the 100 operations of a batch.
const SAVE_BATCH: usize = 200;

/// How long a batch of messages waits for more. One slow request must not hold up the others.
const PUBLISH_LINGER: Duration = Duration::from_millis(75);

/// How long a batch of published records waits for more. No journey waits for it, and fewer batches are fewer requests.
const SAVE_LINGER: Duration = Duration::from_millis(500);

/// Concurrent publications. Few, because concurrent batches change the order, and a backlog is processed nearly in order of
/// age.
const PUBLISH_CONCURRENCY: usize = 2;

/// Consecutive failures after which the circuit opens.
const FAILURE_THRESHOLD: usize = 10;

/// Polls every event type, then processes all records whose next attempt is due. Repeats this while new events arrive.
///
/// The order of effects holds in every crash: the records of a page are written, then the cursor moves and the events are
/// enriched and published, then their records are updated. New records are leased to this run when they are written, which
/// saves a request. Records that a crash leaves behind are due when their lease expires.
pub async fn poll_events(services: &Services) -> Result<PollSummary, PollError> {
    let run = Run::new(services);
    let mut lookback = Lookback::Full;
    loop {
        let began = services.clock.now();
        let new = run.cycle(lookback).await;
        let Some(pause) = run.pause_before_next_cycle(began, new) else { return run.conclude() };
        services.clock.sleep(pause).await;
        lookback = Lookback::Recent;
    }
}

/// One run of the poller.
struct Run<'a> {
    services: &'a Services,
    id: Uuid,
    started: DateTime<Utc>,
    stop_at: DateTime<Utc>,
    customers: CustomerCache,
    /// Set during an outage. Then this run starts no more work.
    circuit_open: AtomicBool,
    /// Set when a publication has failed. Then this run sends no more messages.
    bus_unavailable: AtomicBool,
    consecutive_failures: AtomicUsize,
    /// Set when the Scale Unit has returned fewer rows than requested although more follow.
    short_page_seen: AtomicBool,
    summary: Mutex<PollSummary>,
    error: Mutex<Option<PollError>>,
}

impl<'a> Run<'a> {
    fn new(services: &'a Services) -> Self {
        let started = services.clock.now();
        Self {
            services,
            id: Uuid::new_v4(),
            started,
            stop_at: started + services.settings.poll.time_budget,
            customers: CustomerCache::default(),
            circuit_open: AtomicBool::new(false),
            bus_unavailable: AtomicBool::new(false),
            consecutive_failures: AtomicUsize::new(0),
            short_page_seen: AtomicBool::new(false),
            summary: Mutex::default(),
            error: Mutex::default(),
        }
    }

    /// Searches once and processes what was found. Returns the number of new events.
    ///
    /// Three stages run concurrently with bounded channels between them. So no stage waits for the requests of another, and
    /// a backlog does not increase the memory.
    async fn cycle(&self, lookback: Lookback) -> usize {
        let before = self.summary_so_far().new;
        let capacity = 2 * self.services.settings.commerce.concurrency;
        let (found, to_enrich) = mpsc::channel(capacity);
        let (prepared, to_publish) = mpsc::channel(capacity);
        tokio::join!(self.ingest(lookback, found), self.prepare_all(to_enrich, prepared), self.publish_all(to_publish));
        self.summary_so_far().new - before
    }

    async fn prepare_all(&self, records: mpsc::Receiver<Record>, prepared: mpsc::Sender<Prepared>) {
        let mut enriched = received(records)
            .map(|record| self.prepare_traced(record))
            .buffer_unordered(self.services.settings.commerce.concurrency)
            .filter_map(std::future::ready)
            .boxed();
        while let Some(item) = enriched.next().await {
            // The receiver is gone only if the run was dropped. Then the lease expires.
            if prepared.send(item).await.is_err() {
                return;
            }
        }
    }

    async fn prepare_traced(&self, record: Record) -> Option<Prepared> {
        let span = traces::enrich(traced(record.id(), &record.event().event_type), self.id);
        span.in_scope(self.prepare(record)).await
    }

    async fn publish_all(&self, prepared: mpsc::Receiver<Prepared>) {
        let linger = |duration| move || self.services.clock.linger(duration);
        let limit = self.services.settings.bus.max_message_bytes;
        let batches = in_batches(received(prepared), limit, Prepared::size, linger(PUBLISH_LINGER));
        let published = batches.map(|batch| self.publish(batch)).buffer_unordered(PUBLISH_CONCURRENCY);
        let records = in_batches(published.flat_map(stream::iter), SAVE_BATCH, |_| 1, linger(SAVE_LINGER));
        let saved = records.map(|records| self.save(records));
        saved.buffer_unordered(2).for_each(std::future::ready).await;
    }

    async fn save(&self, records: Vec<Record>) {
        let saved = self.record_error(self.services.store.save(records).await.map_err(PollError::from));
        self.count(|summary| summary.conflicted += saved.map_or(0, |saved| saved.conflicted.len()));
    }

    /// The pause before the next cycle. `None` ends the run: if there were no new events, or the next cycle would start after
    /// the next run.
    fn pause_before_next_cycle(&self, began: DateTime<Utc>, new: usize) -> Option<Duration> {
        let poll = &self.services.settings.poll;
        if new == 0 || poll.again_after.is_zero() || self.should_stop() || self.has_failed() {
            return None;
        }
        let now = self.services.clock.now();
        let next = (began + poll.again_after).max(now);
        let next_run = poll.schedule.find_next_occurrence(&self.started, false).ok()?;
        (next < next_run && next < self.stop_at).then(|| (next - now).to_std().unwrap_or_default())
    }

    fn has_failed(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn summary_so_far(&self) -> PollSummary {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut PollSummary)) {
        change(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether to stop, because the time budget is used up or a dependency is not available.
    fn should_stop(&self) -> bool {
        self.circuit_open.load(Ordering::Relaxed) || self.services.clock.now() >= self.stop_at
    }

    fn open_circuit(&self) {
        self.circuit_open.store(true, Ordering::Relaxed);
    }

    fn lease_end(&self) -> DateTime<Utc> {
        self.services.clock.now() + self.services.settings.lease
    }

    /// Logs an error. The first error becomes the result of the run.
    fn record_error<T>(&self, result: Result<T, PollError>) -> Option<T> {
        result
            .map_err(|error| {
                LogEvent::PollInterrupted { detail: &error.to_string() }.log();
                if matches!(error, PollError::Store(_)) {
                    postpone_lost_message_check(self.services);
                }
                self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            })
            .ok()
    }

    fn conclude(self) -> Result<PollSummary, PollError> {
        let mut summary = self.summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.budget_exhausted = self.services.clock.now() >= self.stop_at;
        invocation::record(|facts| facts.poll = Some(summary));
        self.error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(summary), Err)
    }
}

fn received<T>(mut from: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    stream::poll_fn(move |context| from.poll_recv(context))
}
