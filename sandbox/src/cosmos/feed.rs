//! Reading many items: feeds, queries and query plans.

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::charges;
use super::headers::{
    CONTINUATION, CROSS_PARTITION, END_EPK, MAX_ITEMS, PARTITION_KEY, PARTITION_KEY_RANGE, START_EPK, is_true, text,
};
use super::partition_key::{self, ALL, EpkRange};
use super::query::{Page, Parameters, Position, Query, parse};
use super::reply::{Reply, ServiceError, ServiceResult};
use super::store::Container;

/// Items of a page unless the caller wants another number.
const PAGE: usize = 100;

/// Most items of a page.
const LARGEST_PAGE: usize = 1000;

/// The body of a query request.
#[derive(Deserialize)]
struct Request {
    query: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    #[serde(default)]
    value: Value,
}

/// Reads a query from the body of a request.
pub(super) fn query(body: &[u8]) -> ServiceResult<Query> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| ServiceError::bad_request(format!("The query specification is not valid: {error}")))?;
    let parameters: Parameters = request.parameters.into_iter().map(|it| (it.name, it.value)).collect();
    Ok(parse(&request.query, &parameters)?)
}

/// The part of the container that a request names; `None` for all of it.
fn scope(container: &Container, headers: &HeaderMap) -> ServiceResult<Option<EpkRange>> {
    let bound = |name| text(headers, name).map(|text| partition_key::from_hex(text).ok_or_else(invalid_range));
    let mut range = None;
    let mut narrow = |to| range = Some(partition_key::intersection(range.unwrap_or(ALL), to));
    if let Some(key) = text(headers, PARTITION_KEY).map(partition_key::from_header).transpose()?.flatten() {
        narrow(partition_key::only(partition_key::effective(&key)));
    }
    if let Some(id) = text(headers, PARTITION_KEY_RANGE) {
        // Clients may put the container's resource id in front.
        let number = id.rsplit(',').next().unwrap_or(id);
        let index = number.parse::<usize>().ok();
        let partition = index.and_then(|index| container.partitions.get(index)).ok_or_else(|| {
            let message = format!("The partition key range '{id}' no longer exists.");
            ServiceError::new(StatusCode::GONE, message).with_sub_status(1002)
        })?;
        narrow(partition.range);
    }
    let (start, end) = (bound(START_EPK).transpose()?, bound(END_EPK).transpose()?);
    if start.is_some() || end.is_some() {
        narrow((start.unwrap_or(ALL.0), end.unwrap_or(ALL.1)));
    }
    Ok(range)
}

fn invalid_range() -> ServiceError {
    ServiceError::bad_request("One of the input values is invalid.")
}

/// Where a page begins and how many results it may hold.
fn paging(headers: &HeaderMap) -> ServiceResult<(usize, Position)> {
    let wanted = text(headers, MAX_ITEMS).and_then(|count| count.parse::<i64>().ok());
    let size = wanted.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0).unwrap_or(PAGE);
    let position = match text(headers, CONTINUATION).filter(|token| !token.is_empty()) {
        None => Position::default(),
        Some(token) => Position::from_token(token)
            .ok_or_else(|| ServiceError::bad_request("The continuation token in the request is malformed."))?,
    };
    Ok((size.min(LARGEST_PAGE), position))
}

impl Container {
    /// All items of a part, a page at a time.
    pub(super) fn feed(&mut self, headers: &HeaderMap) -> ServiceResult<Reply> {
        self.page(headers, &parse("SELECT * FROM c", &Parameters::new())?)
    }

    /// The results of a query, a page at a time.
    pub(super) fn query(&mut self, headers: &HeaderMap, body: &[u8]) -> ServiceResult<Reply> {
        let query = query(body)?;
        let is_whole = scope(self, headers)?.is_none();
        if is_whole && query.needs_merge() && self.partition_keys(&query).is_none_or(|keys| keys.len() != 1) {
            return Err(self.cannot_merge(&query)?);
        }
        if is_whole && !is_true(headers, CROSS_PARTITION) && self.partition_keys(&query).is_none() {
            return Err(ServiceError::bad_request(
                "Cross partition query is required but disabled. Please set \
                 x-ms-documentdb-query-enablecrosspartition to true, specify x-ms-documentdb-partitionkey, or revise \
                 your query to avoid this exception.",
            ));
        }
        self.page(headers, &query)
    }

    fn page(&mut self, headers: &HeaderMap, query: &Query) -> ServiceResult<Reply> {
        let range = scope(self, headers)?.unwrap_or(ALL);
        let (size, position) = paging(headers)?;
        let mut read = 0;
        let conditions = query.conditions();
        let candidates = self.candidates(&conditions, range, position.key());
        let Page { results, next } = query.page(candidates.inspect(|_| read += 1), size, &position);
        let count = results.len();
        let body = json!({ "_rid": self.resource_id(), "Documents": results, "_count": count });
        let reply = Reply::json(StatusCode::OK, charges::query(read), &body).with("x-ms-item-count", count);
        let reply = self.with_session(reply, self.partition_of(range.0));
        Ok(match next {
            Some(next) => reply.with(CONTINUATION, next.to_token()),
            None => reply,
        })
    }

    /// The plan with which a client runs a query over all partitions.
    pub(super) fn query_plan(&self, body: &[u8]) -> ServiceResult<Reply> {
        Ok(Reply::json(StatusCode::OK, charges::METADATA, &self.plan(&query(body)?)?))
    }

    fn plan(&self, query: &Query) -> ServiceResult<Value> {
        let range = |min: &str, max: &str, is_max_inclusive: bool| json!({ "min": min, "max": max, "isMinInclusive": true, "isMaxInclusive": is_max_inclusive });
        let ranges = match self.partition_keys(query) {
            None => vec![range("", "FF", false)],
            Some(keys) => keys.iter().map(|epk| range(epk, epk, true)).collect(),
        };
        Ok(query.plan(ranges)?)
    }

    /// The effective partition keys that the filter restricts the results to.
    fn partition_keys(&self, query: &Query) -> Option<Vec<String>> {
        let values = query.values_at(&self.definition.partition_key)?;
        let mut keys: Vec<_> =
            values.into_iter().map(|value| partition_key::to_hex(partition_key::effective(&Some(value)))).collect();
        keys.sort_unstable();
        keys.dedup();
        Some(keys)
    }

    /// The service leaves merging to clients, and gives them the plan for it.
    fn cannot_merge(&self, query: &Query) -> ServiceResult<ServiceError> {
        let message = "The provided cross partition query can not be directly served by the gateway. This is a first \
                       chance (internal) exception that all newer clients will know how to handle gracefully.";
        let plan = Some(self.plan(query)?);
        Ok(ServiceError { plan, ..ServiceError::bad_request(message).with_sub_status(1004) })
    }
}
