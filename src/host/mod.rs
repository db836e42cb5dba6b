//! The contract with the Azure Functions host: a custom handler that answers invocations over HTTP.
//!
//! Page: "Azure Functions custom handlers". Timer and Service Bus invocations arrive as `POST /<function>` with
//! `{"Data", "Metadata"}`. HTTP requests are forwarded unchanged (`enableForwardingHttpRequest`).

mod invocation_context;
mod listener;
mod payload;
mod response;
mod stop;

use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use crate::check::check_services;
use crate::events::Reason;
use crate::functions::{Answer, DeliveryOutcome, Services, poll_events, process_message, trigger_journey};
use crate::json::without_mark;
use crate::telemetry::invocation::{Outcome, Trigger};
use crate::telemetry::{LogEvent, invocation, traces};
use invocation_context::InvocationContext;
pub use invocation_context::{Running, invocation_id};
pub use listener::{ListenError, listen};
pub use payload::{InvocationError, read_delivery};
use response::{error, reply};
pub use response::{failure, success};
pub use stop::stop_requested;

/// The names of the functions: the folders that contain a `function.json`.
pub const FUNCTIONS: [&str; 3] = ["poll-events", "process-message", "trigger-journey"];

/// What every request needs.
#[derive(Clone)]
struct Handler {
    services: Arc<Services>,
    running: Running,
}

/// All routes of the handler. `running` is closed when the last invocation has ended.
pub fn router(services: Arc<Services>, running: Running) -> Router {
    Router::new().fallback(dispatch).with_state(Handler { services, running })
}

/// Longest body of a request. The host accepts 100 MB, and a message arrives with its metadata.
const MAX_BODY_BYTES: usize = 512 * 1024 * 1024;

/// Finds the function as the host does: without regard to letter case and to a slash at the end. The body is always read,
/// because an answer before its end would reset the connection.
async fn dispatch(State(handler): State<Handler>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "the request cannot be read, or is too large");
    };
    let path = parts.uri.path().trim_end_matches('/').to_ascii_lowercase();
    let Handler { services, running } = handler;
    match (parts.method, path.as_str()) {
        // Any response means that the handler is ready. It does not need the network.
        (Method::GET | Method::HEAD, "") => reply(StatusCode::OK, &json!({"handler": "commerce-journeys"})),
        (Method::POST, "/poll-events") => on_poll_events(services, running, parts.headers).await,
        (Method::POST, "/process-message") => on_process_message(services, running, parts.headers, body).await,
        (Method::POST, "/api/trigger-journey") => on_trigger_journey(services, running, parts.headers, body).await,
        (method, _) => {
            let path: String = parts.uri.path().chars().take(100).collect();
            LogEvent::UnknownRequest { method: method.as_str(), path: &path }.log();
            error(StatusCode::NOT_FOUND, "there is no such function; check function.json and the request's method")
        }
    }
}

async fn on_poll_events(services: Arc<Services>, running: Running, headers: HeaderMap) -> Response {
    let context = InvocationContext::read("poll-events", Trigger::Timer, &headers);
    let span = context.span();
    context
        .invoke(running, async move {
            match span.in_scope(poll_events(&services)).await {
                Ok(_) => (Outcome::Succeeded, success()),
                Err(error) => (Outcome::Interrupted, failure(&error.to_string())),
            }
        })
        .await
}

async fn on_process_message(services: Arc<Services>, running: Running, headers: HeaderMap, body: Bytes) -> Response {
    let context = InvocationContext::read("process-message", Trigger::ServiceBus, &headers);
    let (id, host_trace) = (context.invocation.id.clone(), context.traceparent.clone());
    context
        .invoke(running, async move {
            let delivery = match read_delivery(&body) {
                Ok(delivery) => delivery,
                Err(error) => {
                    LogEvent::InvocationFailed { detail: &error.to_string() }.log();
                    return (Outcome::Unreadable, failure(&error.to_string()));
                }
            };
            let span = traces::process(delivery.history.traceparent.as_deref(), &id, host_trace.as_deref());
            match span.in_scope(process_message(&services, delivery)).await {
                DeliveryOutcome::Completed => (Outcome::Completed, success()),
                DeliveryOutcome::Scheduled => (Outcome::Scheduled, success()),
                DeliveryOutcome::Rescheduled(reason) => (with_reason(Outcome::Rescheduled, &reason), success()),
                DeliveryOutcome::Rejected(reason) => {
                    (with_reason(Outcome::Rejected, &reason), failure(&reason.to_string()))
                }
                DeliveryOutcome::Abandoned(reason) => {
                    (with_reason(Outcome::Abandoned, &reason), failure(&reason.to_string()))
                }
            }
        })
        .await
}

fn with_reason(outcome: Outcome, reason: &Reason) -> Outcome {
    invocation::record(|facts| facts.reason = Some(reason.code.to_string()));
    outcome
}

/// `{"check": true}`. The check is here and not in the function, because it uses the functions' services.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckRequest {
    check: bool,
}

async fn answer(services: &Services, body: &[u8]) -> Answer {
    match serde_json::from_slice(without_mark(body)) {
        Ok(CheckRequest { check: true }) => check_answer(services).await,
        _ => trigger_journey(services, body).await,
    }
}

/// The report of the check. The status is 200 with problems too: the request is fulfilled.
async fn check_answer(services: &Services) -> Answer {
    match check_services(services).await {
        Ok(report) => Answer::ok(json!({"ok": report.is_ok(), "findings": report.findings})),
        Err(error) => Answer::internal_error(&error.to_string()),
    }
}

async fn on_trigger_journey(services: Arc<Services>, running: Running, headers: HeaderMap, body: Bytes) -> Response {
    let context = InvocationContext::read("trigger-journey", Trigger::Http, &headers);
    let span = context.span();
    context
        .invoke(running, async move {
            let answer = span.in_scope(answer(&services, &body)).await;
            invocation::record(|facts| facts.status = Some(answer.status));
            let mut response = reply(StatusCode::from_u16(answer.status).unwrap_or_default(), &answer.body);
            if let Some(delay) = answer.retry_after {
                // Rounded up: a hint only lengthens.
                let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            let outcome = match answer.status {
                ..400 => Outcome::Completed,
                400..500 => Outcome::Refused,
                500.. => Outcome::Unavailable,
            };
            (outcome, response)
        })
        .await
}
