//! What has been done with the account.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method};
use serde::Serialize;

use super::address::Resource;
use super::headers::{IS_BATCH, IS_QUERY_PLAN, IS_UPSERT, is_query, is_true};

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
    /// Counts a request with the operations inside it.
    pub(super) fn add(&mut self, request: &'static str, inside: &[&'static str], charge: f64) {
        *self.requests.entry(request).or_default() += 1;
        for operation in inside {
            *self.in_batches.entry(operation).or_default() += 1;
        }
        self.charge += charge;
    }
}

/// What a request asks for, by the names of [`Usage::requests`].
pub(super) fn kind(method: &Method, resource: &Resource, headers: &HeaderMap) -> &'static str {
    match (resource, method.as_str()) {
        (Resource::Items(_), "GET") => "feed",
        (Resource::Items(_), "POST") if is_true(headers, IS_QUERY_PLAN) => "queryPlan",
        (Resource::Items(_), "POST") if is_query(headers) => "query",
        (Resource::Items(_), "POST") if is_true(headers, IS_BATCH) => "batch",
        (Resource::Items(_), "POST") if is_true(headers, IS_UPSERT) => "upsert",
        (Resource::Items(_), "POST") => "create",
        (Resource::Item(..), "GET") => "read",
        (Resource::Item(..), "PUT") => "replace",
        (Resource::Item(..), "PATCH") => "patch",
        (Resource::Item(..), "DELETE") => "delete",
        _ => "metadata",
    }
}
