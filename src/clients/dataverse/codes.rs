//! What the error replies of Dataverse mean for a caller. The functions, `check` and `sync-contacts` use this table.
//!
//! Names and codes are from Microsoft's page "Web service error codes (Microsoft Dataverse)", unless a line names another
//! source. A code that is not in the table is never final: its status decides, and a retry is limited by `RetryHorizon`.

use reqwest::StatusCode;

/// What an error reply means for the caller. In each case the request had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A row with this id exists, or the row has changed: the reply does not say which.
    Conflict,
    /// A row with this id exists.
    IdTaken,
    /// Another row, possibly an inactive one, has a value that must be unique.
    KeyTaken,
    /// The row has changed since it was read.
    Stale,
    /// The row, table, column or action does not exist.
    Missing,
    /// Our identity is rejected, or a privilege is missing.
    Denied,
    /// It is not available, or it throttles.
    Unavailable,
    /// A plug-in, the database or something unknown has failed. It may succeed later.
    Failed,
    /// The data is wrong. The same request can never succeed.
    Invalid,
}

/// A code, its meaning, and the explanation for an operator.
type Entry = (&'static str, Meaning, &'static str);

const CODES: [Entry; 28] = [
    // DuplicateRecord: also the reply to If-None-Match (page "Perform conditional operations using the Web API").
    ("0x80040237", Meaning::IdTaken, "a row with this id exists"),
    // DuplicateRecordEntityKey.
    ("0x80060892", Meaning::KeyTaken, "another row has the value of an alternate key"),
    // CrmSQLUniqueIndexOrConstraintViolation.
    ("0x80073002", Meaning::KeyTaken, "another row has a value that must be unique"),
    // DuplicateRecordsFound (page "Detect duplicate data using the Web API").
    ("0x80040333", Meaning::KeyTaken, "a duplicate detection rule found another row"),
    // ConcurrencyVersionMismatch.
    ("0x80060882", Meaning::Stale, "the row has changed"),
    // ObjectDoesNotExist.
    ("0x80040217", Meaning::Missing, "the row does not exist"),
    // The reply to an unknown entity set, function or action.
    ("0x8006088a", Meaning::Missing, "the table or action does not exist"),
    // CustomApiNotFound.
    ("0x80048841", Meaning::Missing, "the action does not exist"),
    // PrivilegeDenied.
    ("0x80040220", Meaning::Denied, "a privilege is missing"),
    // "The user is not a member of the organization."
    ("0x80072560", Meaning::Denied, "the environment has no such application user"),
    // Page "Service protection API limits", for this code and the next two.
    ("0x80072322", Meaning::Unavailable, "too many requests"),
    ("0x80072321", Meaning::Unavailable, "too much execution time"),
    ("0x80072326", Meaning::Unavailable, "too many concurrent requests"),
    // UnExpected.
    ("0x80040216", Meaning::Unavailable, "an unexpected error"),
    // CrmSqlGovernorDatabaseRequestDenied.
    ("0x8004a001", Meaning::Unavailable, "the database is busy"),
    // DataEngineQueryThrottling.
    ("0x80048544", Meaning::Unavailable, "the database throttles queries"),
    // IsvAborted: the plug-in's own refusal, or a remote failure that it wraps.
    ("0x80040265", Meaning::Failed, "a plug-in stopped the request; its trace log says why"),
    // IsvUnExpected.
    ("0x80040224", Meaning::Failed, "a plug-in failed; its trace log says why"),
    // Page "Bulk operation errors" of the troubleshooting guide, for this code and the next two.
    ("0x80044150", Meaning::Failed, "an error of the database"),
    ("0x80044151", Meaning::Failed, "a time-out of the database"),
    ("0x80040255", Meaning::Failed, "the transaction was rolled back"),
    // CrmSQLNetworkingError.
    ("0x80073000", Meaning::Failed, "the database could not be reached"),
    // StringLengthTooLong, CrmSQLCharLengthTooLong, StringOrBinaryTruncation.
    ("0x80044331", Meaning::Invalid, "a text is longer than its column"),
    ("0x80073001", Meaning::Invalid, "a text is longer than its column"),
    ("0x80090429", Meaning::Invalid, "a text is longer than its column"),
    // InvalidCharactersInField.
    ("0x80040278", Meaning::Invalid, "a text contains a character that XML 1.0 does not allow"),
    // InvalidArgument.
    ("0x80040203", Meaning::Invalid, "a parameter is missing or has a wrong value"),
    // The payload does not match the definition of the table or of the action (page "Troubleshoot Web API client errors").
    ("0x80048d19", Meaning::Invalid, "a column or parameter is unknown or has the wrong type"),
];

/// A reply with this code is [`Meaning::Invalid`] only if its message names a property. Dataverse uses it for much else.
const UNKNOWN_PROPERTY: &str = "0x0";

/// The meaning of an error reply, with an explanation if the code is known. `names_property` is whether its message names a
/// column or parameter.
pub(crate) fn classify(status: StatusCode, code: &str, names_property: bool) -> (Meaning, Option<&'static str>) {
    // The reply of a gateway, whatever its body is.
    let by_gateway = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let known = CODES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(code));
    match known {
        Some((_, meaning, why)) if !by_gateway => (*meaning, Some(*why)),
        Some((.., why)) => (Meaning::Unavailable, Some(*why)),
        None if code == UNKNOWN_PROPERTY && status == StatusCode::BAD_REQUEST && names_property => {
            (Meaning::Invalid, Some("a column or parameter does not exist"))
        }
        None => (by_status(status), None),
    }
}

/// The meaning of a reply without a known code. Documented statuses: page "Compose HTTP requests and handle errors".
fn by_status(status: StatusCode) -> Meaning {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Meaning::Denied,
        StatusCode::NOT_FOUND => Meaning::Missing,
        StatusCode::PRECONDITION_FAILED => Meaning::Conflict,
        // The request is larger than the limit. It does not become smaller.
        StatusCode::PAYLOAD_TOO_LARGE => Meaning::Invalid,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Meaning::Unavailable,
        // A redirect is not followed. It comes from a gateway or a maintenance page.
        _ if status.is_server_error() || status.is_redirection() => Meaning::Unavailable,
        _ => Meaning::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn meaning(status: u16, code: &str) -> Meaning {
        classify(StatusCode::from_u16(status).unwrap(), code, false).0
    }

    #[test]
    fn every_code_is_listed_once() {
        let codes: BTreeSet<&str> = CODES.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes.len(), CODES.len());
        assert!(codes.iter().all(|code| **code == code.to_lowercase()), "{codes:?}");
    }

    #[test]
    fn the_code_decides_before_the_status() {
        assert_eq!(meaning(412, "0x80040237"), Meaning::IdTaken);
        assert_eq!(meaning(412, "0x80060892"), Meaning::KeyTaken);
        assert_eq!(meaning(412, "0x80060882"), Meaning::Stale);
        assert_eq!(meaning(412, ""), Meaning::Conflict);
        assert_eq!(meaning(400, "0x80060892"), Meaning::KeyTaken);
        assert_eq!(meaning(500, "0x80044331"), Meaning::Invalid);
        assert_eq!(meaning(503, "0x80044331"), Meaning::Unavailable);
    }

    #[test]
    fn only_codes_about_the_data_are_final() {
        for code in ["0x80040265", "0x80044151", "0x80044172", "0x80041d1f", "", "0x0"] {
            assert_eq!(meaning(400, code), Meaning::Failed, "{code}");
        }
        assert_eq!(meaning(302, ""), Meaning::Unavailable);
        assert_eq!(meaning(400, "0x80044331"), Meaning::Invalid);
        assert_eq!(classify(StatusCode::BAD_REQUEST, "0x0", true).0, Meaning::Invalid);
    }
}
