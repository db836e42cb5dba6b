//! Reads the responses of the Scale Unit.

use axum::body::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::CommerceError;
use crate::clients::Reply;
use crate::json::{JsonError, read_json};

/// The rows of a search response, each as text.
pub fn read_events(reply: &[u8]) -> Result<Vec<Box<RawValue>>, JsonError> {
    #[derive(Deserialize)]
    struct Found {
        value: Vec<Box<RawValue>>,
    }
    read_json::<Found>(reply).map(|found| found.value)
}

/// The entity in a response. `what` was requested.
pub(super) fn entity(reply: Reply, what: &'static str) -> Result<Box<RawValue>, CommerceError> {
    // OData returns 204 for an entity that is null.
    if reply.status == StatusCode::NO_CONTENT || reply.body.as_ref() == b"null" {
        return Err(CommerceError::NotFound(what));
    }
    let body = expect(reply, what)?;
    let value: Box<RawValue> = read_json(&body)?;
    if value.get().starts_with('{') {
        Ok(value)
    } else {
        Err(CommerceError::Unreadable(format!("the {what} is not an object")))
    }
}

/// The body of a successful response, or the error for its status and its name.
pub(super) fn expect(reply: Reply, what: &'static str) -> Result<Bytes, CommerceError> {
    if reply.status.is_success() {
        return Ok(reply.body);
    }
    let name = error_name(&reply.body);
    let cause = format!("{} {name}", reply.status.as_u16()).trim_end().to_owned();
    if name.contains("ObjectNotFound") || name.contains("CartNotFound") || reply.status == StatusCode::NOT_FOUND {
        return Err(CommerceError::NotFound(what));
    }
    if reply.is_transient() || name.ends_with("StorageRequestTimeout") {
        return Err(CommerceError::Unavailable { cause, retry_after: reply.retry_after });
    }
    if matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return Err(CommerceError::Denied(cause));
    }
    Err(CommerceError::Refused(cause))
}

/// The name of the error. Error bodies differ between versions, but each contains the name.
pub(crate) fn error_name(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Some(start) = text.find("Microsoft_Dynamics_") else { return String::new() };
    text[start..]
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &'static str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            headers: Default::default(),
            body: body.as_bytes().into(),
        }
    }

    #[test]
    fn responses_map_to_errors() {
        let not_found = r#"{"ErrorResourceId":"Microsoft_Dynamics_Commerce_Runtime_ObjectNotFound"}"#;
        let denied = r#"{"error":{"code":"Microsoft_Dynamics_Commerce_Runtime_AuthorizationFailed"}}"#;
        assert!(matches!(entity(reply(404, ""), "order"), Err(CommerceError::NotFound("order"))));
        assert!(matches!(entity(reply(400, not_found), "order"), Err(CommerceError::NotFound(_))));
        assert!(matches!(entity(reply(204, ""), "order"), Err(CommerceError::NotFound(_))));
        assert!(matches!(entity(reply(403, denied), "order"), Err(CommerceError::Denied(_))));
        assert!(matches!(entity(reply(503, ""), "order"), Err(CommerceError::Unavailable { .. })));
        assert!(matches!(entity(reply(429, ""), "order"), Err(CommerceError::Unavailable { .. })));
        assert!(matches!(entity(reply(302, ""), "order"), Err(CommerceError::Unavailable { .. })));
        assert!(matches!(entity(reply(400, "{}"), "order"), Err(CommerceError::Refused(_))));
        assert!(matches!(entity(reply(200, r#"{"Id":"#), "order"), Err(CommerceError::Unreadable(_))));
        assert!(matches!(entity(reply(200, "[]"), "order"), Err(CommerceError::Unreadable(_))));
        assert_eq!(entity(reply(200, r#"{"Id":1.50}"#), "order").unwrap().get(), r#"{"Id":1.50}"#);
    }
}
