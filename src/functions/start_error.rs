//! Why the journeys of an event have not been started.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::contacts::ContactError;
use crate::clients::dataverse::DataverseError;
use crate::clients::store::StoreError;
use crate::events::{Reason, ReasonCode};

/// Why an event's journeys have not all been started or skipped.
#[derive(Debug)]
pub(super) enum StartError {
    /// A retry may succeed.
    Transient {
        reason: Reason,
        /// A dependency's `Retry-After`.
        retry_after: Option<Duration>,
        /// A retry before this time is useless.
        not_before: Option<DateTime<Utc>>,
        /// Journeys that have started but could not be recorded.
        started: BTreeMap<String, DateTime<Utc>>,
        /// The owner of a claim that may exist although its request failed. Nothing was invoked under it.
        unused_claim: Option<Uuid>,
    },
    /// A retry cannot succeed. `recorded` is whether the record contains the reason already.
    Permanent { reason: Reason, recorded: bool },
}

impl StartError {
    pub(super) fn transient(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self::transient_after(Reason::new(code, detail), None)
    }

    pub(super) fn transient_after(reason: Reason, retry_after: Option<Duration>) -> Self {
        Self::Transient { reason, retry_after, not_before: None, started: BTreeMap::new(), unused_claim: None }
    }

    pub(super) fn permanent(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self::Permanent { reason: Reason::new(code, detail), recorded: false }
    }

    /// The same error of a request that may have created a claim for this owner.
    pub(super) fn with_unused_claim(mut self, owner: Uuid) -> Self {
        if let Self::Transient { unused_claim, .. } = &mut self {
            *unused_claim = Some(owner);
        }
        self
    }

    pub(super) fn into_reason(self) -> Reason {
        match self {
            Self::Transient { reason, .. } | Self::Permanent { reason, .. } => reason,
        }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        let retry_after = match &error {
            StoreError::Unavailable { retry_after, .. } => *retry_after,
            StoreError::Conflict(_) | StoreError::Denied(_) | StoreError::Refused(_) => None,
        };
        Self::transient_after(Reason::new(ReasonCode::StoreUnavailable, error.to_string()), retry_after)
    }
}

impl From<ContactError> for StartError {
    fn from(error: ContactError) -> Self {
        let detail = error.to_string();
        match error {
            ContactError::Dataverse(error) => error.into(),
            ContactError::Store(error) => error.into(),
            ContactError::Inactive(_) => Self::permanent(ReasonCode::ContactInactive, detail),
            // The contact in the way may become visible.
            ContactError::KeyTaken { holders, .. } if holders.is_empty() => {
                Self::transient(ReasonCode::ContactKeyTaken, detail)
            }
            ContactError::KeyTaken { .. } => Self::permanent(ReasonCode::ContactKeyTaken, detail),
            ContactError::ChosenOtherwise => Self::transient(ReasonCode::InProgress, detail),
        }
    }
}

/// An error while the contact is resolved. Only rejected data is permanent.
impl From<DataverseError> for StartError {
    fn from(error: DataverseError) -> Self {
        let detail = error.to_string();
        match error {
            DataverseError::Refused(_) => Self::permanent(ReasonCode::ContactRefused, detail),
            DataverseError::Failed(_) => Self::transient(ReasonCode::DataverseFailed, detail),
            DataverseError::Unavailable { retry_after, .. } => {
                Self::transient_after(Reason::new(ReasonCode::DataverseUnavailable, detail), retry_after)
            }
            DataverseError::AnswerLost(_)
            | DataverseError::Denied(_)
            | DataverseError::NotFound { .. }
            | DataverseError::Conflict { .. } => Self::transient(ReasonCode::DataverseUnavailable, detail),
        }
    }
}
