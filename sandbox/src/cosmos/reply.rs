//! Replies and errors in the account's form: <https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb>.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::query::QueryError;

/// What a request is answered with.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) charge: f64,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn new(status: StatusCode, charge: f64, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), charge, body: body.into() }
    }

    pub(super) fn json(status: StatusCode, charge: f64, body: &Value) -> Self {
        Self::new(status, charge, body.to_string())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let fixed = [
            ("content-type", "application/json".to_owned()),
            ("x-ms-activity-id", Uuid::new_v4().to_string()),
            ("x-ms-request-charge", format!("{:.2}", self.charge)),
            ("x-ms-gatewayversion", "version=sandbox".to_owned()),
            ("x-ms-serviceversion", "version=sandbox".to_owned()),
        ];
        for (name, value) in fixed.into_iter().chain(self.headers) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServiceError {
    pub(super) status: StatusCode,
    pub(super) sub_status: u32,
    pub(super) message: String,
    /// The query plan that comes with sub-status 1004.
    pub(super) plan: Option<Value>,
}

pub(super) type ServiceResult<T> = Result<T, ServiceError>;

impl ServiceError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, sub_status: 0, message: message.into(), plan: None }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Entity with the specified id does not exist in the system.")
    }

    pub(super) fn conflict() -> Self {
        Self::new(StatusCode::CONFLICT, "Entity with the specified id already exists in the system.")
    }

    pub(super) fn precondition_failed() -> Self {
        let message = "Operation cannot be performed because one of the specified precondition is not met.";
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request size is too large.")
    }

    pub(super) fn with_sub_status(self, sub_status: u32) -> Self {
        Self { sub_status, ..self }
    }

    /// The error's name in the body.
    fn code(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Gone",
            412 => "PreconditionFailed",
            413 => "RequestEntityTooLarge",
            424 => "FailedDependency",
            501 => "NotImplemented",
            _ => "InternalServerError",
        }
    }

    pub(super) fn into_reply(self, charge: f64) -> Reply {
        let mut body = json!({ "code": self.code(), "message": self.message });
        if let Some(plan) = &self.plan {
            body["additionalErrorInfo"] = plan.to_string().into();
        }
        Reply::json(self.status, charge, &body).with("x-ms-substatus", self.sub_status)
    }
}

impl From<QueryError> for ServiceError {
    fn from(error: QueryError) -> Self {
        Self::bad_request(format!("Message: {}", error.to_message()))
    }
}
