//! Finds rows by the values that callers search for, so that a search does not read the whole table.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::collation;
use super::filter::{Comparison, Filter};
use super::rows::{Row, Value};
use super::schema::Table;

/// The columns by which callers find one row among many.
const INDEXED: [(Table, &str); 2] = [(Table::Contacts, "emailaddress1"), (Table::Contacts, "msdyn_contactnumber")];

/// The ids of the rows with each text of each indexed column.
#[derive(Default)]
pub(super) struct Index(HashMap<&'static str, HashMap<String, BTreeSet<Uuid>>>);

impl Index {
    /// Adds the current values of a row.
    pub(super) fn add(&mut self, table: Table, row: &Row) {
        for (column, text) in indexed(table, row) {
            self.0.entry(column).or_default().entry(collation::key(text)).or_default().insert(row.id);
        }
    }

    /// Removes the current values of a row, before they change.
    pub(super) fn remove(&mut self, table: Table, row: &Row) {
        for (column, text) in indexed(table, row) {
            let (Some(texts), key) = (self.0.get_mut(column), collation::key(text)) else { continue };
            if let Some(ids) = texts.get_mut(&key) {
                ids.remove(&row.id);
                if ids.is_empty() {
                    texts.remove(&key);
                }
            }
        }
    }

    /// The ids of all rows that can match the filter, in order. `None` if every row can.
    pub(super) fn candidates(&self, table: Table, filter: &Filter) -> Option<BTreeSet<Uuid>> {
        match filter {
            Filter::And(a, b) => match (self.candidates(table, a), self.candidates(table, b)) {
                (Some(a), Some(b)) => Some(if a.len() < b.len() { a } else { b }),
                (a, b) => a.or(b),
            },
            Filter::Or(a, b) => {
                let mut either = self.candidates(table, a)?;
                either.append(&mut self.candidates(table, b)?);
                Some(either)
            }
            Filter::Compare(column, Comparison::Eq, Some(Value::Id(id))) if column.name == table.key() => {
                Some(BTreeSet::from([*id]))
            }
            Filter::Compare(column, Comparison::Eq, Some(Value::Text(text))) => {
                let (_, column) = INDEXED.iter().find(|indexed| **indexed == (table, column.name))?;
                let ids = self.0.get(column).and_then(|texts| texts.get(&collation::key(text)));
                Some(ids.cloned().unwrap_or_default())
            }
            Filter::Not(_) | Filter::Compare(..) => None,
        }
    }
}

fn indexed(table: Table, row: &Row) -> impl Iterator<Item = (&'static str, &str)> {
    let columns = INDEXED.iter().filter(move |(of, _)| *of == table);
    columns.filter_map(|(_, column)| match row.get(column) {
        Some(Value::Text(text)) => Some((*column, text.as_str())),
        _ => None,
    })
}
