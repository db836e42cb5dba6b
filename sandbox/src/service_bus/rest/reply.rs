//! Replies and errors in the format of Service Bus.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::super::{EntityNotFound, SendError};
use crate::auth::TokenError;

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ErrorReply {
    pub(super) status: StatusCode,
    pub(super) detail: String,
}

impl ErrorReply {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn bad_header(name: &str, value: &str) -> Self {
        Self::bad(format!("The value '{value}' of the HTTP header '{name}' is invalid."))
    }

    /// The reply: `<Error><Code>…</Code><Detail>… TrackingId:…, SystemTracker:…, Timestamp:…</Detail></Error>`.
    pub(super) fn reply(&self, path: &str, now: DateTime<Utc>) -> Response {
        let body = format!(
            "<Error><Code>{}</Code><Detail>{} TrackingId:{}_G0, SystemTracker:{}, Timestamp:{}</Detail></Error>",
            self.status.as_u16(),
            escape(&self.detail),
            Uuid::new_v4(),
            escape(path),
            now.to_rfc3339_opts(SecondsFormat::Secs, false).trim_end_matches("+00:00"),
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let xml = HeaderValue::from_static("application/xml; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, xml);
        response
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl From<EntityNotFound> for ErrorReply {
    /// The reference documents 410, not 404, for an entity that does not exist.
    fn from(error: EntityNotFound) -> Self {
        Self::new(StatusCode::GONE, format!("40400: {error}."))
    }
}

impl From<SendError> for ErrorReply {
    fn from(error: SendError) -> Self {
        match error {
            SendError::EntityNotFound => EntityNotFound.into(),
            SendError::TooLarge { .. } => Self::new(StatusCode::FORBIDDEN, format!("{error}.")),
            SendError::Invalid(_) => Self::bad(format!("{error}.")),
        }
    }
}

impl From<TokenError> for ErrorReply {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Missing => "MissingToken",
            TokenError::Malformed => "MalformedToken",
            TokenError::Expired => "ExpiredToken",
            TokenError::WrongAudience => "InvalidAudience",
            TokenError::Forged => "InvalidSignature",
        };
        Self::new(StatusCode::UNAUTHORIZED, format!("{code}: {error}."))
    }
}
