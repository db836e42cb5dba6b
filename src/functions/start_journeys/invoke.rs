//! Invokes custom triggers, and maps the results to journey outcomes.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use uuid::Uuid;

use super::claim::ClaimedEvent;
use crate::clients::dataverse::DataverseError;
use crate::events::{JourneyOutcome, Reason, ReasonCode, Record};
use crate::functions::Services;
use crate::journeys::{Journey, View};
use crate::telemetry::{LogEvent, invocation};

/// The result of an invocation.
#[derive(Debug, PartialEq)]
pub(super) struct Invoked {
    pub(super) outcome: JourneyOutcome,
    /// The dependency's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
}

impl Invoked {
    fn waiting(code: ReasonCode, detail: impl Into<String>, uncertain: u32) -> Self {
        let reason = Reason::new(code, detail);
        Self { outcome: JourneyOutcome::Waiting { reason, uncertain }, retry_after: None }
    }

    fn failed(code: ReasonCode, detail: impl Into<String>, uncertain: u32) -> Self {
        let reason = Reason::new(code, detail);
        Self { outcome: JourneyOutcome::Failed { reason, uncertain }, retry_after: None }
    }

    fn started(at: DateTime<Utc>, uncertain: u32) -> Self {
        Self { outcome: JourneyOutcome::Started { at, uncertain }, retry_after: None }
    }

    /// The outcome of an invocation that failed. `uncertain` counts the earlier invocations without an answer.
    fn from_error(error: DataverseError, trigger: &str, uncertain: u32) -> Self {
        let detail = error.to_string();
        match error {
            DataverseError::AnswerLost(_) => Self::waiting(ReasonCode::AnswerLost, detail, uncertain + 1),
            DataverseError::Unavailable { retry_after, .. } => {
                Self { retry_after, ..Self::waiting(ReasonCode::DataverseUnavailable, detail, uncertain) }
            }
            DataverseError::Denied(_) => Self::waiting(ReasonCode::DataverseUnavailable, detail, uncertain),
            DataverseError::NotFound { .. } => {
                let detail = format!("{detail}; publish the trigger {trigger}");
                Self::waiting(ReasonCode::TriggerMissing, detail, uncertain)
            }
            // A conflict is that of a plug-in, because a trigger writes no row of its own.
            DataverseError::Failed(_) | DataverseError::Conflict { .. } => {
                Self::waiting(ReasonCode::DataverseFailed, detail, uncertain)
            }
            DataverseError::Refused(_) => {
                let detail = format!("{detail}; compare the journey's parameters with those of the trigger {trigger}");
                Self::failed(ReasonCode::TriggerRefused, detail, uncertain)
            }
        }
    }
}

/// Invokes the triggers of all selected journeys concurrently. The results have the order of the journeys.
pub(super) async fn invoke_all(
    services: &Services,
    event: &ClaimedEvent<'_>,
    view: &View<'_>,
    contact: Uuid,
) -> Vec<Invoked> {
    let invocations = event.to_trigger.iter().map(|journey| async move {
        let invoked = invoke(services, event, journey, view, contact).await;
        log(&event.record, journey, contact, &invoked.outcome);
        invoked
    });
    join_all(invocations).await
}

async fn invoke(
    services: &Services,
    event: &ClaimedEvent<'_>,
    journey: &Journey,
    view: &View<'_>,
    contact: Uuid,
) -> Invoked {
    let uncertain = event.record.uncertain(&journey.name);
    let parameters = match journey.fill(view, contact, services.clock.now()) {
        Ok(parameters) => parameters,
        Err(missing) => return Invoked::failed(ReasonCode::ParameterMissing, missing.to_string(), uncertain),
    };
    // A suspended process may continue after its claim has expired. Then it must not invoke the trigger.
    let safe_period = TimeDelta::from_std(services.settings.lease / 4).unwrap_or_default();
    if services.clock.now() - event.claimed_at > safe_period {
        return Invoked::waiting(ReasonCode::InProgress, "too much time has passed since the claim", uncertain);
    }
    match services.dataverse.invoke(&journey.trigger, &parameters, &event.record.traceparent()).await {
        Ok(()) => Invoked::started(services.clock.now(), uncertain),
        Err(error) => Invoked::from_error(error, &journey.trigger, uncertain),
    }
}

fn log(record: &Record, journey: &Journey, contact_id: Uuid, outcome: &JourneyOutcome) {
    let (event_id, rules, journey) = (record.id().as_str(), &journey.rules, journey.name.as_str());
    match outcome {
        JourneyOutcome::Started { at, uncertain } => {
            // A wait that was asked for is no delay.
            let since_due = rules.due_at(record.event().occurred_at()).map(|due_at| (*at - due_at).num_milliseconds());
            let latency_ms = since_due.unwrap_or_else(|| record.age_ms(*at)).max(0);
            invocation::record(|facts| facts.latency_ms = facts.latency_ms.max(Some(latency_ms)));
            LogEvent::JourneyStarted { event_id, journey, contact_id, latency_ms, uncertain: *uncertain }.log();
        }
        JourneyOutcome::Waiting { reason, .. } | JourneyOutcome::Failed { reason, .. } => {
            let (code, detail) = (reason.code.to_string(), &reason.detail);
            LogEvent::JourneyNotStarted { event_id, journey, reason: &code, detail }.log();
        }
        JourneyOutcome::Skipped { .. } | JourneyOutcome::Scheduled { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::dataverse::ConflictKind;

    fn outcome(error: DataverseError) -> Invoked {
        Invoked::from_error(error, "msdynmkt_trigger", 1)
    }

    #[test]
    fn only_an_invocation_without_an_answer_is_uncertain() {
        assert_eq!(outcome(DataverseError::AnswerLost("x".into())).outcome.uncertain(), 2);
        assert_eq!(outcome(DataverseError::Denied("403".into())).outcome.uncertain(), 1);
    }

    #[test]
    fn only_a_rejected_invocation_fails_permanently() {
        let missing = DataverseError::NotFound { what: "custom trigger", cause: "404".into() };
        let Invoked { outcome: JourneyOutcome::Waiting { reason, .. }, .. } = outcome(missing) else { panic!() };
        assert_eq!(reason.code, ReasonCode::TriggerMissing);
        assert!(reason.detail.ends_with("publish the trigger msdynmkt_trigger"), "{reason}");
        assert!(matches!(outcome(DataverseError::Refused("400".into())).outcome, JourneyOutcome::Failed { .. }));
        let conflict = DataverseError::Conflict { kind: ConflictKind::KeyTaken, cause: "412".into() };
        for error in [DataverseError::Failed("400 0x80040265".into()), conflict] {
            let Invoked { outcome: JourneyOutcome::Waiting { reason, uncertain }, .. } = outcome(error) else {
                panic!()
            };
            assert_eq!((reason.code, uncertain), (ReasonCode::DataverseFailed, 1));
        }
    }

    #[test]
    fn a_retry_after_is_kept() {
        let retry_after = Some(Duration::from_secs(17));
        let throttled = DataverseError::Unavailable { cause: "429".into(), retry_after };
        assert_eq!(outcome(throttled).retry_after, retry_after);
    }
}
