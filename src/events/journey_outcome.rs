//! The outcome of one journey for one event.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Reason, ReasonCode};

/// The outcome of one journey for one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub enum JourneyOutcome {
    /// The custom trigger was invoked and answered.
    Started {
        /// When the answer arrived.
        at: DateTime<Utc>,
        /// Number of earlier invocations without an answer. Each may have started the journey too.
        uncertain: u32,
    },
    /// It does not start, by the rules of `journeys.json`.
    Skipped {
        /// Why. Absent in records of older versions.
        code: Option<SkipCode>,
        /// The same in words.
        because: String,
        /// Number of invocations without an answer, before it became superfluous.
        uncertain: u32,
    },
    /// It is not due yet.
    Scheduled {
        /// When it is due.
        until: DateTime<Utc>,
    },
    /// Not invoked yet, or without an answer. It will be retried.
    Waiting {
        /// Why it did not start.
        reason: Reason,
        /// Number of invocations without an answer.
        uncertain: u32,
    },
    /// It failed permanently, or needs an operator.
    Failed {
        /// Why.
        reason: Reason,
        /// Number of invocations without an answer.
        uncertain: u32,
    },
}

/// Why a journey does not start. The set is closed, so that journeys can be counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SkipCode {
    /// A condition of the journey is not met.
    ConditionNotMet,
    /// The event has neither the account number of a person nor an e-mail address.
    NoCustomer,
    /// The person's contact is inactive.
    ContactInactive,
    /// A later event of the same type and transaction counts instead.
    Superseded,
    /// Another event has made the journey superfluous.
    Precluded,
    /// The journey has started for the same transaction or customer, within the period of `oncePer`.
    FrequencyCapped,
    /// A code of a newer version.
    OfNewerVersion,
}

impl SkipCode {
    const ALL: [Self; 6] = [
        Self::ConditionNotMet,
        Self::NoCustomer,
        Self::ContactInactive,
        Self::Superseded,
        Self::Precluded,
        Self::FrequencyCapped,
    ];

    /// The code as records and the log contain it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConditionNotMet => "conditionNotMet",
            Self::NoCustomer => "noCustomer",
            Self::ContactInactive => "contactInactive",
            Self::Superseded => "superseded",
            Self::Precluded => "precluded",
            Self::FrequencyCapped => "frequencyCapped",
            Self::OfNewerVersion => "ofNewerVersion",
        }
    }
}

/// A record stays readable after a roll-back, whatever code the newer version has written.
impl<'de> Deserialize<'de> for SkipCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self::ALL.into_iter().find(|code| code.name() == name).unwrap_or(Self::OfNewerVersion))
    }
}

impl JourneyOutcome {
    /// A journey that does not start, and has not been invoked.
    pub fn skipped(code: SkipCode, because: impl Into<String>) -> Self {
        Self::Skipped { code: Some(code), because: because.into(), uncertain: 0 }
    }

    /// Number of invocations without an answer: each may have started the journey.
    pub fn uncertain(&self) -> u32 {
        match self {
            Self::Started { uncertain, .. }
            | Self::Skipped { uncertain, .. }
            | Self::Waiting { uncertain, .. }
            | Self::Failed { uncertain, .. } => *uncertain,
            Self::Scheduled { .. } => 0,
        }
    }
}

/// The outcome as records contain it. Version 0.1.0 knows these four states, so that a scheduled journey is one that waits,
/// with a time.
#[derive(Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
enum Stored {
    Started {
        at: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
    Skipped {
        because: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<SkipCode>,
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
    Waiting {
        reason: Reason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
    Failed {
        reason: Reason,
        #[serde(default, skip_serializing_if = "is_zero")]
        uncertain: u32,
    },
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl From<Stored> for JourneyOutcome {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Started { at, uncertain } => Self::Started { at, uncertain },
            Stored::Skipped { because, code, uncertain } => Self::Skipped { code, because, uncertain },
            Stored::Waiting { until: Some(until), .. } => Self::Scheduled { until },
            Stored::Waiting { reason, until: None, uncertain } => Self::Waiting { reason, uncertain },
            Stored::Failed { reason, uncertain } => Self::Failed { reason, uncertain },
        }
    }
}

impl From<JourneyOutcome> for Stored {
    fn from(outcome: JourneyOutcome) -> Self {
        match outcome {
            JourneyOutcome::Started { at, uncertain } => Self::Started { at, uncertain },
            JourneyOutcome::Skipped { code, because, uncertain } => Self::Skipped { because, code, uncertain },
            JourneyOutcome::Scheduled { until } => {
                let reason = Reason::new(ReasonCode::Scheduled, "the journey is not due yet");
                Self::Waiting { reason, until: Some(until), uncertain: 0 }
            }
            JourneyOutcome::Waiting { reason, uncertain } => Self::Waiting { reason, until: None, uncertain },
            JourneyOutcome::Failed { reason, uncertain } => Self::Failed { reason, uncertain },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: Value) -> JourneyOutcome {
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_scheduled_journey_says_until_when() {
        let outcome = JourneyOutcome::Scheduled { until: DateTime::UNIX_EPOCH };
        let written = serde_json::to_value(&outcome).unwrap();
        assert_eq!(written["until"], "1970-01-01T00:00:00Z");
        assert_eq!((&written["state"], &written["reason"]["code"]), (&json!("waiting"), &json!("scheduled")));
        assert_eq!(read(written), outcome);
    }

    #[test]
    fn codes_are_written_by_their_names() {
        for code in SkipCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }

    #[test]
    fn outcomes_of_other_versions_can_be_read() {
        let expected = JourneyOutcome::Skipped { code: None, because: "x".to_owned(), uncertain: 0 };
        assert_eq!(read(json!({"state": "skipped", "because": "x"})), expected);
        let newer = read(json!({"state": "skipped", "because": "x", "code": "somethingNew"}));
        assert!(matches!(newer, JourneyOutcome::Skipped { code: Some(SkipCode::OfNewerVersion), .. }));
    }
}
