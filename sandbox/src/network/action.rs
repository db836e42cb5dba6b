//! What can happen to a call, and the interface that decides it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::BodyExt as _;

use super::Dependency;

/// One request, as the fault injector sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The dependency that is called.
    pub dependency: Dependency,
    /// The request's method.
    pub method: Method,
    /// The request's path, without its query.
    pub path: String,
    /// The request's body, if [`FaultInjector::reads_bodies`]. Empty in a protocol other than HTTP.
    pub body: Bytes,
    /// The rest of the request, if [`FaultInjector::reads_bodies`] and the protocol is HTTP.
    pub head: Option<Box<CallHead>>,
    /// The number of earlier calls to this dependency.
    pub own_number: u64,
    /// The number of earlier calls to all dependencies.
    pub number: u64,
}

/// What a request contains beside its method, path and body.
#[derive(Clone, Debug)]
pub struct CallHead {
    /// The query of its address.
    pub query: Option<String>,
    /// The version of HTTP.
    pub version: Version,
    /// Its headers.
    pub headers: HeaderMap,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// It is served.
    Serve,
    /// It is answered with an error and has no effect.
    Refuse(ErrorReply),
    /// The request has its effect, but a gateway answers this error instead of the reply.
    ReplaceReply(ErrorReply),
    /// The connection is closed before the request has an effect. No byte of a reply is sent.
    ResetBefore,
    /// The request has its effect, and the connection is closed within the reply.
    ResetAfter,
    /// The request has its effect, and half of the reply arrives as if it were complete. An empty reply arrives whole.
    TruncateReply,
    /// There is never an answer, and the request has no effect.
    Hang,
    /// The request has its effect, and there is never an answer.
    HangAfter,
}

/// An answer that does not come from the dependency's own logic. Usually an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// The status.
    pub status: StatusCode,
    /// Headers, including `Content-Type` and `Retry-After`; lower case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl ErrorReply {
    /// A gateway's answer when the service does not answer: a status and its name.
    pub fn bare(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: status.canonical_reason().unwrap_or_default().to_owned() }
    }

    /// The page of a proxy or of a maintenance site, with status 200.
    pub fn html_page() -> Self {
        let body =
            "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Please try again later.</body></html>";
        Self { body: body.to_owned(), ..Self::bare(StatusCode::OK) }.with("content-type", "text/html; charset=utf-8")
    }

    /// The JSON value `null`, with status 200.
    pub fn null() -> Self {
        Self { body: "null".to_owned(), ..Self::bare(StatusCode::OK) }
            .with("content-type", "application/json; charset=utf-8")
    }

    /// A redirect to a sign-in page.
    pub fn redirect() -> Self {
        Self::bare(StatusCode::FOUND).with("location", "https://login.example.com/")
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A future that borrows nothing.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Decides what happens to each call. The time that it takes is the call's latency.
pub trait FaultInjector: Send + Sync {
    /// The action for `call`.
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction>;

    /// Whether calls contain their bodies and headers. Otherwise a request reaches the service as it arrives, part by part.
    fn reads_bodies(&self) -> bool {
        false
    }
}

impl<I: FaultInjector + ?Sized> FaultInjector for Arc<I> {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        (**self).decide(call)
    }

    fn reads_bodies(&self) -> bool {
        (**self).reads_bodies()
    }
}

/// Serves every call after the same latency.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults {
    /// How long each call waits before it is served.
    pub latency: Duration,
}

impl FaultInjector for NoFaults {
    fn decide(&self, _: &Call) -> BoxFuture<FaultAction> {
        let latency = self.latency;
        Box::pin(async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            FaultAction::Serve
        })
    }
}

/// In the extensions of a response that is not sent: the connection is closed instead.
#[derive(Clone, Copy)]
pub(super) struct Closed;

/// Closes the connection without a reply.
pub(super) fn close() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Closed);
    response
}

/// The first half of a reply, after which the server closes the connection.
pub(super) async fn reset_within(response: Response) -> Response {
    match half(response).await {
        Half::Empty(_) => close(),
        Half::Of(parts, start) => {
            let reset = futures::stream::once(async {
                // The server flushes what it has while the next part is pending.
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            });
            let start = futures::stream::iter([Ok(start)]);
            Response::from_parts(parts, Body::from_stream(start.chain(reset)))
        }
    }
}

/// The first half of a reply, or the whole reply if it has no body.
pub(super) enum Half {
    Empty(Response),
    Of(Parts, Bytes),
}

pub(super) async fn half(response: Response) -> Half {
    let (mut parts, body) = response.into_parts();
    let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if whole.is_empty() {
        return Half::Empty(Response::from_parts(parts, Body::empty()));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Half::Of(parts, whole.slice(..whole.len() / 2))
}
