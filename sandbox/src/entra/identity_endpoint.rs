//! The App Service identity endpoint, version 2019-08-01.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Entra;
use crate::urlencoded;

/// `GET /msi/token?resource=…&api-version=2019-08-01`.
///
/// App Service returns one cached token for a day. Here every call returns a new one.
pub(super) async fn token(State(entra): State<Entra>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let _hold = entra.inner.clock.hold();
    let query = urlencoded::pairs(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let secret = headers.get("X-IDENTITY-HEADER").and_then(|value| value.to_str().ok());
    let resource = resource(&entra, &query, secret);
    if let Some(message) = resource.ok().and_then(|resource| entra.unknown_resource(resource)) {
        let message = format!("AADSTS500011: {message}");
        return (StatusCode::BAD_REQUEST, Json(json!({ "statusCode": 400, "message": message }))).into_response();
    }
    match resource {
        Ok(resource) => granted(&entra, resource),
        // The documentation has no error body. The client libraries expect this structure.
        Err((status, message)) => {
            (status, Json(json!({ "statusCode": status.as_u16(), "message": message }))).into_response()
        }
    }
}

type ErrorReply = (StatusCode, &'static str);

fn resource<'a>(entra: &Entra, query: &'a [(String, String)], secret: Option<&str>) -> Result<&'a str, ErrorReply> {
    let identity = &entra.inner.managed_identity;
    if secret != Some(identity.header.as_str()) {
        return Err((StatusCode::UNAUTHORIZED, "The X-IDENTITY-HEADER header is missing or wrong."));
    }
    if urlencoded::value(query, "api-version") != Some("2019-08-01") {
        return Err((StatusCode::BAD_REQUEST, "The api-version is missing or not supported."));
    }
    let by_client_id = urlencoded::value(query, "client_id").is_none_or(|id| id == identity.client_id);
    let otherwise = ["principal_id", "object_id", "mi_res_id"].iter().any(|n| urlencoded::value(query, n).is_some());
    if !by_client_id || otherwise {
        return Err((StatusCode::BAD_REQUEST, "No managed identity was found for the specified id."));
    }
    let resource = urlencoded::value(query, "resource").filter(|resource| !resource.is_empty());
    resource.ok_or((StatusCode::BAD_REQUEST, "The resource parameter is required."))
}

fn granted(entra: &Entra, resource: &str) -> Response {
    let client_id = &entra.inner.managed_identity.client_id;
    let (token, expires_on) = entra.issue(client_id, resource);
    Json(json!({
        "access_token": token,
        "expires_on": expires_on.to_string(),
        "resource": resource,
        "token_type": "Bearer",
        "client_id": client_id,
    }))
    .into_response()
}
