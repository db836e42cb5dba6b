//! The headers of an invocation, and the task that runs it.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use futures::FutureExt as _;
use tokio::sync::mpsc;

use super::response::failure;
use crate::telemetry::invocation::{Invocation, Outcome, Trigger};
use crate::telemetry::{LogEvent, traces};

/// Held while an invocation runs. Nothing is ever sent: the receiver sees when the last one is dropped.
pub type Running = mpsc::Sender<Infallible>;

/// What the headers of an invocation contain.
pub(super) struct InvocationContext {
    pub(super) invocation: Arc<Invocation>,
    /// The trace of the host.
    pub(super) traceparent: Option<String>,
}

impl InvocationContext {
    pub(super) fn read(function: &'static str, trigger: Trigger, headers: &HeaderMap) -> Self {
        let invocation = Invocation::new(function, trigger, invocation_id(headers));
        Self { invocation, traceparent: text(headers, "traceparent").map(str::to_owned) }
    }

    pub(super) fn span(&self) -> traces::Span {
        traces::invocation(self.invocation.function, &self.invocation.id, self.traceparent.as_deref())
    }

    /// Runs the invocation in its own task, so that it continues when the caller disconnects, and a panic becomes a reported
    /// failure. Its log line is written in every case. `running` is dropped at its end.
    pub(super) async fn invoke(
        self,
        running: Running,
        work: impl Future<Output = (Outcome, Response)> + Send + 'static,
    ) -> Response {
        let invocation = self.invocation;
        let scope = invocation.clone();
        let guarded = AssertUnwindSafe(work).catch_unwind().map(move |ended| {
            let (outcome, response) = ended.unwrap_or_else(|_| {
                LogEvent::InvocationFailed { detail: "the invocation panicked; this is a defect" }.log();
                (Outcome::Panicked, failure("the handler panicked; see its log"))
            });
            invocation.end(outcome);
            drop(running);
            response
        });
        tokio::spawn(scope.in_scope(guarded)).await.unwrap_or_else(|error| failure(&error.to_string()))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok())
}

/// The host's id of an invocation.
pub fn invocation_id(headers: &HeaderMap) -> &str {
    text(headers, "x-azure-functions-invocationid").unwrap_or("-")
}
