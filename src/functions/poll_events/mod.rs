//! `poll-events`: from the event store to the topic.

mod intake;
mod publish;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::enrich::Customers;
use super::packing::packed;
use crate::app::App;
use crate::clients::bus::BusError;
use crate::clients::commerce::CommerceError;
use crate::clients::store::StoreError;
use crate::events::Record;
use crate::telemetry::{LogEvent, invocation, traces};
pub use intake::PollMemory;
use intake::Reach;
use publish::Prepared;

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
    pub seen: usize,
    /// Events seen for the first time.
    pub new: usize,
    /// Records taken up because their time had come.
    pub due: usize,
    /// Published.
    pub published: usize,
    /// To be tried again later.
    pub retried: usize,
    /// Given up, with a reason in the record.
    pub failed: usize,
    /// Left for the next run, because a dependency is away.
    pub left: usize,
    /// Records left as they were, because somebody else had written them in the meantime.
    pub overtaken: usize,
    /// Search requests.
    pub pages: usize,
    /// Whether the run ended because its time was up.
    pub budget_exhausted: bool,
    /// Age of the oldest event that was worked on, in milliseconds since its commit in the shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_ms: Option<i64>,
}

/// Records saved per request round; they are split by partition and by the 100 operations of a batch.
const SAVED_TOGETHER: usize = 200;

/// Groups of messages being published at once: few, because groups overtake each other, and a backlog is to be worked
/// off nearly in order of age.
const PUBLISHED_AT_ONCE: usize = 2;

/// So many failures in a row that look like an outage are one.
const OUTAGE_AFTER: usize = 10;

/// Polls every event type, then works on everything whose time has come; and again, for as long as events keep coming.
///
/// Order of effects, which every crash respects: the records of a page are written, then the cursor moves past it and
/// its events are enriched and published, then their records say so. New records are written as leased to this run,
/// which saves a write; whatever a crash leaves behind comes due when its lease runs out.
pub async fn poll_events(app: &App) -> Result<PollSummary, PollError> {
    let run = Run::new(app);
    let mut reach = Reach::Whole;
    loop {
        let began = app.clock.now();
        let new = run.round(reach).await;
        let Some(pause) = run.until_next_round(began, new) else { return run.conclude() };
        app.clock.sleep(pause).await;
        reach = Reach::Near;
    }
}

/// One run of the poller.
struct Run<'a> {
    app: &'a App,
    id: Uuid,
    started: DateTime<Utc>,
    stop_at: DateTime<Utc>,
    customers: Customers,
    /// Set when going on makes no sense in this run.
    halted: AtomicBool,
    outage_signs: AtomicUsize,
    summary: Mutex<PollSummary>,
    error: Mutex<Option<PollError>>,
}

impl<'a> Run<'a> {
    fn new(app: &'a App) -> Self {
        let started = app.clock.now();
        Self {
            app,
            id: Uuid::new_v4(),
            started,
            stop_at: started + app.settings.poll.time_budget,
            customers: Customers::default(),
            halted: AtomicBool::new(false),
            outage_signs: AtomicUsize::new(0),
            summary: Mutex::default(),
            error: Mutex::default(),
        }
    }

    /// One look at everything, and the work on what was found. Returns how many events were new.
    ///
    /// Three stages go on beside each other, each with a bounded number of things under way and room for as many before
    /// it: none waits for the requests of another, and memory does not grow with a backlog.
    async fn round(&self, reach: Reach) -> usize {
        let before = self.so_far().new;
        let room = 2 * self.app.settings.commerce.concurrency;
        let (found, to_enrich) = mpsc::channel(room);
        let (prepared, to_publish) = mpsc::channel(room);
        tokio::join!(self.feed(reach, found), self.enrich(to_enrich, prepared), self.publish_all(to_publish));
        self.so_far().new - before
    }

    async fn enrich(&self, records: mpsc::Receiver<Record>, prepared: mpsc::Sender<Prepared>) {
        let mut enriched = received(records)
            .map(|record| traces::enrich(&record, self.id).around(self.prepare(record)))
            .buffer_unordered(self.app.settings.commerce.concurrency)
            .filter_map(std::future::ready)
            .boxed();
        while let Some(item) = enriched.next().await {
            // Nobody takes it only if the run has been dropped; its lease runs out.
            if prepared.send(item).await.is_err() {
                return;
            }
        }
    }

    async fn publish_all(&self, prepared: mpsc::Receiver<Prepared>) {
        let groups = packed(received(prepared), self.app.settings.bus.max_message_bytes, Prepared::size);
        let published = groups.map(|group| self.publish(group)).buffer_unordered(PUBLISHED_AT_ONCE);
        let saved = published.flat_map(stream::iter).chunks(SAVED_TOGETHER).map(|records| self.save(records));
        saved.buffer_unordered(2).for_each(std::future::ready).await;
    }

    async fn save(&self, records: Vec<Record>) {
        let saved = self.note_error(self.app.store.save(records).await.map_err(PollError::from));
        self.count(|summary| summary.overtaken += saved.map_or(0, |saved| saved.overtaken.len()));
    }

    /// How long to wait before looking again: not at all unless a look brought something new, and never beyond the
    /// next run's time.
    fn until_next_round(&self, began: DateTime<Utc>, new: usize) -> Option<Duration> {
        let poll = &self.app.settings.poll;
        if new == 0 || poll.again_after.is_zero() || self.is_over() || self.has_failed() {
            return None;
        }
        let now = self.app.clock.now();
        let next = (began + poll.again_after).max(now);
        let next_run = poll.schedule.find_next_occurrence(&self.started, false).ok()?;
        (next < next_run && next < self.stop_at).then(|| (next - now).to_std().unwrap_or_default())
    }

    fn has_failed(&self) -> bool {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn so_far(&self) -> PollSummary {
        *self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut PollSummary)) {
        change(&mut self.summary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether to stop cleanly, because time is up or a dependency is away.
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
                LogEvent::PollInterrupted { detail: &error.to_string() }.log();
                self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            })
            .ok()
    }

    fn conclude(self) -> Result<PollSummary, PollError> {
        let mut summary = self.summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.budget_exhausted = self.app.clock.now() >= self.stop_at;
        invocation::note(|facts| facts.poll = Some(summary));
        self.error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(summary), Err)
    }
}

fn received<T>(mut from: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    stream::poll_fn(move |context| from.poll_recv(context))
}
