//! The page's routes.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};

use super::api_error::ApiError;
use super::dashboard::EventFilter;
use super::guard::{self, Guard};
use super::state::PageState;
use super::{actions, assets, stream};

pub(super) fn router(state: Arc<PageState>, port: u16) -> Router {
    Router::new()
        .merge(assets::router())
        .route("/api/snapshot", get(snapshot))
        .route("/api/stream", get(stream::serve))
        .route("/api/events", get(events))
        .route("/api/events/{number}", get(event))
        .route("/api/shop", post(actions::shop))
        .route("/api/bulk-orders", post(actions::bulk_order))
        .route("/api/replay", post(actions::replay))
        .route("/api/dismiss", post(actions::dismiss))
        .route("/api/redrive", post(actions::redrive))
        .route("/api/faults", post(actions::set_faults))
        .route("/api/trigger", post(actions::set_trigger))
        .route("/api/kill", post(actions::kill))
        .fallback(|| async { ApiError::not_found("this path does not exist") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrongMethod", "this path does not support the method")
        })
        .with_state(state)
        .layer(middleware::from_fn_with_state(Guard(port), guard::check))
}

/// The whole dashboard, like the first frame of the stream.
async fn snapshot(State(state): State<Arc<PageState>>) -> Response {
    state.collect();
    let frame = state.dashboard().frame(None, state.now());
    uncached(Json(frame))
}

/// The newest events that match a filter.
async fn events(
    State(state): State<Arc<PageState>>,
    filter: Result<Query<EventFilter>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(filter) = filter.map_err(|error| ApiError::bad_request(error.body_text()))?;
    Ok(uncached(Json(state.dashboard().search(&filter))))
}

/// The details of one event.
async fn event(State(state): State<Arc<PageState>>, Path(number): Path<String>) -> Result<Response, ApiError> {
    let number = number.parse().map_err(|_| ApiError::bad_request("an event number is a whole number from 1"))?;
    // Collects first, so that everything that a record reports is included.
    state.collect();
    let details = state.dashboard().details(number, &state.environment);
    details
        .map(|details| uncached(Json(details)))
        .ok_or_else(|| ApiError::not_found(format!("there is no event {number} yet")))
}

fn uncached(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
