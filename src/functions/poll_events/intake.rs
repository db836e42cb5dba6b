//! What a run works on: new events of the event store, and records whose time has come.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use serde_json::value::RawValue;

use super::{PollError, Run};
use crate::clients::commerce::Page;
use crate::clients::store::{Cursor, StoreError};
use crate::events::{CommerceEvent, EventId, Record, read_json};

/// What the poller remembers between runs. Losing it costs a few requests and nothing else.
#[derive(Debug, Default)]
pub struct PollMemory(Mutex<HashMap<String, TypeMemory>>);

#[derive(Clone, Debug, Default)]
struct TypeMemory {
    cursor: Option<Cursor>,
    /// Events known to be recorded, with their moments: as far back as polls look.
    known: HashMap<EventId, DateTime<Utc>>,
}

impl PollMemory {
    fn take(&self, event_type: &str) -> TypeMemory {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(event_type).unwrap_or_default()
    }

    fn keep(&self, event_type: &str, memory: TypeMemory) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(event_type.to_owned(), memory);
    }
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

impl Run<'_> {
    /// New records of one event type, page by page as the work on them goes on.
    pub(super) fn intake<'r>(&'r self, event_type: &'r str) -> impl Stream<Item = Result<Record, PollError>> + 'r {
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
                Ok(event) => Record::new(event.in_some_partition(), self.id, now, due),
                Err(_) => Record::unreadable(row.get(), self.id, now, due),
            })
            .collect()
    }

    /// Writes the records of events that are not known yet.
    async fn record_new(&self, mut records: Vec<Record>, memory: &mut TypeMemory) -> Result<Vec<Record>, PollError> {
        records.retain(|record| !memory.known.contains_key(&record.id));
        let seen: Vec<_> =
            records.iter().map(|record| (record.id.clone(), record.event.moment().unwrap_or(self.started))).collect();
        // A row that is there twice (a page boundary moved) would spoil its batch.
        let mut ids = HashSet::new();
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
    pub(super) fn due<'r>(&'r self) -> impl Stream<Item = Result<Record, PollError>> + 'r {
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
}
