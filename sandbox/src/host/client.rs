//! Requests to the handler, with the headers of the host.

use std::convert::Infallible;

use axum::http::header::{HOST, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use uuid::Uuid;

/// The host version whose source code these rules come from.
const HOST_VERSION: &str = "4.1037.0.0";
const HOST_AGENT: &str = "Azure-Functions-Host/4.1037.0.0";
const TRACEPARENT: &str = "traceparent";

/// A request to the handler.
pub(super) struct Call {
    pub method: Method,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Body,
}

/// The body of a request.
pub(super) enum Body {
    /// The host's own payloads have no announced length.
    Chunked(Bytes),
    /// Forwarded requests have one.
    Measured(Bytes),
}

/// A complete answer of the handler.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Calls 127.0.0.1 directly, keeps connections alive, and has no time-out of its own. It adds no headers of its own
/// choice.
pub(super) struct HandlerClient(Client<HttpConnector, BoxBody<Bytes, Infallible>>);

impl HandlerClient {
    pub(super) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Whether the handler answers. Any answer counts, even 404.
    pub(super) async fn ping(&self, port: u16) -> bool {
        let request = Request::get(format!("http://127.0.0.1:{port}/")).body(Full::default().boxed());
        match request {
            Ok(request) => self.0.request(request).await.is_ok(),
            Err(_) => false,
        }
    }

    /// Sends a call as the invocation `id`. With Application Insights, each call belongs to a trace.
    pub(super) async fn send(&self, id: Uuid, port: u16, call: Call, traced: bool) -> Result<Answer, String> {
        let mut headers = call.headers;
        if traced {
            let trace = traceparent(headers.get(TRACEPARENT));
            headers.insert(TRACEPARENT, value(&trace)?);
        }
        // The caller's own user agent comes first.
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.map_or_else(|| HOST_AGENT.to_owned(), |callers| format!("{callers} {HOST_AGENT}"));
        headers.insert(USER_AGENT, value(&agent)?);
        headers.insert("x-azure-functions-hostversion", HeaderValue::from_static(HOST_VERSION));
        headers.insert("x-azure-functions-invocationid", value(&id.to_string())?);
        headers.entry(HOST).or_insert(value(&format!("127.0.0.1:{port}"))?);
        let url = format!("http://127.0.0.1:{port}{}", call.path_and_query);
        let request = Request::builder().method(call.method).uri(url).body(call.body.encoded());
        let mut request = request.map_err(|error| chain(&error))?;
        *request.headers_mut() = headers;
        let response = self.0.request(request).await.map_err(|error| chain(&error))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| chain(&error))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

impl Body {
    fn encoded(self) -> BoxBody<Bytes, Infallible> {
        match self {
            Self::Measured(body) => Full::new(body).boxed(),
            Self::Chunked(body) => {
                let frames = (!body.is_empty()).then(|| Ok(Frame::data(body)));
                StreamBody::new(stream::iter(frames)).boxed()
            }
        }
    }
}

fn value(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(text).map_err(|error| error.to_string())
}

/// The trace of a call: the caller's, or a new one, which is not sampled.
fn traceparent(callers: Option<&HeaderValue>) -> String {
    let callers = callers.and_then(|callers| callers.to_str().ok());
    let parts: Vec<&str> = callers.map(|callers| callers.split('-').collect()).unwrap_or_default();
    let span = &Uuid::new_v4().simple().to_string()[..16];
    match parts.as_slice() {
        ["00", trace, parent, flags] if trace.len() == 32 && parent.len() == 16 => format!("00-{trace}-{span}-{flags}"),
        _ => format!("00-{}-{span}-00", Uuid::new_v4().simple()),
    }
}

/// An error with its causes; the last cause is the most specific.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_sampled_only_if_the_caller_samples_it() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let callers = HeaderValue::try_from(format!("00-{trace}-00f067aa0ba902b7-01")).unwrap();
        let continued = traceparent(Some(&callers));
        assert!(continued.starts_with(&format!("00-{trace}-")) && continued.ends_with("-01"), "{continued}");
        assert!(!continued.contains("00f067aa0ba902b7"), "{continued}");
        for other in [None, Some(&HeaderValue::from_static("nonsense"))] {
            let new = traceparent(other);
            assert!(new.len() == 55 && new.ends_with("-00"), "{new}");
        }
    }
}
