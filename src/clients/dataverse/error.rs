//! The errors of Dataverse.

use std::time::Duration;

use crate::clients::CallError;
use crate::clients::identity::IdentityError;
use crate::json::JsonError;

/// Why a request to Dataverse failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DataverseError {
    /// It does not respond, or it throttles. Nothing was changed.
    #[error("Dataverse is not available: {cause}")]
    Unavailable {
        /// What happened.
        cause: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The request was sent, but no response shows whether it was processed.
    #[error("no answer from Dataverse was received: {0}")]
    AnswerLost(String),
    /// It rejects our identity, or a privilege is missing.
    #[error("Dataverse denies access ({0}); check the application user and its security role")]
    Denied(String),
    /// The row, table or action does not exist.
    #[error("Dataverse has no such {what} ({cause})")]
    NotFound {
        /// What was requested.
        what: &'static str,
        /// Status and code.
        cause: String,
    },
    /// The row exists already, or it has changed since it was read.
    #[error("a Dataverse row exists already or has changed ({0})")]
    Conflict(String),
    /// It rejects the request.
    #[error("Dataverse rejects the request ({0})")]
    Refused(String),
}

impl From<CallError> for DataverseError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Identity(IdentityError::Refused { .. }) => Self::Denied(error.to_string()),
            CallError::Identity(_) | CallError::NotSent(_) => {
                Self::Unavailable { cause: error.to_string(), retry_after: None }
            }
            CallError::AnswerLost(cause) => Self::AnswerLost(cause),
        }
    }
}

impl From<JsonError> for DataverseError {
    fn from(error: JsonError) -> Self {
        Self::AnswerLost(error.to_string())
    }
}
