//! What can be done from the page. Everything goes the way it would go in life: sales through the shop, replays
//! through the function app's own HTTP function, weather through the wire.

mod operate;
mod shopping;

use axum::Json;
use axum::body::Bytes;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use self::operate::{kill, redrive, replay, trigger, weather};
pub(super) use self::shopping::{crowd, shop};
use super::routes::Refused;

/// What became of an action.
type Done = Result<(StatusCode, Json<Value>), Refused>;

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused::bad_request(format!("the body is not a request: {error}")))
}
