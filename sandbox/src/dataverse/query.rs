//! The options of a query, and the page of rows that answers it.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json, json};

use super::error::ODataError;
use super::filter::Filter;
use super::rows::{Row, Rows, Value};
use super::schema::{Column, Table};

/// A query on an entity set.
pub(super) struct Query {
    table: Table,
    select: Select,
    filter: Option<Filter>,
    order: Vec<(&'static Column, bool)>,
    top: Option<usize>,
    count: bool,
    skip: usize,
}

/// The columns of an answer.
pub(super) struct Select {
    table: Table,
    columns: Vec<&'static Column>,
    /// The original `$select`, if there was one.
    text: Option<String>,
}

impl Select {
    fn all(table: Table, dual_write: bool) -> Self {
        Self { table, columns: table.columns(dual_write).collect(), text: None }
    }

    fn parse(table: Table, dual_write: bool, text: &str) -> Result<Self, ODataError> {
        let column = |name: &str| {
            table.column(name, dual_write).ok_or_else(|| ODataError::unknown_property(name, table.logical()))
        };
        let columns = text.split(',').map(|name| column(name.trim())).collect::<Result<_, _>>()?;
        Ok(Self { table, columns, text: Some(text.to_owned()) })
    }

    /// Parses the options of a request for one row, which may only have `$select`.
    pub(super) fn of_row(table: Table, dual_write: bool, options: &[(String, String)]) -> Result<Self, ODataError> {
        let mut select = Self::all(table, dual_write);
        for (name, value) in options {
            match name.as_str() {
                "$select" => select = Self::parse(table, dual_write, value)?,
                _ => return Err(unsupported(name)),
            }
        }
        Ok(select)
    }

    /// A row with these columns.
    pub(super) fn json(&self, row: &Row) -> Map<String, Json> {
        row.json(self.table, self.columns.iter().copied())
    }

    /// The fragment of `@odata.context` with the columns.
    pub(super) fn context(&self) -> String {
        let columns = self.text.as_ref().map(|text| format!("({text})")).unwrap_or_default();
        format!("$metadata#{}{columns}", self.table.set())
    }
}

/// The rows of one answer.
pub(super) struct Page {
    pub(super) rows: Vec<Json>,
    /// The total number of rows, if `$count` was requested.
    pub(super) count: Option<usize>,
    /// The cookie of the next page.
    pub(super) next: Option<String>,
}

impl Query {
    /// Parses decoded query options.
    pub(super) fn parse(table: Table, dual_write: bool, options: &[(String, String)]) -> Result<Self, ODataError> {
        let select = Select::all(table, dual_write);
        let mut query = Self { table, select, filter: None, order: Vec::new(), top: None, count: false, skip: 0 };
        for (position, (name, value)) in options.iter().enumerate() {
            if options[..position].iter().any(|(earlier, _)| earlier == name) {
                return Err(ODataError::syntax(format!("The query option '{name}' must be given once.")));
            }
            query.option(dual_write, name, value)?;
        }
        Ok(query)
    }

    fn option(&mut self, dual_write: bool, name: &str, value: &str) -> Result<(), ODataError> {
        match name {
            "$select" => self.select = Select::parse(self.table, dual_write, value)?,
            "$filter" => self.filter = Some(Filter::parse(self.table, dual_write, value)?),
            "$orderby" => self.order = order(self.table, dual_write, value)?,
            "$top" => self.top = Some(value.parse().ok().filter(|top| *top > 0).ok_or_else(|| invalid(name, value))?),
            "$count" => self.count = value.parse().map_err(|_| invalid(name, value))?,
            "$skiptoken" => self.skip = offset(value).ok_or_else(|| invalid(name, value))?,
            _ => return Err(unsupported(name)),
        }
        Ok(())
    }

    /// The requested page. A preferred page size overrides `$top`.
    pub(super) fn run(&self, rows: &Rows, preferred_size: Option<usize>, max_size: usize) -> Page {
        let mut found = match &self.filter {
            Some(filter) => rows.matching(self.table, filter),
            None => rows.all(self.table).collect(),
        };
        found.sort_by(|a, b| self.compare(a, b));
        let count = self.count.then_some(found.len());
        let limit = if preferred_size.is_some() { None } else { self.top };
        found.truncate(limit.unwrap_or(usize::MAX));
        let size = preferred_size.unwrap_or(max_size).min(max_size);
        let page = found.iter().skip(self.skip).take(size);
        let rows = page.map(|row| Json::Object(self.select.json(row))).collect();
        let end = self.skip.saturating_add(size);
        Page { rows, count, next: (end < found.len()).then(|| cookie(end)) }
    }

    /// The fragment of `@odata.context`.
    pub(super) fn context(&self) -> String {
        self.select.context()
    }

    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        let orders = self.order.iter().map(|(column, descending)| {
            let order = compare(a.get(column.name), b.get(column.name));
            if *descending { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

impl Page {
    /// The page as JSON, without its context. `next` makes an address from a cookie.
    pub(super) fn json(self, next: impl FnOnce(&str) -> String) -> Map<String, Json> {
        let mut object = Map::new();
        if let Some(count) = self.count {
            object.insert("@odata.count".to_owned(), json!(count));
        }
        if let Some(cookie) = self.next {
            object.insert("@odata.nextLink".to_owned(), json!(next(&cookie)));
        }
        object.insert("value".to_owned(), Json::Array(self.rows));
        object
    }
}

/// Null comes first.
fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Equal),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn order(table: Table, dual_write: bool, text: &str) -> Result<Vec<(&'static Column, bool)>, ODataError> {
    let item = |item: &str| {
        let mut words = item.split_whitespace();
        let name = words.next().unwrap_or_default();
        let column =
            table.column(name, dual_write).ok_or_else(|| ODataError::unknown_property(name, table.logical()))?;
        match (words.next(), words.next()) {
            (None | Some("asc"), None) => Ok((column, false)),
            (Some("desc"), None) => Ok((column, true)),
            _ => Err(invalid("$orderby", text)),
        }
    };
    text.split(',').map(item).collect()
}

/// The start of the next page, in the form of the real paging cookie.
///
/// It is already percent-encoded. A next link that is encoded again is rejected.
fn cookie(offset: usize) -> String {
    format!("%3Ccookie%20offset%3D%22{offset}%22%20/%3E")
}

/// The offset of a cookie that was decoded once.
fn offset(value: &str) -> Option<usize> {
    value.strip_prefix("<cookie offset=\"")?.strip_suffix("\" />")?.parse().ok()
}

fn invalid(name: &str, value: &str) -> ODataError {
    ODataError::syntax(format!("'{value}' is not a valid value for the query option '{name}'."))
}

fn unsupported(name: &str) -> ODataError {
    match name {
        "$expand" | "$apply" | "fetchXml" => ODataError::not_here(&format!("The query option '{name}'")),
        _ => ODataError::syntax(format!("The query option '{name}' is not supported.")),
    }
}
