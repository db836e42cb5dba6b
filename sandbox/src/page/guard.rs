//! Protects the page against requests from other web sites in the same browser.

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::api_error::ApiError;

/// No content from other sites, no inline scripts, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (HeaderName::from_static("content-security-policy"), POLICY),
    (HeaderName::from_static("x-content-type-options"), "nosniff"),
    (HeaderName::from_static("referrer-policy"), "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The page's port, which determines the valid `Host` and `Origin`.
#[derive(Clone, Copy)]
pub(super) struct Guard(pub(super) u16);

/// Checks a request, and adds the page's headers to the answer.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let mut response = match guard.admit(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Guard {
    fn admit(self, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        // Another host name for this address is a DNS rebinding attack.
        if !text(HOST).is_some_and(|host| self.is_own(host)) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "wrongHost", "this host name is not allowed"));
        }
        if matches!(*method, Method::GET | Method::HEAD) {
            return Ok(());
        }
        let foreign = |origin: &str| !origin.strip_prefix("http://").is_some_and(|host| self.is_own(host));
        if headers.contains_key(ORIGIN) && text(ORIGIN).is_none_or(foreign) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "wrongOrigin",
                "only the page itself may send this request",
            ));
        }
        // Another site cannot send JSON without a CORS preflight, which is never answered.
        let media_type = text(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            let message = "send the body as Content-Type: application/json";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "notJson", message));
        }
        Ok(())
    }

    fn is_own(self, host: &str) -> bool {
        ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{}", self.0))
    }
}
