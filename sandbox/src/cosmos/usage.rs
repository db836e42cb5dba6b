//! What has been done with the account.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};

/// Makes a creation one that may replace.
pub(super) const IS_UPSERT: &str = "x-ms-documentdb-is-upsert";

/// Counts of operations and the sum of their charges.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Requests by what they did: `create`, `read`, `replace`, `upsert`, `patch`, `delete`, `query`, `queryPlan`,
    /// `feed`, `batch`, and `metadata` for everything that is no item.
    pub requests: BTreeMap<&'static str, u64>,
    /// Operations inside batches, by the same names.
    pub in_batches: BTreeMap<&'static str, u64>,
    /// Requests that were turned away for their authorization.
    pub refused: u64,
    /// Request units charged so far.
    pub charge: f64,
}

impl Usage {
    pub(super) fn add(&mut self, operations: &Operations, reply: &HeaderMap) {
        *self.requests.entry(operations.request).or_default() += 1;
        for operation in &operations.inside {
            *self.in_batches.entry(operation).or_default() += 1;
        }
        let charge = reply.get("x-ms-request-charge").and_then(|value| value.to_str().ok()?.parse::<f64>().ok());
        self.charge += charge.unwrap_or_default();
    }
}

/// What one request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operations {
    request: &'static str,
    inside: Vec<&'static str>,
}

impl Operations {
    /// What the request as a whole is, by the names of [`Usage::requests`].
    pub(super) fn request(&self) -> &'static str {
        self.request
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchItem {
    operation_type: String,
}

/// Reads from a request what it asks for, without judging whether it may.
pub(super) fn operations(method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Operations {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let request = match (segments.as_slice(), method.as_str()) {
        (["dbs", _, "colls", _, "docs"], "GET") => "feed",
        (["dbs", _, "colls", _, "docs"], "POST") => posted(headers),
        (["dbs", _, "colls", _, "docs", _], "GET") => "read",
        (["dbs", _, "colls", _, "docs", _], "PUT") => "replace",
        (["dbs", _, "colls", _, "docs", _], "PATCH") => "patch",
        (["dbs", _, "colls", _, "docs", _], "DELETE") => "delete",
        _ => "metadata",
    };
    let inside = if request == "batch" { inside(body) } else { Vec::new() };
    Operations { request, inside }
}

fn posted(headers: &HeaderMap) -> &'static str {
    let says = |name| headers.get(name).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    if says("x-ms-cosmos-is-query-plan-request") {
        "queryPlan"
    } else if says("x-ms-documentdb-isquery") || says("x-ms-documentdb-query") {
        "query"
    } else if says("x-ms-cosmos-is-batch-request") {
        "batch"
    } else if says(IS_UPSERT) {
        "upsert"
    } else {
        "create"
    }
}

/// An unreadable batch is refused by the account; it has nothing inside to count.
fn inside(body: &[u8]) -> Vec<&'static str> {
    let items: Vec<BatchItem> = serde_json::from_slice(body).unwrap_or_default();
    items
        .iter()
        .map(|item| match item.operation_type.as_str() {
            "Create" => "create",
            "Upsert" => "upsert",
            "Replace" => "replace",
            "Read" => "read",
            "Delete" => "delete",
            "Patch" => "patch",
            _ => "other",
        })
        .collect()
}
