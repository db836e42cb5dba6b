//! Dataverse's errors: a status, an error code that is independent of the status, and a message.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// No such property, in a query or in a body.
pub(super) const UNKNOWN_PROPERTY: &str = "0x0";
/// A body that does not fit the model.
pub(super) const PAYLOAD: &str = "0x80048d19";
/// A malformed address. The code is not confirmed for all messages here.
pub(super) const SYNTAX: &str = "0x80060888";
/// No such entity set, function or action.
pub(super) const UNKNOWN_SEGMENT: &str = "0x8006088a";
/// No such row.
pub(super) const NO_ROW: &str = "0x80040217";
/// A row with this key exists.
pub(super) const DUPLICATE: &str = "0x80040237";
/// Another row has the values of an alternate key.
pub(super) const KEY_TAKEN: &str = "0x80060892";
/// A text contains a character that XML 1.0 does not allow.
pub(super) const CHARACTER: &str = "0x80040278";
/// The row has another version.
pub(super) const STALE: &str = "0x80060882";
/// A query has too many conditions.
pub(super) const CONDITIONS: &str = "0x8004430c";
/// A text is longer than its column. Not confirmed.
pub(super) const TOO_LONG: &str = "0x80044331";
/// A required parameter of a custom API is missing. The code is not documented.
pub(super) const MISSING_PARAMETER: &str = "0x80040203";
/// The caller's roles do not allow it.
pub(super) const PRIVILEGE: &str = "0x80040220";
/// The caller is not a user of the environment. Not confirmed.
pub(super) const NOT_A_MEMBER: &str = "0x80072560";
/// Too many requests in the time window.
pub(super) const REQUESTS: &str = "0x80072322";
/// Too many concurrent requests.
pub(super) const CONCURRENT: &str = "0x80072326";

/// An error answer. The request had no effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ODataError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// In seconds.
    pub(super) retry_after: Option<u64>,
}

impl ODataError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A malformed address.
    pub(super) fn syntax(message: impl Into<String>) -> Self {
        Self::bad_request(SYNTAX, message)
    }

    /// A body that does not match; `set` is empty for an action.
    pub(super) fn payload(set: &str, reason: impl std::fmt::Display) -> Self {
        let message = format!("Error identified in Payload provided by the user for Entity :'{set}' ----> {reason}");
        Self::bad_request(PAYLOAD, message)
    }

    pub(super) fn unknown_segment(name: &str) -> Self {
        let message = format!("Resource not found for the segment '{name}'.");
        Self::new(StatusCode::NOT_FOUND, UNKNOWN_SEGMENT, message)
    }

    pub(super) fn unknown_property(name: &str, logical: &str) -> Self {
        let message = format!("Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{logical}'.");
        Self::bad_request(UNKNOWN_PROPERTY, message)
    }

    /// Something that Dataverse supports and the sandbox does not.
    pub(super) fn not_here(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "", format!("{what} is not part of the sandbox."))
    }
}

impl IntoResponse for ODataError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
