//! The errors of the Scale Unit.

use std::time::Duration;

use crate::clients::CallError;
use crate::json::JsonError;

/// Why a request to the Scale Unit failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommerceError {
    /// It does not respond, or it throttles.
    #[error("the Scale Unit is not available: {cause}")]
    Unavailable {
        /// What happened.
        cause: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// It rejects our identity, or our identity has no permission.
    #[error(
        "the Scale Unit denies access ({0}); check the relying party in Commerce shared parameters and its rights on this call"
    )]
    Denied(String),
    /// The requested entity does not exist.
    #[error("the Scale Unit has no such {0}")]
    NotFound(&'static str),
    /// Its response cannot be read.
    #[error("the Scale Unit's response cannot be read: {0}")]
    Unreadable(String),
    /// It rejects the request.
    #[error("the Scale Unit rejects the request: {0}")]
    Refused(String),
}

impl CommerceError {
    /// Whether every other request would fail in the same way now.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Denied(_) => true,
            Self::NotFound(_) | Self::Unreadable(_) | Self::Refused(_) => false,
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
