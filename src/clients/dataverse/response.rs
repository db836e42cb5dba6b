//! Reads the responses of Dataverse. A response counts as success only if it is one that Dataverse documents.

use axum::body::Bytes;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::codes::{Meaning, classify};
use super::{ConflictKind, DataverseError};
use crate::clients::Reply;
use crate::json::read_json;

/// The body of a successful response, or the error for its status and code. `what` was requested.
pub fn expect(reply: Reply, what: &'static str) -> Result<Bytes, DataverseError> {
    if reply.status.is_success() { Ok(reply.body) } else { Err(error(&reply, what)) }
}

/// The body of a response that contains JSON.
pub fn expect_json(reply: Reply, what: &'static str) -> Result<Bytes, DataverseError> {
    match has_json(&reply) {
        true => expect(reply, what),
        false if reply.status.is_success() => Err(undocumented(&reply)),
        false => Err(error(&reply, what)),
    }
}

/// Whether the contact with this id was written: 204, or 200 or 201 with the row.
pub fn expect_written(reply: Reply, id: Uuid) -> Result<(), DataverseError> {
    let is_row = |object: &Map<String, Value>| {
        object.get("contactid").and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok()) == Some(id)
    };
    expect_documented(reply, "contact", &[StatusCode::OK, StatusCode::CREATED], is_row)
}

/// Whether an action was executed: 204, or 200 with the context of its result.
pub(super) fn expect_executed(reply: Reply, what: &'static str) -> Result<(), DataverseError> {
    expect_documented(reply, what, &[StatusCode::OK], |object| object.contains_key("@odata.context"))
}

/// Accepts 204, or one of `statuses` with a JSON object as documented. Another success comes from a gateway.
fn expect_documented(
    reply: Reply,
    what: &'static str,
    statuses: &[StatusCode],
    is_documented: impl FnOnce(&Map<String, Value>) -> bool,
) -> Result<(), DataverseError> {
    if !reply.status.is_success() {
        return Err(error(&reply, what));
    }
    let with_body = || {
        let object = statuses.contains(&reply.status) && has_json(&reply);
        object && read_json::<Map<String, Value>>(&reply.body).is_ok_and(|object| is_documented(&object))
    };
    if reply.status == StatusCode::NO_CONTENT || with_body() { Ok(()) } else { Err(undocumented(&reply)) }
}

/// Whether the body is JSON by its media type. A body without a media type is read as JSON.
fn has_json(reply: &Reply) -> bool {
    let kind = reply.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_none_or(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json"))
}

fn undocumented(reply: &Reply) -> DataverseError {
    let status = reply.status.as_u16();
    DataverseError::AnswerLost(format!("a reply with the status {status} that is not from Dataverse"))
}

/// The error of a reply.
fn error(reply: &Reply, what: &'static str) -> DataverseError {
    let code = error_code(&reply.body).unwrap_or_default();
    let property = property_name(&reply.body);
    let (meaning, why) = classify(reply.status, &code, property.is_some());
    let mut cause = format!("{} {code}", reply.status.as_u16()).trim_end().to_owned();
    if let Some(why) = why {
        cause = format!("{cause}: {why}");
    }
    if let Some(property) = property.filter(|_| meaning == Meaning::Invalid) {
        cause = format!("{cause}; look at {property}");
    }
    let conflict = |kind| DataverseError::Conflict { kind, cause: cause.clone() };
    match meaning {
        Meaning::Conflict => conflict(ConflictKind::Unknown),
        Meaning::IdTaken => conflict(ConflictKind::IdTaken),
        Meaning::KeyTaken => conflict(ConflictKind::KeyTaken),
        Meaning::Stale => conflict(ConflictKind::Stale),
        Meaning::Missing => DataverseError::NotFound { what, cause },
        Meaning::Denied => DataverseError::Denied(cause),
        Meaning::Unavailable => DataverseError::Unavailable { cause, retry_after: reply.retry_after },
        Meaning::Failed => DataverseError::Failed(cause),
        Meaning::Invalid => DataverseError::Refused(cause),
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    code: String,
    #[serde(default)]
    message: String,
}

/// `error.code` of a Dataverse error body. `None` if the body is not one.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    let ErrorBody { error } = read_json(body).ok()?;
    let safe: String = error
        .code
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || "_.".contains(*character))
        .take(60)
        .collect();
    Some(safe)
}

/// What precedes the quoted name of a column or parameter in the messages of Dataverse.
const BEFORE_NAME: [&str; 6] =
    ["length of the '", "property named '", "property '", "parameter '", "value of '", "in field '"];

/// The column or parameter in the message of an error. Messages may contain personal data; names do not.
pub(crate) fn property_name(body: &[u8]) -> Option<String> {
    let ErrorBody { error } = read_json(body).ok()?;
    let message = error.message;
    BEFORE_NAME.iter().find_map(|before| {
        let name = message.split_once(before)?.1.split_once('\'')?.0;
        let is_name = !name.is_empty()
            && name.len() <= 100
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
        is_name.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue};

    use super::*;

    fn reply(status: u16, kind: Option<&'static str>, body: &'static str) -> Reply {
        let headers =
            kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind))).into_iter().collect::<HeaderMap>();
        Reply::new(StatusCode::from_u16(status).unwrap(), headers, body.as_bytes().into(), chrono::Utc::now())
    }

    fn error(status: u16, body: &'static str) -> DataverseError {
        expect(reply(status, None, body), "contact").unwrap_err()
    }

    #[test]
    fn statuses_and_codes_map_to_errors() {
        let throttled = r#"{"error":{"code":"0x80072322","message":"Number of requests exceeded the limit of 6000"}}"#;
        assert!(
            matches!(error(429, throttled), DataverseError::Unavailable { cause, .. } if cause.starts_with("429 0x80072322"))
        );
        assert!(matches!(error(503, "<html>"), DataverseError::Unavailable { .. }));
        assert!(matches!(error(401, ""), DataverseError::Denied(_)));
        assert!(matches!(error(403, ""), DataverseError::Denied(_)));
        assert!(matches!(
            error(404, r#"{"error":{"code":"","message":"contact With Id = 1 Does Not Exist"}}"#),
            DataverseError::NotFound { .. }
        ));
        let duplicate =
            r#"{"error":{"code":"0x80040237","message":"A record with matching key values already exists."}}"#;
        assert!(matches!(error(412, duplicate), DataverseError::Conflict { kind: ConflictKind::IdTaken, .. }));
        let unnamed = r#"{"error":{"code":"0x0","message":"ann@example.com is too long"}}"#;
        assert!(matches!(error(400, unnamed), DataverseError::Failed(cause) if cause == "400 0x0"));
    }

    #[test]
    fn a_final_error_names_the_column_and_no_value() {
        let refused = error(
            400,
            r#"{"error":{"code":"0x80044331","message":"The length of the 'lastname' attribute exceeded '50': 'Ann'."}}"#,
        );
        assert!(matches!(&refused, DataverseError::Refused(cause) if cause.ends_with("look at lastname")), "{refused}");
        let value = r#"{"error":{"code":"0x80040203","message":"The value of 'Ann Smith' is wrong."}}"#;
        assert!(!error(400, value).to_string().contains("Ann"));
    }

    #[test]
    fn only_documented_replies_are_a_success() {
        let id = Uuid::from_u128(7);
        let row = r#"{"@odata.context":"x","contactid":"00000000-0000-0000-0000-000000000007"}"#;
        let written = |status, kind, body| expect_written(reply(status, kind, body), id);
        assert!(written(204, None, "").is_ok());
        assert!(written(201, Some("application/json; odata.metadata=minimal"), row).is_ok());
        for (status, kind, body) in [
            (200, Some("text/html"), "<html>"),
            (200, Some("application/json"), r#"{"contactid":"00000000-0000-0000-0000-000000000008"}"#),
            (200, None, ""),
            (202, None, ""),
        ] {
            assert!(matches!(written(status, kind, body), Err(DataverseError::AnswerLost(_))), "{status} {body}");
        }
        let executed = |status, kind, body| expect_executed(reply(status, kind, body), "custom trigger");
        assert!(executed(204, None, "").is_ok());
        assert!(executed(200, Some("application/json"), r#"{"@odata.context":"x"}"#).is_ok());
        assert!(matches!(executed(200, Some("text/html"), "<html>"), Err(DataverseError::AnswerLost(_))));
        assert!(matches!(executed(200, Some("application/json"), "{}"), Err(DataverseError::AnswerLost(_))));
        assert!(matches!(
            expect_json(reply(200, Some("text/html"), "<html>"), "contact table"),
            Err(DataverseError::AnswerLost(_))
        ));
    }
}
