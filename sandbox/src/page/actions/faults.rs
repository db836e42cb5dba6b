//! Fault injection: availability of the dependencies, custom triggers, and kills of the handler.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{ActionResult, read};
use crate::audit::Journey;
use crate::dataverse::{Parameter, ParameterKind, demo_triggers};
use crate::host::KillScope;
use crate::network::Dependency;
use crate::page::api_error::ApiError;
use crate::page::dashboard::Tone;
use crate::page::fault_controls::Availability;
use crate::page::state::PageState;

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
