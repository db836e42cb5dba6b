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
    /// A row with this id or with the value of a key exists, or the row has changed since it was read.
    #[error("a Dataverse row exists already or has changed ({cause})")]
    Conflict {
        /// What the reply says about the conflict.
        kind: ConflictKind,
        /// Status and code.
        cause: String,
    },
    /// A plug-in, the database or something unknown has failed. It may succeed later.
    #[error("Dataverse could not process the request ({0})")]
    Failed(String),
    /// It rejects the data. The same request can never succeed.
    #[error("Dataverse rejects the request ({0})")]
    Refused(String),
}

/// Why Dataverse answers that a row is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictKind {
    /// A row with this id exists.
    IdTaken,
    /// Another row has a value that must be unique.
    KeyTaken,
    /// The row has changed since it was read.
    Stale,
    /// The reply does not say.
    Unknown,
}

impl DataverseError {
    /// Whether Dataverse answered that it does not accept this write. An outage is not a refusal.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Denied(_) | Self::Failed(_) | Self::Refused(_) => true,
            Self::Conflict { kind, .. } => *kind == ConflictKind::KeyTaken,
            Self::Unavailable { .. } | Self::AnswerLost(_) | Self::NotFound { .. } => false,
        }
    }
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
