//! The outcome of one journey for one event.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Reason;

/// The outcome of one journey for one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum JourneyOutcome {
    /// The custom trigger was invoked and answered.
    Started {
        /// When the answer arrived.
        at: DateTime<Utc>,
        /// Number of earlier invocations without an answer. Each may have started the journey too.
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
    /// The event does not meet the journey's conditions.
    Skipped {
        /// The condition that is not met.
        because: String,
    },
    /// Not invoked yet, or without an answer. It will be retried.
    Waiting {
        /// Why it did not start.
        reason: Reason,
        /// Number of invocations without an answer.
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
    /// It failed permanently, or needs an operator.
    Failed {
        /// Why.
        reason: Reason,
        /// Number of invocations without an answer.
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl JourneyOutcome {
    /// Number of invocations without an answer: each may have started the journey.
    pub fn uncertain(&self) -> u32 {
        match self {
            Self::Started { uncertain, .. } | Self::Waiting { uncertain, .. } | Self::Failed { uncertain, .. } => {
                *uncertain
            }
            Self::Skipped { .. } => 0,
        }
    }
}
