//! The page's paths.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::json;

use super::guard::{self, Guard};
use super::{Shared, actions, assets, stream};

/// An answer that is no success: status, a code for programs and words for people.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "badRequest", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "notFound", message)
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": { "code": self.code, "message": self.message } }))).into_response()
    }
}

pub(super) fn router(shared: Arc<Shared>, port: u16) -> Router {
    Router::new()
        .merge(assets::router())
        .route("/api/snapshot", get(snapshot))
        .route("/api/stream", get(stream::serve))
        .route("/api/events/{number}", get(event))
        .route("/api/shop", post(actions::shop))
        .route("/api/crowd", post(actions::crowd))
        .route("/api/replay", post(actions::replay))
        .route("/api/redrive", post(actions::redrive))
        .route("/api/weather", post(actions::weather))
        .route("/api/trigger", post(actions::trigger))
        .route("/api/kill", post(actions::kill))
        .fallback(|| async { Refused::not_found("there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Refused::new(StatusCode::METHOD_NOT_ALLOWED, "wrongMethod", "this path is asked in another way")
        })
        .with_state(shared)
        .layer(middleware::from_fn_with_state(Guard(port), guard::check))
}

/// Everything there is to show: what the stream sends first, as a whole.
async fn snapshot(State(shared): State<Arc<Shared>>) -> Response {
    shared.take_in();
    let frame = shared.board().frame(None, shared.now());
    uncached(Json(frame))
}

/// All that is known of one event.
async fn event(State(shared): State<Arc<Shared>>, Path(number): Path<String>) -> Result<Response, Refused> {
    let number = number.parse().map_err(|_| Refused::bad_request("an event has a number, counted from 1"))?;
    // What a record tells of has then been taken in.
    shared.take_in();
    let story = shared.board().story(number, &shared.environment);
    story
        .map(|story| uncached(Json(story)))
        .ok_or_else(|| Refused::not_found(format!("there is no event {number} yet")))
}

fn uncached(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
