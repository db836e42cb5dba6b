//! The responses of `trigger-journey`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::store::StoreError;
use crate::events::{Reason, ReasonCode, Record};
use crate::functions::start_error::StartError;

/// The response to the caller.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status. 200 only if the request is completely fulfilled.
    pub status: u16,
    /// The JSON body.
    pub body: Value,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// A completely fulfilled request.
    pub fn ok(body: Value) -> Self {
        Self { status: 200, body, retry_after: None }
    }

    /// Adds fields to the body.
    pub(super) fn add(&mut self, fields: Value) {
        if let (Value::Object(body), Value::Object(fields)) = (&mut self.body, fields) {
            body.extend(fields);
        }
    }

    /// The request cannot be fulfilled, through no fault of the caller.
    pub fn internal_error(message: &str) -> Self {
        error(500, "internalError", message)
    }
}

pub(super) fn error(status: u16, code: &str, message: impl Into<String>) -> Answer {
    Answer { status, body: json!({"error": {"code": code, "message": message.into()}}), retry_after: None }
}

pub(super) fn bad_request(message: impl Into<String>) -> Answer {
    error(400, "badRequest", message)
}

pub(super) fn retry_later(reason: &Reason, retry_after: Option<Duration>) -> Answer {
    let status = if reason.code == ReasonCode::InProgress { 409 } else { 503 };
    let retry_after = Some(retry_after.unwrap_or(Duration::from_secs(10)));
    Answer { retry_after, ..error(status, &reason.code.to_string(), &reason.detail) }
}

/// Cosmos DB does not answer as it should.
pub(super) fn store_error(error: &StoreError) -> Answer {
    retry_later(&Reason::new(ReasonCode::StoreUnavailable, error.to_string()), None)
}

/// The error of a start.
pub(super) fn error_of(cause: StartError) -> Answer {
    match cause {
        StartError::Permanent { reason, .. } => error(422, &reason.code.to_string(), reason.detail),
        StartError::Transient { reason, retry_after, .. } => retry_later(&reason, retry_after),
    }
}

/// The state of an event, as every answer about one event contains it.
pub(super) fn event_fields(record: &Record) -> Value {
    json!({
        "eventId": record.id(), "eventChannelId": record.event().channel_id, "status": record.status(),
        "contactId": record.contact_id(), "journeys": record.journeys(), "reason": record.reason(),
        "scheduledFor": record.scheduled_for() })
}
