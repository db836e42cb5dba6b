//! The contract with the Azure Functions host: a custom handler that answers invocations over HTTP.
//!
//! Page: "Azure Functions custom handlers". Timer and Service Bus invocations arrive as `POST /<function>` with
//! `{"Data", "Metadata"}`; HTTP requests are forwarded as they are (`enableForwardingHttpRequest`).

mod listener;
mod payload;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::FutureExt as _;
use serde_json::{Value, json};

use crate::app::App;
use crate::events::Reason;
use crate::functions::{Verdict, poll_events, process_message, trigger_journey};
use crate::telemetry::invocation::{Invocation, Outcome, Trigger};
use crate::telemetry::{LogEvent, invocation, traces};
pub use listener::{ListenProblem, listen};
pub use payload::{InvocationError, read_delivery};

/// The names of the functions, which are those of the folders with their `function.json`.
pub const FUNCTIONS: [&str; 3] = ["poll-events", "process-message", "trigger-journey"];

/// All routes of the handler.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        // Any answer means ready; nothing here needs the network.
        .route("/", get(|| async { reply(StatusCode::OK, &json!({"handler": "commerce-journeys"})) }))
        .route("/poll-events", post(on_poll_events))
        .route("/process-message", post(on_process_message))
        .route("/api/trigger-journey", post(on_trigger_journey))
        // The host is the only caller, and a message with its metadata is a multiple of the topic's limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn on_poll_events(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let called = Called::read("poll-events", Trigger::Timer, &headers);
    let span = called.span();
    called
        .invoke(async move {
            match span.around(poll_events(&app)).await {
                Ok(_) => (Outcome::Succeeded, success()),
                Err(error) => (Outcome::Interrupted, failure(&error.to_string())),
            }
        })
        .await
}

async fn on_process_message(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let called = Called::read("process-message", Trigger::ServiceBus, &headers);
    let (id, host) = (called.invocation.id.clone(), called.traceparent.clone());
    called
        .invoke(async move {
            let delivery = match read_delivery(&body) {
                Ok(delivery) => delivery,
                Err(error) => {
                    LogEvent::InvocationFailed { detail: &error.to_string() }.log();
                    return (Outcome::Unreadable, failure(&error.to_string()));
                }
            };
            let span = traces::process(delivery.traceparent.as_deref(), &id, host.as_deref());
            match span.around(process_message(&app, delivery)).await {
                Verdict::Done => (Outcome::Done, success()),
                Verdict::PutOff(reason) => (noting(&reason, Outcome::PutOff), success()),
                Verdict::Rejected(reason) => (noting(&reason, Outcome::Rejected), failure(&reason.to_string())),
                Verdict::Undelivered(reason) => (noting(&reason, Outcome::Undelivered), failure(&reason.to_string())),
            }
        })
        .await
}

fn noting(reason: &Reason, outcome: Outcome) -> Outcome {
    invocation::note(|facts| facts.reason = Some(reason.code));
    outcome
}

async fn on_trigger_journey(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let called = Called::read("trigger-journey", Trigger::Http, &headers);
    let span = called.span();
    called
        .invoke(async move {
            let answer = span.around(trigger_journey(&app, &body)).await;
            invocation::note(|facts| facts.status = Some(answer.status));
            let mut response = reply(StatusCode::from_u16(answer.status).unwrap_or_default(), &answer.body);
            if let Some(wait) = answer.retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
            }
            let outcome = match answer.status {
                ..400 => Outcome::Done,
                400..500 => Outcome::Refused,
                500.. => Outcome::Unavailable,
            };
            (outcome, response)
        })
        .await
}

/// What the host says about a call beside its payload.
struct Called {
    invocation: Arc<Invocation>,
    /// The host's own trace.
    traceparent: Option<String>,
}

impl Called {
    fn read(function: &'static str, trigger: Trigger, headers: &HeaderMap) -> Self {
        let invocation = Invocation::new(function, trigger, invocation_id(headers));
        Self { invocation, traceparent: text(headers, "traceparent").map(str::to_owned) }
    }

    fn span(&self) -> traces::Span {
        traces::invocation(self.invocation.function, &self.invocation.id, self.traceparent.as_deref())
    }

    /// Runs the invocation in a task of its own: a caller that hangs up does not cut it off, and a panic in it is a
    /// reported failure. Its line is written whatever came of it.
    async fn invoke(self, work: impl Future<Output = (Outcome, Response)> + Send + 'static) -> Response {
        let invocation = self.invocation;
        let within = invocation.clone();
        let guarded = AssertUnwindSafe(work).catch_unwind().map(move |ended| {
            let (outcome, response) = ended.unwrap_or_else(|_| {
                LogEvent::InvocationFailed { detail: "the invocation panicked; this is a defect" }.log();
                (Outcome::Panicked, failure("the handler panicked; see its log"))
            });
            invocation.end(outcome);
            response
        });
        tokio::spawn(within.around(guarded)).await.unwrap_or_else(|error| failure(&error.to_string()))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok())
}

/// The host's id of an invocation.
pub fn invocation_id(headers: &HeaderMap) -> &str {
    text(headers, "x-azure-functions-invocationid").unwrap_or("-")
}

/// A successful invocation. What it did is in the log already; an empty body would leave the host waiting for ever.
pub fn success() -> Response {
    reply(StatusCode::OK, &json!({"Outputs": {}, "Logs": [], "ReturnValue": null}))
}

/// A failed invocation, which the host learns from the status.
pub fn failure(problem: &str) -> Response {
    reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": problem}))
}

fn reply(status: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}
