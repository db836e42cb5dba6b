//! The faults of the enumeration.

use std::fmt;

use reqwest::StatusCode;
use sandbox::network::{Dependency, ErrorReply, FaultAction};
use serde_json::json;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is accepted and never answered, without its effect.
    Hang,
    /// It has its effect and is never answered.
    HangAfter,
    /// Its connection is refused.
    Refused,
    ResetBefore,
    ResetAfter,
    /// The reply ends in the middle.
    Truncated,
    /// 200 with an HTML page.
    Html,
    /// 200 with `null`.
    Null,
    Redirect,
    /// This status, in the dependency's own format.
    Status(u16),
    /// This status without a body.
    Bare(u16),
    /// 429 with `Retry-After`.
    Throttled,
}

impl Fault {
    pub(crate) const ALL: [Self; 23] = [
        Self::Hang,
        Self::HangAfter,
        Self::Refused,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::Truncated,
        Self::Html,
        Self::Null,
        Self::Redirect,
        Self::Status(400),
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(409),
        Self::Status(412),
        Self::Status(413),
        Self::Status(429),
        Self::Throttled,
        Self::Status(500),
        Self::Bare(500),
        Self::Status(503),
        Self::Bare(503),
        Self::Bare(504),
    ];

    /// The column of the table.
    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Hang | Self::ResetBefore => "no answer",
            Self::HangAfter | Self::ResetAfter | Self::Truncated => "answer lost",
            Self::Html | Self::Null => "nonsense",
            Self::Redirect => "302",
            Self::Status(401 | 403) => "401, 403",
            Self::Status(404) => "404",
            Self::Status(409 | 412) => "409, 412",
            Self::Status(429) | Self::Throttled => "429",
            Self::Status(400 | 413) => "400, 413",
            Self::Status(_) | Self::Bare(_) => "5xx",
        }
    }

    /// Whether the caller waits for its time-out.
    pub(crate) fn hangs(self) -> bool {
        matches!(self, Self::Hang | Self::HangAfter)
    }

    /// The fault that ends like this one, and at once: to the caller, a broken connection is a time-out that takes no time.
    pub(crate) fn without_wait(self) -> Self {
        match self {
            Self::Hang => Self::ResetBefore,
            Self::HangAfter => Self::ResetAfter,
            other => other,
        }
    }

    /// What happens to a request to `dependency`. A refused connection is not an action: there is no request.
    pub(crate) fn action(self, dependency: Dependency) -> FaultAction {
        let status = |code: u16| StatusCode::from_u16(code).unwrap();
        FaultAction::Refuse(match self {
            Self::Refused => return FaultAction::Serve,
            Self::Hang => return FaultAction::Hang,
            Self::HangAfter => return FaultAction::HangAfter,
            Self::ResetBefore => return FaultAction::ResetBefore,
            Self::ResetAfter => return FaultAction::ResetAfter,
            Self::Truncated => return FaultAction::TruncateReply,
            Self::Html => ErrorReply::html_page(),
            Self::Null => ErrorReply::null(),
            Self::Redirect => ErrorReply::redirect(),
            Self::Status(code) => error(dependency, status(code)),
            Self::Bare(code) => ErrorReply { body: String::new(), ..ErrorReply::bare(status(code)) },
            Self::Throttled => {
                let error = error(dependency, StatusCode::TOO_MANY_REQUESTS);
                // The SDK of Cosmos DB waits in real time.
                error.with("retry-after", "30").with("x-ms-retry-after-ms", "50")
            }
        })
    }
}

/// The columns of the table.
pub(crate) const GROUPS: [&str; 11] =
    ["no answer", "refused", "answer lost", "nonsense", "302", "400, 413", "401, 403", "404", "409, 412", "429", "5xx"];

/// An error in the dependency's own format.
fn error(dependency: Dependency, status: StatusCode) -> ErrorReply {
    let code = status.as_u16();
    let json = |body: serde_json::Value| {
        ErrorReply { body: body.to_string(), ..ErrorReply::bare(status) }.with("content-type", "application/json")
    };
    match dependency {
        Dependency::Entra => json(json!({"error": "invalid_request", "error_codes": [900_144]})),
        Dependency::Commerce => json(json!({"ErrorResourceId": "Microsoft_Dynamics_Commerce_Runtime_Error"})),
        Dependency::Cosmos => json(json!({"code": code.to_string(), "message": "The request failed."})),
        Dependency::Dataverse => json(json!({"error": {"code": "0x80040203", "message": "The request failed."}})),
        Dependency::ServiceBus => ErrorReply {
            body: format!("<Error><Code>{code}</Code><Detail>The request failed.</Detail></Error>"),
            ..ErrorReply::bare(status)
        }
        .with("content-type", "application/xml; charset=utf-8"),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
