//! The rows, and the writes that change them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, json};
use uuid::Uuid;

use super::collation;
use super::error::{self, ODataError};
use super::filter::Filter;
use super::index::Index;
use super::keys::AlternateKeys;
use super::schema::{Column, Kind, Table};

/// A value that is not null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    Int(i64),
    Id(Uuid),
    Time(DateTime<Utc>),
}

impl Value {
    /// Compares like the database. `None` if the kinds differ.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(collation::compare(a, b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Id(a), Self::Id(b)) => Some(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Bool(bool) => json!(bool),
            Self::Int(int) => json!(int),
            Self::Id(id) => json!(id.to_string()),
            Self::Time(time) => json!(time.to_rfc3339_opts(SecondsFormat::Secs, true)),
        }
    }
}

/// A row of any table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: Uuid,
    /// The row version. It grows with every write to any row.
    pub(super) version: u64,
    values: BTreeMap<&'static str, Value>,
}

impl Row {
    /// The value of a column, unless it is null.
    pub(super) fn get(&self, column: &str) -> Option<&Value> {
        self.values.get(column)
    }

    /// The row version as an ETag.
    pub(super) fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }

    /// The row as JSON. It always has the key.
    pub(super) fn json<'a>(
        &self,
        table: Table,
        columns: impl Iterator<Item = &'a Column>,
    ) -> Map<String, serde_json::Value> {
        let mut object = Map::new();
        object.insert("@odata.etag".to_owned(), json!(self.etag()));
        for column in columns {
            let value = self.get(column.name).map_or(serde_json::Value::Null, Value::json);
            object.insert(column.name.to_owned(), value);
        }
        object.insert(table.key().to_owned(), json!(self.id.to_string()));
        object
    }

    fn text(&self, column: &str) -> &str {
        match self.get(column) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

/// The changes of a write: each column's new value, including null.
pub(super) type Changes = BTreeMap<&'static str, Option<Value>>;

/// The condition of a write (`If-Match`, `If-None-Match`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// None: create or update.
    Upsert,
    /// The row must exist.
    Update,
    /// The row must exist in this version.
    UpdateVersion(u64),
    /// The row must not exist.
    Create,
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saved {
    Created,
    Updated,
}

/// All rows of all tables.
pub(super) struct Rows {
    tables: BTreeMap<Table, BTreeMap<Uuid, Row>>,
    index: Index,
    version: u64,
    /// The alternate keys of contacts.
    pub(super) keys: AlternateKeys,
}

impl Default for Rows {
    fn default() -> Self {
        // Row versions of an environment in use have seven digits and more.
        Self { tables: BTreeMap::new(), index: Index::default(), version: 4_710_000, keys: AlternateKeys::default() }
    }
}

impl Rows {
    /// All rows of a table, in the order of their ids.
    pub(super) fn all(&self, table: Table) -> impl Iterator<Item = &Row> + Clone {
        self.tables.get(&table).into_iter().flat_map(BTreeMap::values)
    }

    /// The last row version.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The number of rows of a table.
    pub(super) fn count(&self, table: Table) -> usize {
        self.tables.get(&table).map_or(0, BTreeMap::len)
    }

    /// The ids of the rows that can match a filter, if an index shows that others cannot.
    pub(super) fn candidates(&self, table: Table, filter: &Filter) -> Option<BTreeSet<Uuid>> {
        self.index.candidates(table, filter)
    }

    /// The rows that match a filter, in the order of their ids.
    pub(super) fn matching(&self, table: Table, filter: &Filter) -> Vec<&Row> {
        match self.candidates(table, filter) {
            Some(ids) => {
                let rows = ids.into_iter().filter_map(|id| self.get(table, id));
                rows.filter(|row| filter.matches(row)).collect()
            }
            None => self.all(table).filter(|row| filter.matches(row)).collect(),
        }
    }

    /// One row.
    pub(super) fn get(&self, table: Table, id: Uuid) -> Option<&Row> {
        self.tables.get(&table)?.get(&id)
    }

    /// Writes a row, or returns an error and changes nothing.
    pub(super) fn save(
        &mut self,
        table: Table,
        id: Uuid,
        changes: Changes,
        condition: Condition,
        now: DateTime<Utc>,
    ) -> Result<Saved, ODataError> {
        let saved = self.permit(table, id, condition)?;
        self.check_links(table, &changes)?;
        if table == Table::Contacts {
            self.keys.check(self.all(table), self.get(table, id), id, &changes)?;
        }
        self.version += 1;
        let version = self.version;
        let rows = self.tables.entry(table).or_default();
        let row = rows.entry(id).or_insert_with(|| new_row(table, id, now));
        self.index.remove(table, row);
        row.version = version;
        for (column, value) in changes {
            match value {
                Some(value) => row.values.insert(column, value),
                None => row.values.remove(column),
            };
        }
        if table == Table::Contacts {
            compute(row, now);
        }
        self.index.add(table, row);
        Ok(saved)
    }

    /// Deletes a row, or returns an error.
    pub(super) fn delete(&mut self, table: Table, id: Uuid, condition: Condition) -> Result<(), ODataError> {
        let condition = if condition == Condition::Upsert { Condition::Update } else { condition };
        self.permit(table, id, condition)?;
        let removed = self.tables.get_mut(&table).and_then(|rows| rows.remove(&id));
        self.version += 1;
        if let Some(row) = removed {
            self.index.remove(table, &row);
        }
        Ok(())
    }

    fn permit(&self, table: Table, id: Uuid, condition: Condition) -> Result<Saved, ODataError> {
        match (self.get(table, id), condition) {
            (None, Condition::Upsert | Condition::Create) => Ok(Saved::Created),
            (Some(_), Condition::Upsert | Condition::Update) => Ok(Saved::Updated),
            (Some(row), Condition::UpdateVersion(version)) if row.version == version => Ok(Saved::Updated),
            (Some(_), Condition::UpdateVersion(_)) => Err(stale()),
            (Some(_), Condition::Create) => Err(duplicate()),
            // The documentation's example of this case has no code.
            (None, Condition::Update | Condition::UpdateVersion(_)) => {
                Err(ODataError { code: "", ..absent(table, id) })
            }
        }
    }

    fn check_links(&self, table: Table, changes: &Changes) -> Result<(), ODataError> {
        for column in table.columns(true) {
            let Kind::Lookup { target, .. } = column.kind else { continue };
            if let Some(Some(Value::Id(id))) = changes.get(column.name)
                && self.get(target, *id).is_none()
            {
                return Err(absent(target, *id));
            }
        }
        Ok(())
    }
}

fn new_row(table: Table, id: Uuid, now: DateTime<Utc>) -> Row {
    let mut values = BTreeMap::new();
    if table == Table::Contacts {
        values.insert("createdon", Value::Time(now));
        values.insert("statecode", Value::Int(0));
        values.insert("statuscode", Value::Int(1));
        values.insert("merged", Value::Bool(false));
    }
    values.insert(table.key(), Value::Id(id));
    Row { id, version: 0, values }
}

/// The columns that Dataverse sets itself.
fn compute(row: &mut Row, now: DateTime<Utc>) {
    let full_name = format!("{} {}", row.text("firstname"), row.text("lastname")).trim().to_owned();
    if full_name.is_empty() {
        row.values.remove("fullname");
    } else {
        row.values.insert("fullname", Value::Text(full_name));
    }
    row.values.insert("modifiedon", Value::Time(now));
}

/// The error for a row that does not exist.
pub(super) fn absent(table: Table, id: Uuid) -> ODataError {
    let message = format!("Entity '{}' With Id = {id} Does Not Exist", table.logical());
    ODataError::new(StatusCode::NOT_FOUND, error::NO_ROW, message)
}

fn duplicate() -> ODataError {
    let message = "A record with matching key values already exists.";
    ODataError::new(StatusCode::PRECONDITION_FAILED, error::DUPLICATE, message)
}

fn stale() -> ODataError {
    let message = "The version of the existing record doesn't match the RowVersion property provided.";
    ODataError::new(StatusCode::PRECONDITION_FAILED, error::STALE, message)
}
