//! The actions of the page. They use the same ways as in production: sales go through the shop, replays through the
//! function app's own HTTP function, and faults through the network.

mod faults;
mod operations;
mod shopping;

use axum::Json;
use axum::body::Bytes;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use self::faults::{kill, set_faults, set_trigger};
pub(super) use self::operations::{dismiss, redrive, replay};
pub(super) use self::shopping::{bulk_order, shop};
use super::api_error::ApiError;

/// The result of an action.
type ActionResult = Result<(StatusCode, Json<Value>), ApiError>;

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("the request body is not valid: {error}")))
}
