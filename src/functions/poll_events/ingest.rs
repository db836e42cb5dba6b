//! The input of a run: new events of the event store, and records whose next attempt is due.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::value::RawValue;
use tokio::sync::mpsc::Sender;

use super::{PollError, Run};
use crate::clients::commerce::{CommerceError, FoundEvents, Page};
use crate::clients::store::{Added, Cursor, StoreError};
use crate::events::{CommerceEvent, EventId, Reason, ReasonCode, Record};
use crate::telemetry::LogEvent;

/// What the poller keeps between runs. It only saves requests.
#[derive(Debug, Default)]
pub struct PollCache {
    types: Mutex<HashMap<String, TypeCache>>,
    /// The Scale Unit has asked for no search before this time.
    search_not_before: Mutex<Option<DateTime<Utc>>>,
}

#[derive(Clone, Debug, Default)]
struct TypeCache {
    cursor: Option<Cursor>,
    /// Recorded events with their times, as far back as polls search.
    known: HashMap<EventId, DateTime<Utc>>,
}

impl PollCache {
    fn checkout(&self, event_type: &str) -> TypeCache {
        self.types.lock().unwrap_or_else(PoisonError::into_inner).remove(event_type).unwrap_or_default()
    }

    fn restore(&self, event_type: &str, cache: TypeCache) {
        self.types.lock().unwrap_or_else(PoisonError::into_inner).insert(event_type.to_owned(), cache);
    }

    /// Until when no search is to be sent, if that is later than `now`.
    fn pause_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.search_not_before.lock().unwrap_or_else(PoisonError::into_inner).filter(|until| *until > now)
    }

    fn pause_until(&self, until: DateTime<Utc>) {
        let mut pause = self.search_not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *pause = (*pause).max(Some(until));
    }
}

/// How far a search looks back behind the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookback {
    /// The overlap: as far as events may become visible late. Used once in every run.
    Full,
    /// A short time, for events since the last cycle.
    Recent,
}

impl Run<'_> {
    /// Sends new events of all types to `records`, and with a full lookback also records whose next attempt is due. The
    /// channel's capacity limits how far this gets ahead. Returns when there is no more input.
    pub(super) async fn ingest(&self, lookback: Lookback, records: Sender<Record>) {
        let journeys = &self.services.journeys;
        let types = self.services.event_types.iter().map(String::as_str);
        let (dependent, others): (Vec<&str>, Vec<&str>) = types.partition(|event_type| {
            journeys.precluding(event_type).any(|other| !other.eq_ignore_ascii_case(event_type))
        });
        let ingest = async |event_type| (event_type, self.ingest_type(event_type, lookback, &records).boxed().await);
        let read = join_all(others.into_iter().map(&ingest)).await;
        // Events that preclude a journey are recorded before the event of the journey is, also after an outage.
        let is_missing =
            |other: &str| read.iter().any(|(event_type, is_read)| event_type.eq_ignore_ascii_case(other) && !is_read);
        let ready = dependent.into_iter().filter(|event_type| !journeys.precluding(event_type).any(is_missing));
        join_all(ready.map(&ingest)).await;
        if lookback == Lookback::Full {
            self.record_error(self.lease_due_records(&records).await);
            self.record_error(self.find_lost_messages(&records).await);
            self.record_error(self.forget_unpolled_types().await);
        }
    }

    /// Returns whether all events were read.
    async fn ingest_type(&self, event_type: &str, lookback: Lookback, records: &Sender<Record>) -> bool {
        let mut cache = self.services.poll_cache.checkout(event_type);
        let read = self.read_pages(event_type, lookback, &mut cache, records).await;
        self.services.poll_cache.restore(event_type, cache);
        self.record_error(read).is_some()
    }

    /// Reads page by page. The records of a page are written. Then the cursor moves while they are forwarded.
    async fn read_pages(
        &self,
        event_type: &str,
        lookback: Lookback,
        cache: &mut TypeCache,
        records: &Sender<Record>,
    ) -> Result<(), PollError> {
        let (from, to) = self.search_period(event_type, lookback, cache).await?;
        let mut page = Page { skip: 0, top: self.services.settings.poll.page_size };
        let mut first = None;
        while !self.should_stop() {
            let found = self.search(event_type, from, to, page).await?;
            let may_continue = found.may_continue(page) && !is_repeated(event_type, &found, page, &mut first);
            let rows = found.rows;
            let read = self.read_rows(&rows);
            let latest = read.iter().filter_map(|record| record.event().occurred_at()).max();
            let new = self.add_new(read, cache).await?;
            self.count(|summary| {
                summary.seen += rows.len();
                summary.pages += 1;
                summary.new += new.len();
            });
            let (moved, ()) = tokio::join!(self.advance(event_type, cache, latest), forward(new, records));
            moved?;
            if !may_continue {
                break;
            }
            self.warn_of_short_page(event_type, rows.len(), page);
            page.skip += rows.len();
        }
        Ok(())
    }

    /// The period in which events are searched for.
    async fn search_period(
        &self,
        event_type: &str,
        lookback: Lookback,
        cache: &mut TypeCache,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), PollError> {
        if cache.cursor.is_none() {
            cache.cursor = self.services.store.cursor(event_type).await?;
        }
        let poll = &self.services.settings.poll;
        let now = self.services.clock.now();
        let behind = match lookback {
            Lookback::Full => poll.overlap,
            Lookback::Recent => poll.overlap.min(poll.again_after),
        };
        let from = cache.cursor.as_ref().map_or(now - poll.initial_lookback, |cursor| cursor.position - behind);
        Ok((from, now + poll.clock_allowance))
    }

    async fn search(
        &self,
        event_type: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        page: Page,
    ) -> Result<FoundEvents, PollError> {
        let found = match self.search_pause() {
            Some(pause) => Err(pause),
            None => self.services.commerce.search(event_type, from, to, page).await,
        };
        Ok(found.inspect_err(|error| {
            // Orders and customers come from the same Scale Unit, so they are not available either.
            self.circuit_open.fetch_or(error.is_outage(), Ordering::Relaxed);
            self.keep_retry_after(error);
        })?)
    }

    /// The pause for which the Scale Unit has asked in an earlier run, as the error that asked for it.
    fn search_pause(&self) -> Option<CommerceError> {
        let now = self.services.clock.now();
        let until = self.services.poll_cache.pause_after(now)?;
        let cause = format!("it has asked for no search before {}", until.to_rfc3339_opts(SecondsFormat::Secs, true));
        Some(CommerceError::Unavailable { cause, retry_after: (until - now).to_std().ok() })
    }

    /// Keeps the time before which the Scale Unit wants no search. The next run may begin earlier.
    fn keep_retry_after(&self, error: &CommerceError) {
        if let CommerceError::Unavailable { retry_after: Some(wait), .. } = error {
            let longest = self.services.settings.retry.longest_delay;
            self.services.poll_cache.pause_until(self.services.clock.now() + (*wait).min(longest));
        }
    }

    /// Warns once per run: the rest is read, but with more requests than necessary.
    fn warn_of_short_page(&self, event_type: &str, received: usize, page: Page) {
        if received < page.top && !self.short_page_seen.swap(true, Ordering::Relaxed) {
            LogEvent::SearchPageShort { event_type, requested: page.top, received }.log();
        }
    }

    /// The rows as records that this run leases. An unreadable row becomes a record too, which fails later.
    fn read_rows(&self, rows: &[Box<RawValue>]) -> Vec<Record> {
        let (now, leased_until) = (self.services.clock.now(), self.lease_end());
        rows.iter()
            .map(|row| match CommerceEvent::of_row(row) {
                Ok(event) => Record::new(event.with_default_partition(), self.id, now, leased_until),
                Err(_) => Record::unreadable(row.get(), self.id, now, leased_until),
            })
            .collect()
    }

    /// Writes the records of new events, and returns them in the order of the rows.
    async fn add_new(&self, mut records: Vec<Record>, cache: &mut TypeCache) -> Result<Vec<Record>, PollError> {
        records.retain(|record| !cache.known.contains_key(record.id()) && !self.has_expired(record, cache));
        let seen: Vec<_> = records
            .iter()
            .map(|record| (record.id().clone(), record.event().occurred_at().unwrap_or(self.started)))
            .collect();
        // A duplicate row (after a page boundary has moved) would make its batch fail.
        let mut ids = HashSet::new();
        records.retain(|record| ids.insert(record.id().clone()));
        let positions: HashMap<_, _> =
            records.iter().enumerate().map(|(position, record)| (record.id().clone(), position)).collect();
        let mut added = if records.is_empty() { Vec::new() } else { self.add_records(records).await? };
        // They are returned by channel and batch, but the oldest is to be processed first.
        added.sort_by_key(|record| positions.get(record.id()).copied());
        cache.known.extend(seen);
        Ok(added)
    }

    /// Whether this event was seen before, so long ago that its record may have expired. The overlap contains such events
    /// after a pause of the app, or of the shop, that was longer than `RecordTimeToLive`.
    fn has_expired(&self, record: &Record, cache: &TypeCache) -> bool {
        let (Some(occurred_at), Some(cursor)) = (record.event().occurred_at(), &cache.cursor) else { return false };
        occurred_at <= cursor.position
            && self.services.settings.may_have_expired(occurred_at, self.services.clock.now())
    }

    /// Adds records. One that Cosmos DB rejects is added without its content, and fails later.
    async fn add_records(&self, records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
        let Added { mut created, refused } = self.services.store.add(records).await?;
        if refused.is_empty() {
            return Ok(created);
        }
        let without_content = |(record, error): (Record, StoreError)| {
            record.without_content(Reason::new(ReasonCode::MalformedEvent, error.to_string()))
        };
        let added = self.services.store.add(refused.into_iter().map(without_content).collect()).await?;
        created.extend(added.created);
        // Then the content is not the cause.
        added.refused.into_iter().next().map_or(Ok(created), |(_, error)| Err(error))
    }

    /// Moves the cursor to the last event of a recorded page, but never ahead of our own clock. Otherwise an event with a
    /// wrong time could hide later events.
    async fn advance(
        &self,
        event_type: &str,
        cache: &mut TypeCache,
        latest: Option<DateTime<Utc>>,
    ) -> Result<(), PollError> {
        let Some(position) = latest.map(|latest| latest.min(self.services.clock.now())) else { return Ok(()) };
        if cache.cursor.as_ref().is_some_and(|cursor| position <= cursor.position) {
            return Ok(());
        }
        let etag = cache.cursor.as_ref().and_then(|cursor| cursor.etag.clone());
        cache.cursor = match self.services.store.move_cursor(event_type, position, etag.as_deref()).await {
            Ok(moved) => Some(moved),
            // Another poller has moved it. Both have recorded what they read. The next run reads the cursor again.
            Err(StoreError::Conflict(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let horizon =
            position - TimeDelta::from_std(2 * self.services.settings.poll.overlap).unwrap_or(TimeDelta::days(1));
        cache.known.retain(|_, occurred_at| *occurred_at >= horizon);
        Ok(())
    }

    /// Leases unfinished records whose next attempt is due, and forwards them.
    async fn lease_due_records(&self, records: &Sender<Record>) -> Result<(), PollError> {
        let limit = self.services.settings.poll.page_size;
        let mut found = limit;
        while found == limit && !self.should_stop() {
            let mut due = self.services.store.due_records(self.services.clock.now(), limit).await?;
            found = due.len();
            let lease_end = self.lease_end();
            due.iter_mut().for_each(|record| record.lease_until(lease_end));
            let leased = if due.is_empty() { Vec::new() } else { self.services.store.save(due).await?.written };
            self.count(|summary| summary.due += leased.len());
            forward(leased, records).await;
        }
        Ok(())
    }
}

/// Whether the page is the one before again. Then the search ignores what is to be skipped, and would never end.
fn is_repeated(event_type: &str, found: &FoundEvents, page: Page, first: &mut Option<String>) -> bool {
    let before = std::mem::replace(first, found.rows.first().map(|row| row.get().to_owned()));
    let is_repeated = before.is_some() && before == *first;
    if is_repeated {
        LogEvent::SearchPageRepeated { event_type, skipped: page.skip }.log();
    }
    is_repeated
}

/// Sends records into the channel and waits for capacity. The receiver is gone only if the run was dropped. Then the leases
/// expire.
pub(super) async fn forward(records: Vec<Record>, to: &Sender<Record>) {
    for record in records {
        if to.send(record).await.is_err() {
            return;
        }
    }
}
