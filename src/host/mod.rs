//! The contract with the Azure Functions host: a custom handler that answers invocations over HTTP.
//!
//! Page: "Azure Functions custom handlers". Timer and Service Bus invocations arrive as `POST /<function>` with
//! `{"Data", "Metadata"}`; HTTP requests are forwarded as they are (`enableForwardingHttpRequest`).

mod invocation;

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
use tracing::Instrument as _;

use crate::app::App;
use crate::functions::{Verdict, poll_events, process_message, trigger_journey};
pub use invocation::{InvocationError, read_delivery};

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
    invoke("poll-events", &headers, async move {
        match poll_events(&app).await {
            Ok(_) => success(),
            Err(error) => failure(&error.to_string()),
        }
    })
    .await
}

async fn on_process_message(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    invoke("process-message", &headers, async move {
        let delivery = match read_delivery(&body) {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::error!(%error, "the invocation cannot be read");
                return failure(&error.to_string());
            }
        };
        match process_message(&app, delivery).await {
            Verdict::Done | Verdict::PutOff(_) => success(),
            Verdict::Rejected(reason) | Verdict::Undelivered(reason) => failure(&reason.to_string()),
        }
    })
    .await
}

async fn on_trigger_journey(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    invoke("trigger-journey", &headers, async move {
        let answer = trigger_journey(&app, &body).await;
        let mut response = reply(StatusCode::from_u16(answer.status).unwrap_or_default(), &answer.body);
        if let Some(wait) = answer.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        response
    })
    .await
}

/// Runs one invocation under its own span and in a task of its own: a caller that hangs up does not cut it off, and a
/// panic in it is a reported failure.
async fn invoke(
    function: &'static str,
    headers: &HeaderMap,
    work: impl Future<Output = Response> + Send + 'static,
) -> Response {
    let invocation = headers.get("x-azure-functions-invocationid").and_then(|id| id.to_str().ok()).unwrap_or("-");
    let span = tracing::info_span!("invocation", function, invocation);
    let guarded = async move {
        AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("the invocation panicked; this is a defect");
            failure("the handler panicked; see its log")
        })
    };
    tokio::spawn(guarded.instrument(span)).await.unwrap_or_else(|error| failure(&error.to_string()))
}

/// A successful invocation. What it did is in the log already; an empty body would leave the host waiting for ever.
fn success() -> Response {
    reply(StatusCode::OK, &json!({"Outputs": {}, "Logs": [], "ReturnValue": null}))
}

/// A failed invocation, which the host learns from the status.
fn failure(problem: &str) -> Response {
    reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": problem}))
}

fn reply(status: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}
