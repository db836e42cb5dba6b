//! What an operator does: replays, releases and dismisses events, and redrives dead letters, all through `trigger-journey`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ActionResult, read};
use crate::environment::FUNCTION_KEY;
use crate::page::api_error::ApiError;
use crate::page::dashboard::{Dashboard, Tone, plural};
use crate::page::record::Record;
use crate::page::state::PageState;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replay {
    event: usize,
    #[serde(default)]
    dry_run: bool,
    /// Also starts journeys that are held.
    #[serde(default)]
    release: bool,
    /// Starts only these journeys.
    journeys: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dismiss {
    event: usize,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redrive {
    max: usize,
}

/// Replays an event, or shows what a replay would do.
pub(in crate::page) async fn replay(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let Replay { event, dry_run, release, journeys } = read(&body)?;
    let mut request = key(&state, event)?;
    for (field, value) in [("dryRun", dry_run), ("release", release)] {
        if value {
            request[field] = true.into();
        }
    }
    if let Some(journeys) = journeys {
        request["journeys"] = json!(journeys);
    }
    let action = match (dry_run, release) {
        (true, _) => "dryRun",
        (_, true) => "release",
        _ => "replay",
    };
    about_event(&state, event, action, &request).await
}

/// Closes an event: its journeys that have not started are never started.
pub(in crate::page) async fn dismiss(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let Dismiss { event, reason } = read(&body)?;
    let mut request = key(&state, event)?;
    request["dismiss"] = reason.into();
    about_event(&state, event, "dismiss", &request).await
}

/// The key of the event's record.
fn key(state: &PageState, event: usize) -> Result<Value, ApiError> {
    let dashboard = state.dashboard();
    let timeline =
        dashboard.event(event).ok_or_else(|| ApiError::not_found(format!("there is no event {event} yet")))?;
    let record = timeline.record.as_ref().map(Record::item);
    let record = record.ok_or_else(|| ApiError::conflict("the poller has not seen this event yet"))?;
    Ok(json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]}))
}

async fn about_event(state: &PageState, event: usize, action: &'static str, request: &Value) -> ActionResult {
    let (status, answer) = call(state, request).await?;
    let now = state.now();
    state.dashboard().add_request(event, now, action, status);
    Ok((StatusCode::OK, Json(json!({ "status": status, "answer": answer }))))
}

/// Redrives dead letters. Of those that have failed again, the answer contains the number of the event.
pub(in crate::page) async fn redrive(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let Redrive { max } = read(&body)?;
    let (status, mut answer) = call(&state, &json!({ "deadLetters": { "max": max } })).await?;
    if status == 400 {
        return Err(ApiError::bad_request(answer["error"]["message"].as_str().unwrap_or_default()));
    }
    let now = state.now();
    let mut dashboard = state.dashboard();
    add_numbers(&mut answer, &dashboard);
    let (tone, text) = summary(status, &answer);
    dashboard.add_notice(now, tone, text);
    Ok((StatusCode::OK, Json(json!({ "status": status, "answer": answer }))))
}

fn add_numbers(answer: &mut Value, dashboard: &Dashboard) {
    for failed in answer["failed"].as_array_mut().into_iter().flatten() {
        let number = failed["eventId"].as_str().and_then(|id| dashboard.number_of(id));
        failed["number"] = json!(number);
    }
}

fn summary(status: u16, answer: &Value) -> (Tone, String) {
    let count = |field: &str| answer[field].as_array().map_or(0, Vec::len);
    let tone = if status == 200 { Tone::Good } else { Tone::Bad };
    let succeeded = plural(count("succeeded"), "dead letter");
    let text = match (status, count("failed")) {
        (200 | 422, 0) => format!("Redrive: {succeeded} processed."),
        (200 | 422, failed) => format!("Redrive: {succeeded} processed, {failed} failed again."),
        _ => format!("Redrive: trigger-journey answered {status}."),
    };
    (tone, text)
}

/// A POST request to the function app with the function key, like an operator's request.
async fn call(state: &PageState, request: &Value) -> Result<(u16, Value), ApiError> {
    let app = state.app.as_ref().ok_or_else(|| ApiError::conflict("no function app runs in this sandbox"))?;
    let gateway = |error: reqwest::Error| {
        tracing::info!(%error, "trigger-journey did not answer");
        ApiError::new(StatusCode::BAD_GATEWAY, "noAnswer", "trigger-journey did not answer; send the request again")
    };
    let url = format!("{app}api/trigger-journey");
    let reply = state.client.post(url).header("x-functions-key", FUNCTION_KEY).json(request).send().await;
    let reply = reply.map_err(gateway)?;
    let status = reply.status().as_u16();
    // A host without a running handler answers without a body.
    let text = reply.text().await.map_err(gateway)?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}
