//! What can become of a call, and who decides it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;

use super::Dependency;

/// One request, as the weather sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who is called.
    pub dependency: Dependency,
    /// The request's method.
    pub method: Method,
    /// The request's path, without its query.
    pub path: String,
    /// How many calls this dependency had before this one.
    pub own_number: u64,
    /// How many calls all dependencies together had before this one.
    pub number: u64,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// It is served.
    Serve,
    /// It is answered with an error and has no effect.
    Refuse(ErrorReply),
    /// The request takes effect, and then somebody in between answers this in place of the reply.
    ReplaceReply(ErrorReply),
    /// The connection closes before the request has any effect, without a byte of a reply.
    ResetBefore,
    /// The request takes effect, and then the connection breaks within the reply.
    ResetAfter,
    /// The request takes effect, and its reply ends too early, as if it were complete. One without a body arrives.
    TruncateReply,
    /// No answer ever comes, and the request has no effect.
    Hang,
    /// The request takes effect, and no answer ever comes.
    HangAfter,
}

/// An error answer that does not come from the dependency's own logic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// The status.
    pub status: StatusCode,
    /// Headers, `Content-Type` and `Retry-After` among them; lower case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl ErrorReply {
    /// What a gateway in front of a service says when the service does not: a status and its name.
    pub fn bare(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: status.canonical_reason().unwrap_or_default().to_owned() }
    }

    /// The same with a header.
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

/// Decides what becomes of each call. May take its time: that is the latency.
pub trait FaultInjector: Send + Sync {
    /// The fate of `call`.
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction>;
}

impl<W: FaultInjector + ?Sized> FaultInjector for Arc<W> {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        (**self).decide(call)
    }
}

/// Every call is served after the same latency.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults {
    /// How long a call takes before it is looked at.
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
