//! On what terms journeys are started, and what can stand in the way.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::contacts::ContactError;
use crate::clients::dataverse::DataverseError;
use crate::clients::store::StoreError;
use crate::events::{Reason, ReasonCode};

/// On what terms an event's journeys are to be started.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    /// Look at the record before anything else: it may well be finished.
    pub(super) look_first: bool,
    /// A person asks: a failed record is taken up again.
    pub(super) reopen: bool,
    /// A person insists: journeys that have started are started again.
    pub(super) force: bool,
    /// Journeys known to have started although no record says so.
    pub(super) started: BTreeMap<String, DateTime<Utc>>,
}

/// Why an event's journeys have not all been started or skipped.
#[derive(Debug)]
pub(super) enum Setback {
    /// It may work later.
    Retry {
        reason: Reason,
        /// How long a dependency asks us to wait.
        retry_after: Option<Duration>,
        /// Nothing can be done before this time.
        not_before: Option<DateTime<Utc>>,
        /// What has started and could not be recorded.
        started: BTreeMap<String, DateTime<Utc>>,
    },
    /// It never will; the record says so, or is to say so.
    Never { reason: Reason, recorded: bool },
}

impl Setback {
    pub(super) fn retry(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self::Retry { reason: Reason::new(code, detail), retry_after: None, not_before: None, started: BTreeMap::new() }
    }

    pub(super) fn never(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self::Never { reason: Reason::new(code, detail), recorded: false }
    }
}

impl From<StoreError> for Setback {
    fn from(error: StoreError) -> Self {
        let retry_after = match &error {
            StoreError::Unavailable { retry_after, .. } => *retry_after,
            StoreError::Conflict(_) | StoreError::Denied(_) | StoreError::Refused(_) => None,
        };
        let reason = Reason::new(ReasonCode::StoreUnavailable, error.to_string());
        Self::Retry { reason, retry_after, not_before: None, started: BTreeMap::new() }
    }
}

impl From<ContactError> for Setback {
    fn from(error: ContactError) -> Self {
        match error {
            ContactError::Dataverse(error) => error.into(),
            ContactError::Store(error) => error.into(),
        }
    }
}

/// While finding or creating the contact: everything but a refusal of the contact itself may pass.
impl From<DataverseError> for Setback {
    fn from(error: DataverseError) -> Self {
        let detail = error.to_string();
        match error {
            DataverseError::Refused(_) => Self::never(ReasonCode::ContactRefused, detail),
            DataverseError::Unavailable { retry_after, .. } => {
                let reason = Reason::new(ReasonCode::DataverseUnavailable, detail);
                Self::Retry { reason, retry_after, not_before: None, started: BTreeMap::new() }
            }
            DataverseError::AnswerLost(_)
            | DataverseError::Denied(_)
            | DataverseError::NotFound { .. }
            | DataverseError::Conflict(_) => Self::retry(ReasonCode::DataverseUnavailable, detail),
        }
    }
}
