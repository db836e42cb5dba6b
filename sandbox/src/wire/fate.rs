//! What can become of a call, and who decides it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;

use super::Neighbour;

/// One request, as the weather sees it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who is called.
    pub neighbour: Neighbour,
    /// The request's method.
    pub method: Method,
    /// The request's path, without its query.
    pub path: String,
    /// How many calls this neighbour had before this one.
    pub own_number: u64,
    /// How many calls all neighbours together had before this one.
    pub number: u64,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is served.
    Serve,
    /// It is answered with an error and has no effect.
    Refuse(Refusal),
    /// The request takes effect, and then somebody in between answers this in place of the reply.
    Mask(Refusal),
    /// The connection closes before the request has any effect, without a byte of a reply.
    BreakBefore,
    /// The request takes effect, and then the connection breaks within the reply.
    BreakAfter,
    /// The request takes effect, and its reply ends too early, as if it were complete. One without a body arrives.
    CutShort,
    /// No answer ever comes, and the request has no effect.
    Hang,
    /// The request takes effect, and no answer ever comes.
    Withhold,
}

/// An error answer that does not come from the neighbour's own logic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Headers, `Content-Type` and `Retry-After` among them; lower case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Refusal {
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
pub trait Weather: Send + Sync {
    /// The fate of `call`.
    fn fate(&self, call: &Call) -> BoxFuture<Fate>;
}

impl<W: Weather + ?Sized> Weather for Arc<W> {
    fn fate(&self, call: &Call) -> BoxFuture<Fate> {
        (**self).fate(call)
    }
}

/// Every call is served after the same latency.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fair {
    /// How long a call takes before it is looked at.
    pub latency: Duration,
}

impl Weather for Fair {
    fn fate(&self, _: &Call) -> BoxFuture<Fate> {
        let latency = self.latency;
        Box::pin(async move {
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            Fate::Serve
        })
    }
}
