//! Runs a query over items, a page at a time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ast::{Projection, Query};
use super::eval::{Row, Scope};
use super::value::order;
use crate::cosmos::store::ItemKey;

/// An item that may be part of the result.
pub(in crate::cosmos) struct Candidate {
    pub(in crate::cosmos) key: ItemKey,
    /// Grows with every item that is created.
    pub(in crate::cosmos) ordinal: u64,
    pub(in crate::cosmos) value: Value,
}

/// Where the next page begins: what a continuation token contains.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::cosmos) struct Position {
    /// Results on the pages before.
    returned: usize,
    /// The last item of an unordered result.
    #[serde(default)]
    key: Option<ItemKey>,
    /// The sort keys (empty if undefined) and the ordinal of the last item of an ordered result.
    #[serde(default)]
    sorted: Option<(Vec<Vec<Value>>, u64)>,
}

/// Some of the results.
#[derive(Debug, Default)]
pub(in crate::cosmos) struct Page {
    pub(in crate::cosmos) results: Vec<Value>,
    pub(in crate::cosmos) next: Option<Position>,
}

impl Position {
    pub(in crate::cosmos) fn from_token(token: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }

    pub(in crate::cosmos) fn to_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_string(self).unwrap_or_default())
    }

    /// The item after which an unordered result goes on.
    pub(in crate::cosmos) fn key(&self) -> Option<&ItemKey> {
        self.key.as_ref()
    }
}

/// A result with what it is ordered by.
struct Result {
    keys: Vec<Option<Value>>,
    ordinal: u64,
    value: Value,
}

impl Query {
    /// Whether results come in the order of the items, so that a page needs to read no more than it returns.
    fn is_streamed(&self) -> bool {
        self.order_by.is_empty() && self.window.is_none() && !self.select.distinct && !self.is_grouped()
    }

    /// Whether the item meets the filter.
    pub(in crate::cosmos) fn matches(&self, item: &Value) -> bool {
        self.rows(item.clone()).iter().any(|row| self.accepts(row))
    }

    /// At most `size` results from `position` on. The candidates come in the order of their keys, after
    /// [`Position::key`].
    pub(in crate::cosmos) fn page(
        &self,
        candidates: impl Iterator<Item = Candidate>,
        size: usize,
        position: &Position,
    ) -> Page {
        if self.from.is_none() {
            let constant = self.project(Scope { row: None, group: &[] });
            return Page { results: constant.into_iter().collect(), next: None };
        }
        if self.is_streamed() {
            self.streamed(candidates, size, position)
        } else {
            self.collected(candidates, size, position)
        }
    }

    fn streamed(&self, candidates: impl Iterator<Item = Candidate>, size: usize, position: &Position) -> Page {
        let left = self.select.top.map_or(usize::MAX, |top| top.saturating_sub(position.returned));
        let mut page = Page::default();
        let mut candidates = candidates.peekable();
        let mut last = None;
        while page.results.len() < size.min(left)
            && let Some(candidate) = candidates.next()
        {
            let rows = self.rows(candidate.value);
            let accepted = rows.iter().filter(|row| self.accepts(row));
            page.results.extend(accepted.filter_map(|row| self.project(Scope::of_row(row))));
            last = Some(candidate.key);
        }
        page.results.truncate(left);
        if page.results.len() < left && candidates.peek().is_some() {
            let returned = position.returned + page.results.len();
            page.next = Some(Position { returned, key: last, sorted: None });
        }
        page
    }

    fn collected(&self, candidates: impl Iterator<Item = Candidate>, size: usize, position: &Position) -> Page {
        let mut results = self.results(candidates);
        if !self.order_by.is_empty() {
            results.sort_by(|a, b| self.order(a, b));
        }
        if self.select.distinct {
            let mut seen = BTreeSet::new();
            results.retain(|result| seen.insert(result.value.to_string()));
        }
        let window = self.window.map_or((0, usize::MAX), |window| (window.offset, window.limit));
        let limit = window.1.min(self.select.top.unwrap_or(usize::MAX)).saturating_sub(position.returned);
        let skipped = match &position.sorted {
            // What has been written since the last page moves no result from one page to another.
            Some((keys, ordinal)) => {
                let keys = keys.iter().map(|key| key.first().cloned()).collect();
                let last = Result { keys, ordinal: *ordinal, value: Value::Null };
                results.partition_point(|result| self.order(result, &last) != Ordering::Greater)
            }
            None => window.0 + position.returned,
        };
        let total = results.len().saturating_sub(skipped).min(limit);
        let page: Vec<Result> = results.into_iter().skip(skipped).take(size.min(limit)).collect();
        let next = page.last().filter(|_| page.len() < total).map(|last| {
            let is_stable = !self.is_grouped() && !self.select.distinct && !self.order_by.is_empty();
            let keys = || last.keys.iter().map(|key| key.iter().cloned().collect()).collect();
            let sorted = is_stable.then(|| (keys(), last.ordinal));
            Position { returned: position.returned + page.len(), key: None, sorted }
        });
        Page { results: page.into_iter().map(|result| result.value).collect(), next }
    }

    fn results(&self, candidates: impl Iterator<Item = Candidate>) -> Vec<Result> {
        let rows = candidates.flat_map(|candidate| {
            let rows = self.rows(candidate.value).into_iter().filter(|row| self.accepts(row));
            rows.map(move |row| (candidate.ordinal, row)).collect::<Vec<_>>()
        });
        if !self.is_grouped() {
            return rows.filter_map(|(ordinal, row)| self.result(Scope::of_row(&row), ordinal)).collect();
        }
        let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        if self.group_by.is_empty() {
            groups.insert(String::new(), Vec::new());
        }
        for (_, row) in rows {
            let keys = self.group_by.iter().map(|key| Scope::of_row(&row).evaluate(&key.expr));
            let keys: String = keys.map(|key| key.map_or_else(String::new, |key| key.to_string()) + "\n").collect();
            groups.entry(keys).or_default().push(row);
        }
        let scopes = groups.values().map(|group| Scope { row: group.first(), group });
        scopes.zip(0..).filter_map(|(scope, ordinal)| self.result(scope, ordinal)).collect()
    }

    fn result(&self, scope: Scope<'_>, ordinal: u64) -> Option<Result> {
        let keys = self.order_by.iter().map(|sort| scope.evaluate(&sort.key.expr).map(|key| key.into_owned()));
        Some(Result { keys: keys.collect(), ordinal, value: self.project(scope)? })
    }

    fn order(&self, left: &Result, right: &Result) -> Ordering {
        let directed = |ordering: Ordering, descends| if descends { ordering.reverse() } else { ordering };
        let mut keys = self
            .order_by
            .iter()
            .zip(left.keys.iter().zip(&right.keys))
            .map(|(sort, (left, right))| directed(order(left.as_ref(), right.as_ref()), sort.descending));
        // The service reads its index backwards for a descending order, so that equal ones come backwards as well.
        let descends = self.order_by.first().is_some_and(|sort| sort.descending);
        keys.find(|ordering| ordering.is_ne()).unwrap_or_else(|| directed(left.ordinal.cmp(&right.ordinal), descends))
    }

    /// The combinations of the item with the elements that are joined to it.
    fn rows(&self, item: Value) -> Vec<Row> {
        let Some(from) = &self.from else { return Vec::new() };
        let mut rows = vec![Row(vec![(from.alias.clone(), item)])];
        for (alias, source) in &from.iterations {
            rows = rows.iter().flat_map(|row| elements(row, alias, source)).collect();
        }
        rows
    }

    fn accepts(&self, row: &Row) -> bool {
        self.filter.as_ref().is_none_or(|filter| Scope::of_row(row).is_true(&filter.expr))
    }

    fn project(&self, scope: Scope<'_>) -> Option<Value> {
        match &self.select.projection {
            // The only set, or the only one that is iterated over.
            Projection::All => scope.row?.0.last().map(|(_, value)| value.clone()),
            Projection::Value(value) => scope.evaluate(&value.expr).map(|value| value.into_owned()),
            Projection::List(list) => {
                let fields = list.iter().filter_map(|(name, value)| Some((name, scope.evaluate(&value.expr)?)));
                let fields: Map<_, _> = fields.map(|(name, value)| (name.clone(), value.into_owned())).collect();
                Some(Value::Object(fields))
            }
        }
    }
}

/// A row for each element of the array that `source` is in `row`; none if it is no array.
fn elements(row: &Row, alias: &str, source: &super::ast::Expr) -> Vec<Row> {
    let list = Scope::of_row(row).evaluate(source).map(|list| list.into_owned());
    let Some(Value::Array(list)) = list else { return Vec::new() };
    let with = |element| Row(row.0.iter().cloned().chain([(alias.to_owned(), element)]).collect());
    list.into_iter().map(with).collect()
}
