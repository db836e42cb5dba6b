//! The token endpoint version 2.0: client credentials with a secret.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::Entra;
use crate::urlencoded;

/// An error of the token endpoint: an OAuth error and Entra's own error number.
struct ErrorReply {
    status: StatusCode,
    error: &'static str,
    code: u32,
    message: String,
}

impl ErrorReply {
    fn new(status: StatusCode, error: &'static str, code: u32, message: impl Into<String>) -> Self {
        Self { status, error, code, message: message.into() }
    }

    fn missing(parameter: &str) -> Self {
        let message = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", 900_144, message)
    }
}

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(super) async fn token(
    State(entra): State<Entra>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let _hold = entra.inner.clock.hold();
    match issue(&entra, &tenant, &form(&headers, &body)) {
        Ok(token) => granted(&entra, token),
        Err(error) => error_reply(&entra, &error),
    }
}

/// A body that is not a form has no parameters.
fn form(headers: &HeaderMap, body: &Bytes) -> Vec<(String, String)> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = kind.split(';').next().unwrap_or_default().trim() == "application/x-www-form-urlencoded";
    let text = if is_form { std::str::from_utf8(body).unwrap_or_default() } else { "" };
    urlencoded::pairs(text).unwrap_or_default()
}

fn issue(entra: &Entra, tenant: &str, form: &[(String, String)]) -> Result<String, ErrorReply> {
    let invalid = StatusCode::BAD_REQUEST;
    if !tenant.eq_ignore_ascii_case(&entra.inner.tenant) {
        let message = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return Err(ErrorReply::new(invalid, "invalid_request", 90_002, message));
    }
    if required(form, "grant_type")? != "client_credentials" {
        let message = "The app requested an unsupported grant type.";
        return Err(ErrorReply::new(invalid, "unsupported_grant_type", 70_003, message));
    }
    let client_id = required(form, "client_id")?;
    authenticate(entra, client_id, urlencoded::value(form, "client_secret"))?;
    let audience = audience(required(form, "scope")?)?;
    if let Some(message) = entra.unknown_resource(audience) {
        return Err(ErrorReply::new(invalid, "invalid_resource", 500_011, message));
    }
    Ok(entra.issue(client_id, audience).0)
}

fn required<'a>(form: &'a [(String, String)], name: &str) -> Result<&'a str, ErrorReply> {
    urlencoded::value(form, name).filter(|value| !value.is_empty()).ok_or_else(|| ErrorReply::missing(name))
}

fn authenticate(entra: &Entra, client_id: &str, secret: Option<&str>) -> Result<(), ErrorReply> {
    let Some(expected) = entra.secret_of(client_id) else {
        let message = format!("Application with identifier '{client_id}' was not found in the directory.");
        return Err(ErrorReply::new(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, message));
    };
    let (code, message) = match secret {
        Some(secret) if secret == expected => return Ok(()),
        Some(_) => (7_000_215, format!("Invalid client secret provided for app '{client_id}'.")),
        None => (7_000_216, "'client_assertion' or 'client_secret' is required.".to_owned()),
    };
    Err(ErrorReply::new(StatusCode::UNAUTHORIZED, "invalid_client", code, message))
}

/// The audience of `<audience>/.default`, the only kind of scope for client credentials.
fn audience(scope: &str) -> Result<&str, ErrorReply> {
    let audience = scope.strip_suffix("/.default").unwrap_or_default();
    if audience.is_empty() || audience.contains(char::is_whitespace) {
        let message = format!("The provided value for scope {scope} is not valid.");
        return Err(ErrorReply::new(StatusCode::BAD_REQUEST, "invalid_scope", 70_011, message));
    }
    Ok(audience)
}

fn granted(entra: &Entra, token: String) -> Response {
    // Entra rounds the remaining lifetime down.
    let expires_in = entra.lifetime_seconds() - 1;
    let body = json!({
        "token_type": "Bearer",
        "expires_in": expires_in,
        "ext_expires_in": expires_in,
        "access_token": token,
    });
    ([(header::CACHE_CONTROL, "no-store, no-cache")], Json(body)).into_response()
}

fn error_reply(entra: &Entra, reply: &ErrorReply) -> Response {
    let now = entra.inner.clock.now().format("%Y-%m-%d %H:%M:%SZ").to_string();
    let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
    let ErrorReply { status, error, code, message } = reply;
    let description =
        format!("AADSTS{code}: {message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}");
    let body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [code],
        "timestamp": now,
        "trace_id": trace.to_string(),
        "correlation_id": correlation.to_string(),
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    (*status, Json(body)).into_response()
}
