//! Reads the responses of Dataverse.

use axum::body::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;

use super::DataverseError;
use crate::clients::Reply;

/// The body of a successful response, or the error for its status. `what` was requested.
pub fn expect(reply: Reply, what: &'static str) -> Result<Bytes, DataverseError> {
    if reply.status.is_success() {
        return Ok(reply.body);
    }
    let code = error_code(&reply.body).unwrap_or_default();
    let cause = format!("{} {code}", reply.status.as_u16()).trim_end().to_owned();
    Err(match reply.status {
        _ if reply.is_transient() => DataverseError::Unavailable { cause, retry_after: reply.retry_after },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => DataverseError::Denied(cause),
        StatusCode::NOT_FOUND => DataverseError::NotFound { what, cause },
        StatusCode::PRECONDITION_FAILED => DataverseError::Conflict(cause),
        _ => DataverseError::Refused(cause),
    })
}

/// Whether Dataverse has sent a successful response: without content, or with an OData context. A proxy or a maintenance page
/// may answer 200 instead.
pub(super) fn is_from_dataverse(reply: &Reply) -> bool {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "@odata.context")]
        _context: String,
    }
    reply.status == StatusCode::NO_CONTENT || serde_json::from_slice::<Body>(&reply.body).is_ok()
}

/// The error for a successful response that is not from Dataverse.
pub(super) fn not_from_dataverse(reply: &Reply) -> DataverseError {
    let cause = format!("{} in a response that is not from Dataverse", reply.status.as_u16());
    DataverseError::Unavailable { cause, retry_after: reply.retry_after }
}

/// `error.code` of a Dataverse error body. `None` if the body is not one.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        code: String,
    }
    let Body { error } = serde_json::from_slice(body).ok()?;
    let safe: String = error
        .code
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || "_.".contains(*character))
        .take(60)
        .collect();
    Some(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_proxy_is_not_a_response_of_dataverse() {
        let reply = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            Reply::new(status, Default::default(), body.as_bytes().into(), chrono::Utc::now())
        };
        assert!(is_from_dataverse(&reply(204, "")));
        assert!(is_from_dataverse(&reply(201, r#"{"@odata.context":"x","contactid":"y"}"#)));
        for body in ["", "<html></html>", "null", "{}"] {
            assert!(!is_from_dataverse(&reply(200, body)), "{body}");
        }
    }

    fn error(status: u16, body: &'static str) -> DataverseError {
        let status = StatusCode::from_u16(status).unwrap();
        expect(Reply::new(status, Default::default(), body.as_bytes().into(), chrono::Utc::now()), "contact")
            .unwrap_err()
    }

    #[test]
    fn statuses_map_to_errors() {
        let throttled = r#"{"error":{"code":"0x80072322","message":"Number of requests exceeded the limit of 6000"}}"#;
        assert!(
            matches!(error(429, throttled), DataverseError::Unavailable { cause, .. } if cause == "429 0x80072322")
        );
        assert!(matches!(error(503, "<html>"), DataverseError::Unavailable { .. }));
        assert!(matches!(error(401, ""), DataverseError::Denied(_)));
        assert!(matches!(error(403, ""), DataverseError::Denied(_)));
        assert!(matches!(
            error(404, r#"{"error":{"code":"","message":"contact With Id = 1 Does Not Exist"}}"#),
            DataverseError::NotFound { .. }
        ));
        assert!(matches!(
            error(
                412,
                r#"{"error":{"code":"0x80040237","message":"A record with matching key values already exists."}}"#
            ),
            DataverseError::Conflict(_)
        ));
        assert!(
            matches!(error(400, r#"{"error":{"code":"0x0","message":"ann@example.com is too long"}}"#), DataverseError::Refused(cause) if cause == "400 0x0")
        );
    }
}
