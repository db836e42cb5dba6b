//! What all HTTP neighbours have in common: a bearer token, one more try when it is refused, and errors that keep
//! apart what certainly did not happen from what nobody can know.

use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};

use super::identity::{IdentityError, Tokens};
use crate::clock::SharedClock;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no token to send it with. It was not sent.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No connection could be made. It was not sent.
    #[error("no connection: {0}")]
    NotSent(String),
    /// It may have been carried out, but no (whole) answer came.
    #[error("no answer: {0}")]
    AnswerLost(String),
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// How long the neighbour asks us to wait.
    pub retry_after: Option<Duration>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// Receives the answer to `request`.
    pub(super) async fn to(request: RequestBuilder, now: DateTime<Utc>) -> Result<Self, CallError> {
        // Addresses hold account numbers and, in filters, e-mail addresses: they stay out of every error.
        let response = request.send().await.map_err(|error| {
            let certainly_not_sent = error.is_connect() || error.is_builder();
            let cause = describe(&error.without_url());
            if certainly_not_sent { CallError::NotSent(cause) } else { CallError::AnswerLost(cause) }
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| CallError::AnswerLost(describe(&error.without_url())))?;
        Ok(Self { status, retry_after: retry_after(&headers, now), headers, body })
    }

    /// Whether the neighbour is overloaded or away, so that the same request may succeed later.
    pub(super) fn is_transient(&self) -> bool {
        self.status.is_server_error()
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }
}

/// An error with its causes, which is where the reason of a failed connection hides.
fn describe(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). A malformed one is ignored: it must never cost an event.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.to_utc() - now).to_std().unwrap_or_default())
}

/// Calls one neighbour with its tokens.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) http: Client,
    pub(super) tokens: Tokens,
    /// `Bearer`, or `id_token` where a Scale Unit wants it so.
    pub(super) scheme: String,
    pub(super) clock: SharedClock,
}

impl Caller {
    /// Sends the request that `build` makes. A refused token is replaced once: it may have been revoked or have
    /// expired on the way.
    pub(super) async fn call(&self, build: impl Fn(&Client) -> RequestBuilder) -> Result<Reply, CallError> {
        let token = self.tokens.bearer().await?;
        let reply = self.send(build(&self.http), &token).await?;
        if reply.status != StatusCode::UNAUTHORIZED {
            return Ok(reply);
        }
        self.tokens.refused(&token).await;
        let token = self.tokens.bearer().await?;
        self.send(build(&self.http), &token).await
    }

    async fn send(&self, request: RequestBuilder, token: &str) -> Result<Reply, CallError> {
        Reply::to(request.header(AUTHORIZATION, format!("{} {token}", self.scheme)), self.clock.now()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms_and_never_fails() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("17"), Some(17));
        assert_eq!(read("Tue, 14 Nov 2023 22:14:20 GMT"), Some(60));
        assert_eq!(read("Tue, 14 Nov 2023 22:00:00 GMT"), Some(0));
        assert_eq!(read("later"), None);
        assert_eq!(read("-5"), None);
    }
}
