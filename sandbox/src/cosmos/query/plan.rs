//! Query plans, with which a client merges the results of several partitions: the reply to
//! `x-ms-cosmos-is-query-plan-request`.

use serde_json::{Map, Value, json};

use super::QueryError;
use super::ast::{Aggregate, Expr, Projection, Query, Spanned};

/// Clients put the condition under which they go on after a page in place of this text.
const RESUME_FILTER: &str = "{documentdb-formattableorderbyquery-filter}";

impl Query {
    /// Whether the results of several partitions must be merged by the client.
    pub(in crate::cosmos) fn needs_merge(&self) -> bool {
        let select = &self.select;
        let is_limited = select.top.is_some() || self.window.is_some();
        is_limited || select.distinct || !self.order_by.is_empty() || self.is_grouped()
    }

    /// The plan. `ranges` are the ranges of effective partition keys that hold results.
    pub(in crate::cosmos) fn plan(&self, ranges: Vec<Value>) -> Result<Value, QueryError> {
        self.check_aggregates()?;
        let is_value = matches!(self.select.projection, Projection::Value(_));
        let aggregates = if self.group_by.is_empty() && is_value { self.aggregates() } else { Vec::new() };
        let keys = |keys: &mut dyn Iterator<Item = &Spanned>| -> Value {
            keys.map(|key| Value::from(self.source(&key.span))).collect()
        };
        let order = |descending| if descending { "Descending" } else { "Ascending" };
        Ok(json!({
            "partitionedQueryExecutionInfoVersion": 2,
            "queryInfo": {
                "distinctType": match (self.select.distinct, self.order_by.is_empty()) {
                    (false, _) => "None",
                    (true, true) => "Unordered",
                    (true, false) => "Ordered",
                },
                "top": self.select.top,
                "offset": self.window.map(|window| window.offset),
                "limit": self.window.map(|window| window.limit),
                "orderBy": self.order_by.iter().map(|sort| order(sort.descending)).collect::<Vec<_>>(),
                "orderByExpressions": keys(&mut self.order_by.iter().map(|sort| &sort.key)),
                "groupByExpressions": keys(&mut self.group_by.iter()),
                "groupByAliases": self.group_aliases(),
                "aggregates": aggregates,
                "groupByAliasToAggregateType": self.aggregates_by_alias(),
                "rewrittenQuery": self.rewritten(),
                "hasSelectValue": is_value,
                "hasNonStreamingOrderBy": false,
                "dCountInfo": null,
            },
            "queryRanges": ranges,
        }))
    }

    /// A client can merge aggregates, but not what is computed from them.
    fn check_aggregates(&self) -> Result<(), QueryError> {
        let composed =
            self.selected().into_iter().find(|(_, it)| it.expr.has_aggregate() && aggregate(&it.expr).is_none());
        let message = "Compositions of aggregates and other expressions are not allowed.";
        composed.map_or(Ok(()), |(_, it)| Err(QueryError::at(it.span.clone(), "SC2204", message.to_owned())))
    }

    fn selected(&self) -> Vec<(&str, &Spanned)> {
        match &self.select.projection {
            Projection::All => Vec::new(),
            Projection::Value(value) => vec![("", value)],
            Projection::List(list) => list.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        }
    }

    fn aggregates(&self) -> Vec<&'static str> {
        self.selected().iter().filter_map(|(_, value)| aggregate(&value.expr)).map(|(kind, _)| name(kind)).collect()
    }

    fn group_aliases(&self) -> Vec<&str> {
        let is_list = matches!(self.select.projection, Projection::List(_)) && self.is_grouped();
        if is_list { self.selected().iter().map(|(name, _)| *name).collect() } else { Vec::new() }
    }

    fn aggregates_by_alias(&self) -> Value {
        let is_list = matches!(self.select.projection, Projection::List(_)) && self.is_grouped();
        let kinds = self.selected().into_iter().filter(|_| is_list).map(|(alias, value)| {
            let kind = aggregate(&value.expr).map(|(kind, _)| name(kind));
            (alias.to_owned(), kind.map_or(Value::Null, Value::from))
        });
        Value::Object(kinds.collect::<Map<_, _>>())
    }

    /// The query that the client sends to each partition; empty if it sends the original.
    fn rewritten(&self) -> String {
        let Some(from) = &self.from else { return String::new() };
        let filter = self.filter.as_ref().map(|filter| format!("({})", self.source(&filter.span)));
        let from_text = self.source(&from.span);
        if self.is_grouped() {
            return self.rewritten_groups(from_text, filter);
        }
        if !self.order_by.is_empty() {
            return self.rewritten_order(&from.alias, from_text, filter);
        }
        let Some(window) = self.window else { return String::new() };
        // Every partition may hold all results of the window.
        let needed = window.offset.saturating_add(window.limit);
        let end = self.filter.as_ref().map_or(from.span.end, |filter| filter.span.end);
        format!("{} OFFSET 0 LIMIT {needed}", self.text.get(..end).unwrap_or_default())
    }

    fn rewritten_order(&self, alias: &str, from: &str, filter: Option<String>) -> String {
        let items = self.order_by.iter().map(|sort| format!("{{\"item\": {}}}", self.source(&sort.key.span)));
        let keys = self
            .order_by
            .iter()
            .map(|sort| format!("{} {}", self.source(&sort.key.span), if sort.descending { "DESC" } else { "ASC" }));
        let (items, keys) = (items.collect::<Vec<_>>().join(", "), keys.collect::<Vec<_>>().join(", "));
        let payload = match &self.select.projection {
            Projection::All => alias.to_owned(),
            Projection::Value(value) => self.source(&value.span).to_owned(),
            Projection::List(_) => self.fields(|value| self.source(&value.span).to_owned()),
        };
        let filters: Vec<String> = filter.into_iter().chain([format!("({RESUME_FILTER})")]).collect();
        let needed = self.window.map(|window| window.offset.saturating_add(window.limit)).or(self.select.top);
        // Duplicates are removed by the client, which may therefore need more than it returns.
        let needed = needed.filter(|_| !self.select.distinct);
        let top = needed.map_or_else(String::new, |count| format!("TOP {count} "));
        format!(
            "SELECT {top}{alias}._rid, [{items}] AS orderByItems, {payload} AS payload {from} WHERE {} ORDER BY {keys}",
            filters.join(" AND ")
        )
    }

    fn rewritten_groups(&self, from: &str, filter: Option<String>) -> String {
        let clause =
            |keyword: &str, text: Option<String>| text.map_or_else(String::new, |it| format!(" {keyword} {it}"));
        let partial = |value: &Spanned| match aggregate(&value.expr) {
            Some((kind, _)) => format!("{{\"item\": {}}}", self.partial(kind, value)),
            None => self.source(&value.span).to_owned(),
        };
        let filter = clause("WHERE", filter);
        let keys: Vec<&str> = self.group_by.iter().map(|key| self.source(&key.span)).collect();
        let groups = clause("GROUP BY", (!keys.is_empty()).then(|| keys.join(", ")));
        if let (Projection::Value(value), true) = (&self.select.projection, keys.is_empty()) {
            return format!("SELECT VALUE [{}] {from}{filter}", partial(value));
        }
        let items: Vec<String> = keys.iter().map(|key| format!("{{\"item\": {key}}}")).collect();
        let items = if keys.is_empty() { String::new() } else { format!("[{}] AS groupByItems, ", items.join(", ")) };
        let payload = match &self.select.projection {
            Projection::Value(value) => partial(value),
            _ => self.fields(partial),
        };
        format!("SELECT {items}{payload} AS payload {from}{filter}{groups}")
    }

    /// What a partition contributes to an aggregate.
    fn partial(&self, kind: Aggregate, value: &Spanned) -> String {
        let source = self.source(&value.span);
        let argument = source.split_once('(').map_or("", |(_, rest)| rest.trim_end().strip_suffix(')').unwrap_or(rest));
        match kind {
            Aggregate::Count | Aggregate::Sum => source.to_owned(),
            Aggregate::Average => format!("{{\"sum\": SUM({argument}), \"count\": COUNT({argument})}}"),
            Aggregate::Min => format!("{{\"min\": MIN({argument}), \"count\": COUNT({argument})}}"),
            Aggregate::Max => format!("{{\"max\": MAX({argument}), \"count\": COUNT({argument})}}"),
        }
    }

    fn fields(&self, text: impl Fn(&Spanned) -> String) -> String {
        let fields = self.selected().into_iter().map(|(name, value)| format!("{}: {}", Value::from(name), text(value)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
    }
}

/// The aggregate that an expression consists of.
fn aggregate(expr: &Expr) -> Option<(Aggregate, &Expr)> {
    match expr {
        Expr::Aggregate(kind, inner) => Some((*kind, inner)),
        _ => None,
    }
}

fn name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "Count",
        Aggregate::Sum => "Sum",
        Aggregate::Min => "Min",
        Aggregate::Max => "Max",
        Aggregate::Average => "Average",
    }
}
