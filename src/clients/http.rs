//! What all HTTP clients share: a bearer token, one retry when the token is rejected, and errors that distinguish a request
//! that was not sent from one whose result is unknown.

use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, RequestBuilder, StatusCode};

use super::identity::{IdentityError, Tokens};
use crate::clock::SharedClock;
use crate::dependency::Dependency;
use crate::telemetry::{LogEvent, invocation, traces};

/// Why a client cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("{what} cannot be created: {cause}")]
pub struct SetupError {
    /// The part that cannot be created.
    pub what: &'static str,
    /// The cause.
    pub cause: String,
}

/// The HTTP client for all dependencies. `timeout` applies to one request.
///
/// # Errors
///
/// When TLS is not available.
pub fn http_client(timeout: Duration) -> Result<Client, SetupError> {
    Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout / 3)
        .user_agent(concat!("commerce-journeys/", env!("CARGO_PKG_VERSION")))
        // A redirect would send our token to another host.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| SetupError { what: "the HTTP client", cause: error.to_string() })
}

/// Why a request has no response.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no token for it. It was not sent.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The connection failed. It was not sent.
    #[error("no connection: {0}")]
    NotSent(String),
    /// It may have been processed, but the response was not received completely.
    #[error("no answer: {0}")]
    AnswerLost(String),
}

/// A complete response with any status.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The dependency's `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// A response that was received at `now`.
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes, now: DateTime<Utc>) -> Self {
        Self { status, retry_after: retry_after(&headers, now), headers, body }
    }

    /// Sends `request` to `dependency` and receives the response. `resend` counts earlier attempts.
    pub(super) async fn send(
        dependency: Dependency,
        request: RequestBuilder,
        resend: u32,
        now: DateTime<Utc>,
    ) -> Result<Self, CallError> {
        let (http, request) = request.build_split();
        let mut request = request.map_err(not_sent)?;
        invocation::count_call(dependency);
        let span = traces::request(dependency, Some(method(request.method())), request.url().host_str(), resend);
        if let Some(traceparent) = span.traceparent().and_then(|text| HeaderValue::from_str(&text).ok())
            && let Some(header) = request.headers_mut().get_mut("traceparent")
        {
            *header = traceparent;
        }
        let reply = Self::receive(&http, request, now).await;
        span.end_request(match &reply {
            Ok(reply) => Ok(Some(reply.status.as_u16())),
            Err(CallError::AnswerLost(_)) => Err("answerLost"),
            Err(CallError::NotSent(_) | CallError::Identity(_)) => Err("notSent"),
        });
        let reply = reply?;
        reply.log_throttling(dependency);
        Ok(reply)
    }

    async fn receive(http: &Client, request: Request, now: DateTime<Utc>) -> Result<Self, CallError> {
        let response = http.execute(request).await.map_err(not_sent)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| CallError::AnswerLost(describe(&error.without_url())))?;
        Ok(Self::new(status, headers, body, now))
    }

    fn log_throttling(&self, dependency: Dependency) {
        let asks_to_wait = self.status == StatusCode::SERVICE_UNAVAILABLE && self.retry_after.is_some();
        if self.status == StatusCode::TOO_MANY_REQUESTS || asks_to_wait {
            let retry_after_ms = self.retry_after.map(milliseconds);
            LogEvent::Throttled { dependency, status: self.status.as_u16(), retry_after_ms }.log();
        }
    }

    /// Whether the dependency is overloaded or not available, so that the same request may succeed later. A redirect is not
    /// followed. It comes from a gateway or a maintenance page, and the request had no effect.
    pub(super) fn is_transient(&self) -> bool {
        self.status.is_server_error()
            || self.status.is_redirection()
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }
}

/// URLs contain account numbers and, in filters, e-mail addresses. No error contains a URL.
fn not_sent(error: reqwest::Error) -> CallError {
    let never_sent = error.is_connect() || error.is_builder();
    let cause = describe(&error.without_url());
    if never_sent { CallError::NotSent(cause) } else { CallError::AnswerLost(cause) }
}

fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "_OTHER",
    }
}

/// A duration in the unit of the log.
pub(crate) fn milliseconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its causes, because only they explain a failed connection.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). A malformed value is ignored. The dependency has its own clock:
/// a date counts from its `Date`, or from ours if that is later to come.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(seconds) = seconds(value) {
        return Some(seconds);
    }
    let until = http_date(value)?;
    let sent = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?.trim()));
    let since = sent.map_or(now, |sent| sent.min(now));
    Some((until - since).to_std().unwrap_or_default())
}

/// Seconds, also with a fraction.
fn seconds(text: &str) -> Option<Duration> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds: f64 = if is_number { text.parse().ok()? } else { return None };
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// A date in one of the three formats of HTTP (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    let without_zone = |format| NaiveDateTime::parse_from_str(text, format).ok().map(|time| time.and_utc());
    let preferred = DateTime::parse_from_rfc2822(text).ok().map(|date| date.to_utc());
    preferred.or_else(|| without_zone("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| without_zone("%a %b %e %H:%M:%S %Y"))
}

/// Calls one dependency with a bearer token.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) dependency: Dependency,
    pub(super) http: Client,
    pub(super) tokens: Tokens,
    /// `Bearer`, or `id_token` for a Scale Unit that requires it.
    pub(super) scheme: String,
    pub(super) clock: SharedClock,
}

impl Caller {
    /// Sends the request that `build` creates. A rejected token is replaced once, because it may have expired or have been
    /// revoked.
    pub(super) async fn call(&self, build: impl Fn(&Client) -> RequestBuilder) -> Result<Reply, CallError> {
        let token = self.tokens.bearer().await?;
        let reply = self.send(build(&self.http), &token, 0).await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        self.tokens.invalidate(&token);
        let token = self.tokens.bearer().await?;
        self.send(build(&self.http), &token, 1).await
    }

    async fn send(&self, request: RequestBuilder, token: &str, resend: u32) -> Result<Reply, CallError> {
        let request = request.header(AUTHORIZATION, format!("{} {token}", self.scheme));
        Reply::send(self.dependency, request, resend, self.clock.now()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_parsed_in_both_formats() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("17"), Some(17));
        assert_eq!(read("Tue, 14 Nov 2023 22:14:20 GMT"), Some(60));
        assert_eq!(read("Tue, 14 Nov 2023 22:00:00 GMT"), Some(0));
        assert_eq!(read("Tuesday, 14-Nov-23 22:14:20 GMT"), Some(60));
        assert_eq!(read("Tue Nov 14 22:14:20 2023"), Some(60));
        assert_eq!(read("later"), None);
        assert_eq!(read("-5"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_hint_is_never_shortened() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let read = |hint: &str, date: &str| {
            let entries = [(RETRY_AFTER, hint), (DATE, date)];
            retry_after(&entries.map(|(name, value)| (name, value.parse().unwrap())).into_iter().collect(), now)
        };
        let today = "Tue, 14 Nov 2023 22:13:20 GMT";
        assert_eq!(read("1.25", today), Some(Duration::from_millis(1250)));
        assert_eq!(read("99999999999999999999999", today), Some(Duration::MAX));
        // Their clock is a minute behind, or ahead.
        assert_eq!(
            read("Tue, 14 Nov 2023 22:12:50 GMT", "Tue, 14 Nov 2023 22:12:20 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            read("Tue, 14 Nov 2023 22:14:50 GMT", "Tue, 14 Nov 2023 22:14:20 GMT"),
            Some(Duration::from_secs(90))
        );
    }
}
