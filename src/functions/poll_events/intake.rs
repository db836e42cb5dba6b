//! What a run works on: new events of the event store, and records whose time has come.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;

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

/// How far back a round of searches looks behind the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// As far as events may become visible late: once in every run.
    Whole,
    /// A little, for what came since the last round.
    Near,
}

impl Run<'_> {
    /// Hands over new events of all types and, in a round of whole reach, records whose time has come. Runs ahead of
    /// the work on them only as far as there is room for records; returns when there is nothing more.
    pub(super) async fn feed(&self, reach: Reach, records: Sender<Record>) {
        let types = self.app.settings.poll.event_types.iter();
        join_all(types.map(|event_type| self.intake(event_type, reach, &records))).await;
        if reach == Reach::Whole {
            self.note_error(self.due(&records).await);
        }
    }

    async fn intake(&self, event_type: &str, reach: Reach, records: &Sender<Record>) {
        let mut memory = self.app.memory.take(event_type);
        let read = self.read_pages(event_type, reach, &mut memory, records).await;
        self.app.memory.keep(event_type, memory);
        self.note_error(read);
    }

    /// Page by page: the page's records are written, and then the cursor moves while they are handed over.
    async fn read_pages(
        &self,
        event_type: &str,
        reach: Reach,
        memory: &mut TypeMemory,
        records: &Sender<Record>,
    ) -> Result<(), PollError> {
        let (from, to) = self.window(event_type, reach, memory).await?;
        let mut page = Page { skip: 0, top: self.app.settings.poll.page_size };
        while !self.is_over() {
            let rows = self.search(event_type, from, to, page).await?;
            let read = self.read_rows(&rows);
            let latest = read.iter().filter_map(|record| record.event.moment()).max();
            let new = self.record_new(read, memory).await?;
            self.count(|summary| {
                summary.seen += rows.len();
                summary.pages += 1;
                summary.new += new.len();
            });
            let (moved, ()) = tokio::join!(self.advance(event_type, memory, latest), hand_over(new, records));
            moved?;
            page.skip += rows.len();
            if rows.len() < page.top {
                break;
            }
        }
        Ok(())
    }

    /// The times between which events are searched for.
    async fn window(
        &self,
        event_type: &str,
        reach: Reach,
        memory: &mut TypeMemory,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), PollError> {
        if memory.cursor.is_none() {
            memory.cursor = self.app.store.cursor(event_type).await?;
        }
        let poll = &self.app.settings.poll;
        let now = self.app.clock.now();
        let behind = match reach {
            Reach::Whole => poll.overlap,
            Reach::Near => poll.overlap.min(poll.again_after),
        };
        let from = memory.cursor.as_ref().map_or(now - poll.initial_lookback, |cursor| cursor.position - behind);
        Ok((from, now + poll.clock_allowance))
    }

    async fn search(
        &self,
        event_type: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        page: Page,
    ) -> Result<Vec<Box<RawValue>>, PollError> {
        Ok(self.app.commerce.search(event_type, from, to, page).await.inspect_err(|error| {
            // Without the event store, orders and customers are not to be had either.
            self.halted.fetch_or(error.is_outage(), Ordering::Relaxed);
        })?)
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
        let places: HashMap<_, _> =
            records.iter().enumerate().map(|(place, record)| (record.id.clone(), place)).collect();
        let mut added = if records.is_empty() { Vec::new() } else { self.app.store.add(records).await? };
        // They come back by channel and batch; the oldest is to be worked on first.
        added.sort_by_key(|record| places.get(&record.id).copied());
        memory.known.extend(seen);
        Ok(added)
    }

    /// Moves the cursor past a recorded page: to its last event, but never ahead of our own clock, or an event with a
    /// wrong clock could hide all that come after it.
    async fn advance(
        &self,
        event_type: &str,
        memory: &mut TypeMemory,
        latest: Option<DateTime<Utc>>,
    ) -> Result<(), PollError> {
        let Some(position) = latest.map(|latest| latest.min(self.app.clock.now())) else { return Ok(()) };
        if memory.cursor.as_ref().is_some_and(|cursor| position <= cursor.position) {
            return Ok(());
        }
        let etag = memory.cursor.as_ref().and_then(|cursor| cursor.etag.clone());
        memory.cursor = match self.app.store.move_cursor(event_type, position, etag.as_deref()).await {
            Ok(moved) => Some(moved),
            // Another poller has moved it; both have recorded what they read. The next run reads it anew.
            Err(StoreError::Conflict(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let horizon = position - TimeDelta::from_std(2 * self.app.settings.poll.overlap).unwrap_or(TimeDelta::days(1));
        memory.known.retain(|_, moment| *moment >= horizon);
        Ok(())
    }

    /// Hands over unfinished records whose time has come, taken into this run's lease.
    async fn due(&self, records: &Sender<Record>) -> Result<(), PollError> {
        let limit = self.app.settings.poll.page_size;
        let mut found = limit;
        while found == limit && !self.is_over() {
            let mut due = self.app.store.due(self.app.clock.now(), limit).await?;
            found = due.len();
            let until = self.lease_end();
            due.iter_mut().for_each(|record| record.due = Some(until));
            let taken = if due.is_empty() { Vec::new() } else { self.app.store.save(due).await?.written };
            self.count(|summary| summary.due += taken.len());
            hand_over(taken, records).await;
        }
        Ok(())
    }
}

/// Waits for room. Nobody is there to take the records only if the run has been dropped; their leases run out.
async fn hand_over(records: Vec<Record>, to: &Sender<Record>) {
    for record in records {
        if to.send(record).await.is_err() {
            return;
        }
    }
}
