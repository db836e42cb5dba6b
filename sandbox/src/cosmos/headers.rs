//! The headers of requests.

use axum::http::HeaderMap;

pub(super) const PARTITION_KEY: &str = "x-ms-documentdb-partitionkey";
pub(super) const PARTITION_KEY_RANGE: &str = "x-ms-documentdb-partitionkeyrangeid";
pub(super) const START_EPK: &str = "x-ms-start-epk";
pub(super) const END_EPK: &str = "x-ms-end-epk";
pub(super) const IF_MATCH: &str = "if-match";
pub(super) const IF_NONE_MATCH: &str = "if-none-match";
pub(super) const IS_UPSERT: &str = "x-ms-documentdb-is-upsert";
pub(super) const IS_BATCH: &str = "x-ms-cosmos-is-batch-request";
pub(super) const IS_ATOMIC: &str = "x-ms-cosmos-batch-atomic";
pub(super) const IS_QUERY_PLAN: &str = "x-ms-cosmos-is-query-plan-request";
pub(super) const CROSS_PARTITION: &str = "x-ms-documentdb-query-enablecrosspartition";
pub(super) const MAX_ITEMS: &str = "x-ms-max-item-count";
pub(super) const CONTINUATION: &str = "x-ms-continuation";
/// Asks for a change feed.
pub(super) const CHANGE_FEED: &str = "a-im";

/// The value of a header.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a header is present and true.
pub(super) fn is_true(headers: &HeaderMap, name: &str) -> bool {
    text(headers, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether a request is a query; clients have two headers for it.
pub(super) fn is_query(headers: &HeaderMap) -> bool {
    is_true(headers, "x-ms-documentdb-isquery") || is_true(headers, "x-ms-documentdb-query")
}

/// Whether the caller wants to have written items back.
pub(super) fn wants_content(headers: &HeaderMap) -> bool {
    match text(headers, "x-ms-cosmos-populate-content-response-on-write") {
        Some(wanted) => wanted.eq_ignore_ascii_case("true"),
        None => text(headers, "prefer").is_none_or(|prefer| !prefer.contains("return=minimal")),
    }
}

/// Whether the caller reads the binary form of JSON.
pub(super) fn reads_binary(headers: &HeaderMap) -> bool {
    let formats = text(headers, "x-ms-cosmos-supported-serialization-formats").unwrap_or_default();
    formats.split(',').any(|format| format.trim().eq_ignore_ascii_case("CosmosBinary"))
}
