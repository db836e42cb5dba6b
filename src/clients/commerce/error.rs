//! The errors of the Scale Unit.

use std::time::Duration;

use super::codes::{self, Meaning};
use crate::clients::{CallError, Reply};
use crate::json::JsonError;

/// Why a request to the Scale Unit failed. None is final: the request is repeated until the retry horizon, because most
/// causes pass and the others can be removed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommerceError {
    /// It does not respond, or it throttles, or a gateway responds for it.
    #[error("the Scale Unit is not available: {cause}")]
    Unavailable {
        /// What happened.
        cause: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// It does not accept our token.
    #[error("the Scale Unit does not accept the token ({0}); check the relying party in Commerce shared parameters")]
    Unauthenticated(String),
    /// Our role may not make this call.
    #[error("the Scale Unit denies access ({0}); check the rights of the role Application on this call")]
    Forbidden(String),
    /// The requested entity does not exist.
    #[error("the Scale Unit has no such {0}")]
    NotFound(&'static str),
    /// Its response cannot be read, or is not what was asked for.
    #[error("the Scale Unit's response cannot be used: {0}")]
    Unreadable(String),
    /// It rejects the request, until somebody changes a setting or the Scale Unit.
    #[error("the Scale Unit rejects the request: {0}")]
    Refused(String),
    /// It rejects the request for a reason that is not known here.
    #[error("the Scale Unit rejects the request with an error that is not known here: {0}")]
    Unknown(String),
}

impl CommerceError {
    /// The error in a reply that is not a success. `what` was requested.
    pub(super) fn of_reply(reply: &Reply, what: &'static str) -> Self {
        let cause = codes::describe(reply);
        match codes::meaning(reply) {
            Meaning::Absent => Self::NotFound(what),
            Meaning::Unavailable => Self::Unavailable { cause, retry_after: reply.retry_after },
            Meaning::Unauthenticated => Self::Unauthenticated(cause),
            Meaning::Forbidden => Self::Forbidden(cause),
            Meaning::NoSuchOperation | Meaning::Refused => Self::Refused(cause),
            Meaning::Unknown => Self::Unknown(cause),
        }
    }

    /// Whether every other request would fail in the same way now.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Unauthenticated(_) | Self::Forbidden(_) => true,
            Self::NotFound(_) | Self::Unreadable(_) | Self::Refused(_) | Self::Unknown(_) => false,
        }
    }

    /// Whether the Scale Unit has given its answer, so that something optional is not worth waiting for.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::NotFound(_) | Self::Forbidden(_) | Self::Refused(_) | Self::Unknown(_) => true,
            Self::Unavailable { .. } | Self::Unauthenticated(_) | Self::Unreadable(_) => false,
        }
    }
}

impl From<CallError> for CommerceError {
    fn from(error: CallError) -> Self {
        // A read can be repeated, so it does not matter whether it was sent.
        Self::Unavailable { cause: error.to_string(), retry_after: None }
    }
}

impl From<JsonError> for CommerceError {
    fn from(error: JsonError) -> Self {
        Self::Unreadable(error.to_string())
    }
}
