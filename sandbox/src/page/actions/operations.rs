//! Actions of an operator, and fault injection.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ActionResult, read};
use crate::audit::Journey;
use crate::dataverse::{Parameter, ParameterKind, demo_triggers};
use crate::environment::FUNCTION_KEY;
use crate::host::KillScope;
use crate::network::Dependency;
use crate::page::api_error::ApiError;
use crate::page::dashboard::Tone;
use crate::page::fault_controls::Availability;
use crate::page::record::Record;
use crate::page::state::PageState;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replay {
    event: usize,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redrive {
    max: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFaults {
    dependency: Dependency,
    availability: Availability,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTrigger {
    journey: String,
    state: TriggerState,
}

/// The state of a custom trigger in Customer Insights - Journeys.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TriggerState {
    /// The trigger is as the app expects it.
    Published,
    /// The trigger is not published. Calls fail and are retried.
    Unpublished,
    /// One more attribute is required. Calls fail permanently.
    Changed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// Replays an event through `trigger-journey`.
pub(in crate::page) async fn replay(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let Replay { event, dry_run } = read(&body)?;
    let request = {
        let dashboard = state.dashboard();
        let timeline =
            dashboard.event(event).ok_or_else(|| ApiError::not_found(format!("there is no event {event} yet")))?;
        let record = timeline.record.as_ref();
        record
            .map(Record::item)
            .map(|record| json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]}))
    };
    let mut request = request.ok_or_else(|| ApiError::conflict("the poller has not seen this event yet"))?;
    request["dryRun"] = dry_run.into();
    let (status, answer) = call(&state, &request).await?;
    let now = state.now();
    state.dashboard().add_request(event, now, if dry_run { "dryRun" } else { "replay" }, status);
    Ok((StatusCode::OK, Json(json!({ "status": status, "answer": answer }))))
}

/// Redrives dead letters through `trigger-journey`.
pub(in crate::page) async fn redrive(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let Redrive { max } = read(&body)?;
    let (status, answer) = call(&state, &json!({ "deadLetters": { "max": max } })).await?;
    if status == 400 {
        return Err(ApiError::bad_request(answer["error"]["message"].as_str().unwrap_or_default()));
    }
    let now = state.now();
    let succeeded = answer["succeeded"].as_array().map_or(0, Vec::len);
    let failed = answer["failed"].as_array().map_or(0, Vec::len);
    let tone = if status == 200 { Tone::Good } else { Tone::Bad };
    let text = match (status, succeeded, failed) {
        (200 | 422, succeeded, 0) => format!("Redrive: {succeeded} dead letters processed."),
        (200 | 422, ..) => format!("Redrive: {succeeded} dead letters processed, {failed} failed again."),
        _ => format!("Redrive: trigger-journey answered {status}."),
    };
    state.dashboard().add_notice(now, tone, text);
    Ok((StatusCode::OK, Json(json!({ "status": status, "answer": answer }))))
}

/// A POST request to the function app with the function key, like an operator's request.
async fn call(state: &PageState, request: &Value) -> Result<(u16, Value), ApiError> {
    let app = state.app.as_ref().ok_or_else(|| ApiError::conflict("no function app runs in this sandbox"))?;
    let gateway = |error: reqwest::Error| {
        ApiError::new(StatusCode::BAD_GATEWAY, "noAnswer", format!("trigger-journey did not answer: {error}"))
    };
    let url = format!("{app}api/trigger-journey");
    let reply = state.client.post(url).header("x-functions-key", FUNCTION_KEY).json(request).send().await;
    let reply = reply.map_err(gateway)?;
    let status = reply.status().as_u16();
    // A host without a running handler answers without a body.
    let text = reply.text().await.map_err(gateway)?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// Sets the availability of one dependency.
pub(in crate::page) async fn set_faults(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let SetFaults { dependency, availability } = read(&body)?;
    state.fault_controls.set(dependency, availability);
    let (tone, text) = match availability {
        Availability::Normal => (Tone::Good, format!("{dependency} works normally again.")),
        Availability::Slow => {
            (Tone::Plain, format!("{dependency} is slow now: each call takes half a second or more."))
        }
        Availability::Failing => (Tone::Bad, format!("{dependency} is failing now: most calls are answered with 429.")),
        Availability::Hanging => (Tone::Bad, format!("{dependency} hangs now: calls are accepted and never answered.")),
        Availability::Refusing => (Tone::Bad, format!("{dependency} refuses now: access is denied to every call.")),
        Availability::Nonsense => {
            (Tone::Bad, format!("{dependency} answers nonsense now: an HTML page, null, or half of the reply."))
        }
        Availability::Down => (Tone::Bad, format!("{dependency} is down now: connections are refused.")),
    };
    let now = state.now();
    state.dashboard().add_notice(now, tone, text);
    Ok((StatusCode::OK, Json(json!({ "dependency": dependency, "availability": availability }))))
}

/// Changes the state of a custom trigger.
pub(in crate::page) async fn set_trigger(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let SetTrigger { journey, state: trigger_state } = read(&body)?;
    let journey = Journey::of_name(&journey)
        .ok_or_else(|| ApiError::bad_request(format!("journey: there is no journey '{journey}'")))?;
    let (name, tone, text) = match trigger_state {
        TriggerState::Published => ("published", Tone::Good, "is published, as the app expects it"),
        TriggerState::Unpublished => ("unpublished", Tone::Bad, "is not published: calls fail and are retried"),
        TriggerState::Changed => ("changed", Tone::Bad, "now requires one more value: calls fail permanently"),
    };
    apply_trigger_state(&state, journey, trigger_state);
    let now = state.now();
    let mut dashboard = state.dashboard();
    dashboard.set_trigger_state(journey, name);
    dashboard.add_notice(now, tone, format!("The custom trigger of {journey} {text}."));
    Ok((StatusCode::OK, Json(json!({ "journey": journey, "state": name }))))
}

fn apply_trigger_state(state: &PageState, journey: Journey, trigger_state: TriggerState) {
    let dataverse = state.environment.dataverse();
    let Some(mut trigger) = demo_triggers().into_iter().find(|trigger| trigger.name == journey.trigger()) else {
        return;
    };
    if matches!(trigger_state, TriggerState::Changed) {
        let name = "msdynmkt_campaigncode".to_owned();
        trigger.parameters.push(Parameter { name, kind: ParameterKind::String, optional: false });
    }
    dataverse.register_trigger(trigger);
    dataverse.set_published(journey.trigger(), !matches!(trigger_state, TriggerState::Unpublished));
}

/// Kills all handlers with SIGKILL.
pub(in crate::page) async fn kill(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let Empty {} = read(&body)?;
    if state.platforms.is_empty() {
        return Err(ApiError::conflict("no handler runs in this sandbox"));
    }
    for platform in &state.platforms {
        platform.replace_handler(KillScope::Process).await;
        let now = state.now();
        state.kills().push(now);
    }
    Ok((StatusCode::OK, Json(json!({ "killed": state.platforms.len() }))))
}
