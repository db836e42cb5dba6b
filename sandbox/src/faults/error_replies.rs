//! Error replies in each dependency's own format.

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;

use crate::network::{Dependency, ErrorReply};

const CONTENT_TYPE: &str = "content-type";
const RETRY_AFTER: &str = "retry-after";

/// Too many requests (429). Dataverse: "Service protection API limits"; Cosmos DB: "HTTP status codes" (sub-status 3200).
/// The formats of Service Bus and the Scale Unit are not confirmed; they answer like gateways here.
pub(super) fn throttled(dependency: Dependency, rng: &mut StdRng, now: DateTime<Utc>) -> ErrorReply {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let seconds = rng.random_range(1..=3);
    match dependency {
        Dependency::Dataverse => {
            let (code, message) = if rng.random_bool(0.5) {
                ("0x80072322", "Number of requests exceeded the limit of 6000 over time window of 300 seconds.")
            } else {
                ("0x80072326", "Number of concurrent requests exceeded the limit of 52.")
            };
            with_retry_after(dataverse(status, code, message), seconds, rng, now)
        }
        Dependency::Cosmos => cosmos(status, 3200, "Request rate is large. More Request Units may be needed.")
            .with("x-ms-retry-after-ms", rng.random_range(20..=1500).to_string()),
        Dependency::ServiceBus => {
            let detail = "The request was terminated because the entity is being throttled. Error code: 50009.";
            with_retry_after(service_bus(status, detail), seconds, rng, now)
        }
        Dependency::Commerce | Dependency::Entra => with_retry_after(ErrorReply::bare(status), seconds, rng, now),
    }
}

/// Service unavailable (503): the request had no effect.
pub(super) fn unavailable(dependency: Dependency, rng: &mut StdRng, now: DateTime<Utc>) -> ErrorReply {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let error = match dependency {
        Dependency::Cosmos => return cosmos(status, 21_008, "Service is currently unavailable."),
        Dependency::ServiceBus => service_bus(status, "The service was unable to process the request."),
        Dependency::Entra => json_error(status, json!({ "error": "temporarily_unavailable", "error_codes": [90_033] })),
        Dependency::Commerce | Dependency::Dataverse => ErrorReply::bare(status),
    };
    if rng.random_bool(0.3) { with_retry_after(error, 1, rng, now) } else { error }
}

/// Server error (500). In Dataverse's own format it means that the request had no effect. Without a body it is unknown.
pub(super) fn server_error(dependency: Dependency, rng: &mut StdRng) -> ErrorReply {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    match dependency {
        Dependency::Dataverse if rng.random_bool(0.5) => {
            dataverse(status, "0x80040216", "An unexpected error occurred.")
        }
        Dependency::Cosmos => cosmos(status, 0, "Unknown server error occurred when processing this request."),
        Dependency::ServiceBus => service_bus(status, "The server was unable to process the request."),
        _ => ErrorReply::bare(status),
    }
}

/// Bad gateway or gateway time-out (502, 504). The gateway does not know the result of the request.
pub(super) fn gateway(rng: &mut StdRng) -> ErrorReply {
    ErrorReply::bare(if rng.random_bool(0.5) { StatusCode::BAD_GATEWAY } else { StatusCode::GATEWAY_TIMEOUT })
}

/// Access is denied (401 or 403). A request has no effect until an administrator corrects that. The text of the Scale Unit
/// is not confirmed.
pub(super) fn denied(dependency: Dependency) -> ErrorReply {
    let forbidden = StatusCode::FORBIDDEN;
    match dependency {
        Dependency::Entra => {
            json_error(StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client", "error_codes": [7_000_215] }))
        }
        Dependency::Commerce => ErrorReply::bare(forbidden),
        Dependency::Cosmos => cosmos(forbidden, 5300, "The principal does not have the required RBAC permissions."),
        Dependency::ServiceBus => {
            let detail = "40100: Unauthorized : Unauthorized access for this operation.";
            service_bus(StatusCode::UNAUTHORIZED, detail)
        }
        Dependency::Dataverse => dataverse(forbidden, "0x80040220", "Principal user is missing a privilege."),
    }
}

/// A failure of a plug-in or of the database (400), although the request is right. Codes: "Web service error codes" and
/// "Bulk operation errors".
pub(super) fn plug_in(rng: &mut StdRng) -> ErrorReply {
    let (code, message) = match rng.random_range(0..3) {
        0 => ("0x80040265", "The remote server returned an error: (500) Internal Server Error."),
        1 => ("0x80044151", "SQL timeout expired."),
        _ => ("0x80040224", "An unexpected error occurred from ISV code."),
    };
    dataverse(StatusCode::BAD_REQUEST, code, message)
}

/// Adds `Retry-After` in one of the two formats of RFC 9110, 10.2.3.
fn with_retry_after(error: ErrorReply, seconds: u32, rng: &mut StdRng, now: DateTime<Utc>) -> ErrorReply {
    if rng.random_bool(0.5) {
        return error.with(RETRY_AFTER, seconds.to_string());
    }
    let date = now + TimeDelta::seconds(i64::from(seconds));
    error.with(RETRY_AFTER, date.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

fn json_error(status: StatusCode, body: serde_json::Value) -> ErrorReply {
    ErrorReply { body: body.to_string(), ..ErrorReply::bare(status) }
        .with(CONTENT_TYPE, "application/json; charset=utf-8")
}

fn dataverse(status: StatusCode, code: &str, message: &str) -> ErrorReply {
    json_error(status, json!({ "error": { "code": code, "message": message } })).with("odata-version", "4.0")
}

fn cosmos(status: StatusCode, sub_status: u32, message: &str) -> ErrorReply {
    json_error(status, json!({ "code": status.as_str(), "message": message }))
        .with("x-ms-substatus", sub_status.to_string())
        .with("x-ms-request-charge", "0")
}

fn service_bus(status: StatusCode, detail: &str) -> ErrorReply {
    let body = format!("<Error><Code>{}</Code><Detail>{detail}</Detail></Error>", status.as_u16());
    ErrorReply { body, ..ErrorReply::bare(status) }.with(CONTENT_TYPE, "application/xml; charset=utf-8")
}
