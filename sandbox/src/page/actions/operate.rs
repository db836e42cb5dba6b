//! What an operator does, and what happens to one.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Done, read};
use crate::audit::Journey;
use crate::dataverse::{Parameter, ParameterKind, demo_triggers};
use crate::environment::FUNCTION_KEY;
use crate::host::KillScope;
use crate::network::Dependency;
use crate::page::Shared;
use crate::page::board::Tone;
use crate::page::dial::Setting;
use crate::page::routes::Refused;

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
struct SetWeather {
    dependency: Dependency,
    weather: Setting,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTrigger {
    journey: String,
    state: TriggerState,
}

/// What somebody does to a custom trigger in Customer Insights - Journeys.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TriggerState {
    /// It is as the app expects it.
    Published,
    /// It is taken out of use: calls find nothing, and are tried again.
    Unpublished,
    /// Another attribute is required: calls are refused for good.
    Changed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Replays an event through `trigger-journey`.
pub(in crate::page) async fn replay(State(shared): State<Arc<Shared>>, body: Bytes) -> Done {
    let Replay { event, dry_run } = read(&body)?;
    let named = {
        let board = shared.board();
        let track = board.track(event).ok_or_else(|| Refused::not_found(format!("there is no event {event} yet")))?;
        let record = track.record.as_ref();
        record.map(|record| json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]}))
    };
    let mut request = named.ok_or_else(|| Refused::conflict("the poller has not seen this event yet"))?;
    request["dryRun"] = dry_run.into();
    let (status, answer) = call(&shared, &request).await?;
    let now = shared.now();
    shared.board().asked(event, now, if dry_run { "dryRun" } else { "replay" }, status);
    Ok((StatusCode::OK, Json(json!({ "status": status, "answer": answer }))))
}

/// Takes dead letters up again through `trigger-journey`.
pub(in crate::page) async fn redrive(State(shared): State<Arc<Shared>>, body: Bytes) -> Done {
    let Redrive { max } = read(&body)?;
    let (status, answer) = call(&shared, &json!({ "deadLetters": { "max": max } })).await?;
    if status == 400 {
        return Err(Refused::bad_request(answer["error"]["message"].as_str().unwrap_or_default()));
    }
    let now = shared.now();
    let succeeded = answer["succeeded"].as_array().map_or(0, Vec::len);
    let failed = answer["failed"].as_array().map_or(0, Vec::len);
    let tone = if status == 200 { Tone::Good } else { Tone::Bad };
    let text = match (status, succeeded, failed) {
        (200 | 422, succeeded, 0) => format!("Redrive: {succeeded} dead letters taken up, all done."),
        (200 | 422, ..) => format!("Redrive: {succeeded} dead letters done, {failed} failed again and stay."),
        _ => format!("Redrive: trigger-journey answered {status}."),
    };
    shared.board().notice(now, tone, text);
    Ok((StatusCode::OK, Json(json!({ "status": status, "answer": answer }))))
}

/// A POST to the function app, as an operator with the function's key makes it.
async fn call(shared: &Shared, request: &Value) -> Result<(u16, Value), Refused> {
    let app = shared.app.as_ref().ok_or_else(|| Refused::conflict("no function app runs in this sandbox"))?;
    let gateway = |error: reqwest::Error| {
        Refused::new(StatusCode::BAD_GATEWAY, "noAnswer", format!("trigger-journey did not answer: {error}"))
    };
    let url = format!("{app}api/trigger-journey");
    let reply = shared.client.post(url).header("x-functions-key", FUNCTION_KEY).json(request).send().await;
    let reply = reply.map_err(gateway)?;
    let status = reply.status().as_u16();
    // A host that lost its handler answers without a body.
    let text = reply.text().await.map_err(gateway)?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// Changes the weather with one dependency.
pub(in crate::page) async fn weather(State(shared): State<Arc<Shared>>, body: Bytes) -> Done {
    let SetWeather { dependency, weather } = read(&body)?;
    shared.dial.set(dependency, weather);
    let (tone, text) = match weather {
        Setting::NoFaults => (Tone::Good, format!("{dependency} is well again.")),
        Setting::Slow => (Tone::Plain, format!("{dependency} is slow now: half a second and more for each call.")),
        Setting::Throttled => (Tone::Bad, format!("{dependency} throttles now: most calls are answered with 429.")),
        Setting::Down => (Tone::Bad, format!("{dependency} is off the network: connections are refused.")),
    };
    let now = shared.now();
    shared.board().notice(now, tone, text);
    Ok((StatusCode::OK, Json(json!({ "dependency": dependency, "weather": weather }))))
}

/// Meddles with a custom trigger, or puts it back.
pub(in crate::page) async fn trigger(State(shared): State<Arc<Shared>>, body: Bytes) -> Done {
    let SetTrigger { journey, state } = read(&body)?;
    let journey = Journey::ALL
        .into_iter()
        .find(|known| known.name() == journey)
        .ok_or_else(|| Refused::bad_request(format!("journey: there is no journey '{journey}'")))?;
    let (name, tone, text) = match state {
        TriggerState::Published => ("published", Tone::Good, "is as the app expects it again"),
        TriggerState::Unpublished => ("unpublished", Tone::Bad, "is taken out of use: calls find nothing"),
        TriggerState::Changed => {
            ("changed", Tone::Bad, "now requires an attribute that nobody sends: calls are refused for good")
        }
    };
    set_trigger(&shared, journey, state);
    let now = shared.now();
    let mut board = shared.board();
    board.meddled(journey, name);
    board.notice(now, tone, format!("The custom trigger of {journey} {text}."));
    Ok((StatusCode::OK, Json(json!({ "journey": journey, "state": name }))))
}

fn set_trigger(shared: &Shared, journey: Journey, state: TriggerState) {
    let dataverse = shared.environment.dataverse();
    let Some(mut trigger) = demo_triggers().into_iter().find(|trigger| trigger.name == journey.trigger()) else {
        return;
    };
    if matches!(state, TriggerState::Changed) {
        let name = "msdynmkt_campaigncode".to_owned();
        trigger.parameters.push(Parameter { name, kind: ParameterKind::String, optional: false });
    }
    dataverse.register_trigger(trigger);
    dataverse.set_published(journey.trigger(), !matches!(state, TriggerState::Unpublished));
}

/// Kills all handlers at whatever instruction they are.
pub(in crate::page) async fn kill(State(shared): State<Arc<Shared>>, body: Bytes) -> Done {
    let Nothing {} = read(&body)?;
    if shared.platforms.is_empty() {
        return Err(Refused::conflict("no handler runs in this sandbox"));
    }
    for platform in &shared.platforms {
        platform.replace_handler(KillScope::Process).await;
        let now = shared.now();
        shared.kills.lock().unwrap_or_else(PoisonError::into_inner).push(now);
    }
    Ok((StatusCode::OK, Json(json!({ "killed": shared.platforms.len() }))))
}
