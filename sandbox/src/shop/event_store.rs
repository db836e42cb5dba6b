//! The rows of the event table: those that are visible, and those that are written but not yet committed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};

use super::events::{EventRow, SqlDateTime};

/// A search for events.
#[derive(Clone, Debug)]
pub struct EventSearch {
    /// The exact type, compared like in SQL Server's default collation. `None` for all types.
    pub event_type: Option<String>,
    /// Only later timestamps than this one.
    pub after: Option<SqlDateTime>,
    /// No later timestamps than this one.
    pub until: Option<SqlDateTime>,
    /// The number of rows to skip.
    pub skip: usize,
    /// The maximum number of rows to return.
    pub top: usize,
}

/// A stored row.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredEvent {
    row: Arc<EventRow>,
    /// The row's JSON, kept because every search whose window overlaps returns it again.
    json: OnceLock<Box<str>>,
}

impl StoredEvent {
    /// The row as the Retail Server returns it.
    pub(crate) fn json(&self) -> &str {
        self.json.get_or_init(|| self.row.body().text().into_boxed_str())
    }
}

/// Orders rows by timestamp, then in the order of writing.
type Position = (SqlDateTime, u64);

type Rows = Vec<(Position, Arc<StoredEvent>)>;

/// The table. A search costs as much as the page that it returns.
#[derive(Debug, Default)]
pub(super) struct EventStore {
    /// The visible rows of each type.
    visible: HashMap<String, Rows>,
    /// Rows that are not yet committed, by the time of their commit.
    pending: BTreeMap<(DateTime<Utc>, u64), Arc<StoredEvent>>,
    keys: HashSet<String>,
    written: u64,
}

impl EventStore {
    /// Writes a row that is visible from `committed` on. If its key already exists, it gets a later timestamp, tick by
    /// tick, like two consecutive inserts.
    pub(super) fn insert(&mut self, mut row: EventRow, committed: DateTime<Utc>) -> Arc<EventRow> {
        while !self.keys.insert(row.key()) {
            row.date_time = row.date_time.next();
        }
        self.written += 1;
        let row = Arc::new(row);
        let stored = StoredEvent { row: row.clone(), json: OnceLock::new() };
        self.pending.insert((committed, self.written), Arc::new(stored));
        row
    }

    /// The visible rows at `now`, oldest timestamp first: one page, and the total number.
    pub(super) fn search(&mut self, search: &EventSearch, now: DateTime<Utc>) -> (Vec<Arc<StoredEvent>>, usize) {
        self.commit_due(now);
        let Some(event_type) = &search.event_type else { return self.search_all_types(search) };
        let found = self.visible.get(&folded(event_type)).map_or(&[][..], |rows| search.window(rows));
        (search.page(found.iter()), found.len())
    }

    fn search_all_types(&self, search: &EventSearch) -> (Vec<Arc<StoredEvent>>, usize) {
        let mut found: Vec<_> = self.visible.values().flat_map(|rows| search.window(rows)).collect();
        found.sort_unstable_by_key(|(position, _)| *position);
        (search.page(found.iter().copied()), found.len())
    }

    /// Makes the rows visible that are committed by now.
    fn commit_due(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, written), stored) = entry.remove_entry();
            let rows = self.visible.entry(folded(&stored.row.event_type)).or_default();
            let position = (stored.row.date_time, written);
            let place = rows.partition_point(|(other, _)| *other < position);
            rows.insert(place, (position, stored));
        }
    }

    /// Removes rows with timestamps before `limit`. Their keys are free again.
    pub(super) fn remove_before(&mut self, limit: SqlDateTime) -> usize {
        let old = |stored: &Arc<StoredEvent>| stored.row.date_time < limit;
        let mut removed: Vec<_> =
            self.pending.extract_if(.., |_, stored| old(stored)).map(|(_, stored)| stored).collect();
        for rows in self.visible.values_mut() {
            let end = rows.partition_point(|(_, stored)| old(stored));
            removed.extend(rows.drain(..end).map(|(_, stored)| stored));
        }
        for stored in &removed {
            self.keys.remove(&stored.row.key());
        }
        removed.len()
    }
}

impl EventSearch {
    fn window<'a>(&self, rows: &'a Rows) -> &'a [(Position, Arc<StoredEvent>)] {
        let time = |(position, _): &(Position, Arc<StoredEvent>)| position.0;
        let start = rows.partition_point(|row| self.after.is_some_and(|after| time(row) <= after));
        let end = rows.partition_point(|row| self.until.is_none_or(|until| time(row) <= until));
        rows.get(start..end).unwrap_or_default()
    }

    fn page<'a>(&self, found: impl Iterator<Item = &'a (Position, Arc<StoredEvent>)>) -> Vec<Arc<StoredEvent>> {
        found.skip(self.skip).take(self.top).map(|(_, stored)| stored.clone()).collect()
    }
}

/// Types are compared without regard to case and trailing blanks.
fn folded(event_type: &str) -> String {
    event_type.trim_end_matches(' ').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000 + second, 0).unwrap()
    }

    fn row(id: i64, event_type: &str, second: i64) -> EventRow {
        EventRow {
            transaction_id: format!("t{id}"),
            date_time: SqlDateTime::nearest(at(second)),
            event_type: event_type.to_owned(),
            data_area_id: "usrt".to_owned(),
            data: String::new(),
            channel_id: 1,
            terminal_id: String::new(),
            staff_id: String::new(),
            customer_id: String::new(),
        }
    }

    fn found(store: &mut EventStore, search: &EventSearch, now: DateTime<Utc>) -> (Vec<String>, usize) {
        let (page, count) = store.search(search, now);
        (page.iter().map(|stored| stored.row.transaction_id.clone()).collect(), count)
    }

    /// Events every second, of two types, some of them committed late.
    fn store() -> EventStore {
        let mut store = EventStore::default();
        for id in 0..20 {
            let event_type = if id % 2 == 0 { "Checkout" } else { "AddCartLines" };
            let delay = TimeDelta::seconds(if id % 5 == 0 { 100 } else { 0 });
            store.insert(row(id, event_type, id), at(id) + delay);
        }
        store
    }

    fn search(event_type: Option<&str>, window: Option<(i64, i64)>, skip: usize, top: usize) -> EventSearch {
        let bound = |second| SqlDateTime::nearest(at(second));
        EventSearch {
            event_type: event_type.map(str::to_owned),
            after: window.map(|(after, _)| bound(after)),
            until: window.map(|(_, until)| bound(until)),
            skip,
            top,
        }
    }

    #[test]
    fn a_page_has_the_visible_rows_of_a_type_in_a_window_and_their_number() {
        let mut store = store();
        let ids = |ids: &[i64]| ids.iter().map(|id| format!("t{id}")).collect::<Vec<_>>();
        let window = |skip, top| search(Some("CHECKOUT "), Some((0, 12)), skip, top);
        assert_eq!(found(&mut store, &window(0, 9), at(20)), (ids(&[2, 4, 6, 8, 12]), 5), "10 is committed later");
        assert_eq!(found(&mut store, &window(1, 2), at(20)), (ids(&[4, 6]), 5));
        assert_eq!(found(&mut store, &window(9, 2), at(20)), (ids(&[]), 5));
        assert_eq!(found(&mut store, &window(0, 9), at(110)), (ids(&[2, 4, 6, 8, 10, 12]), 6), "and in its place");
        assert_eq!(found(&mut store, &search(None, Some((3, 7)), 0, 9), at(110)), (ids(&[4, 5, 6, 7]), 4));
        assert_eq!(found(&mut store, &search(Some("Checkout"), Some((7, 3)), 0, 9), at(110)), (ids(&[]), 0));
        assert_eq!(found(&mut store, &search(Some("Return"), None, 0, 9), at(110)), (ids(&[]), 0));
        assert_eq!(store.remove_before(SqlDateTime::nearest(at(18))), 18);
        assert_eq!(found(&mut store, &search(None, None, 0, 9), at(200)), (ids(&[18, 19]), 2));
    }

    #[test]
    fn a_removed_row_frees_its_key() {
        let mut store = EventStore::default();
        store.insert(row(1, "Checkout", 0), at(0));
        assert_ne!(store.insert(row(1, "checkout", 0), at(0)).date_time, SqlDateTime::nearest(at(0)), "it is taken");
        store.remove_before(SqlDateTime::nearest(at(1)));
        assert_eq!(store.insert(row(1, "Checkout", 0), at(0)).date_time, SqlDateTime::nearest(at(0)));
    }
}
