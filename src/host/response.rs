//! The responses that the host expects.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A successful invocation. The body must not be empty, because the host would wait forever.
pub fn success() -> Response {
    reply(StatusCode::OK, &json!({"Outputs": {}, "Logs": [], "ReturnValue": null}))
}

/// A failed invocation. The host looks only at the status.
pub fn failure(error: &str) -> Response {
    self::error(StatusCode::INTERNAL_SERVER_ERROR, error)
}

/// A response with an error.
pub(super) fn error(status: StatusCode, error: &str) -> Response {
    reply(status, &json!({"error": error}))
}

/// A JSON response.
pub(super) fn reply(status: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}
