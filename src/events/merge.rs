//! Merges the journey outcomes of two versions of a record.
//!
//! Two deliveries may both have worked on an event, because the claim of the first has expired. Neither may lose what the
//! other has recorded.

use std::cmp::{max, min};
use std::collections::BTreeMap;

use super::{JourneyOutcome, Reason};

/// All journeys of both versions. A journey in both has the merged outcome.
pub(super) fn merge_journeys(
    one: &BTreeMap<String, JourneyOutcome>,
    other: &BTreeMap<String, JourneyOutcome>,
) -> BTreeMap<String, JourneyOutcome> {
    let mut merged = one.clone();
    for (name, outcome) in other {
        let outcome = merged.get(name).map_or_else(|| outcome.clone(), |own| merge(own, outcome));
        merged.insert(name.clone(), outcome);
    }
    merged
}

/// A started journey wins, then a final outcome. The larger uncertainty is kept. The order of the arguments does not matter.
fn merge(one: &JourneyOutcome, other: &JourneyOutcome) -> JourneyOutcome {
    use JourneyOutcome::{Failed, Scheduled, Skipped, Started, Waiting};
    let uncertain = max(one.uncertain(), other.uncertain());
    match (one, other) {
        (Started { at, .. }, Started { at: other, .. }) => Started { at: min(*at, *other), uncertain },
        (Started { at, .. }, _) | (_, Started { at, .. }) => Started { at: *at, uncertain },
        (Failed { reason, .. }, Failed { reason: other, .. }) => Failed { reason: first(reason, other), uncertain },
        (Failed { reason, .. }, _) | (_, Failed { reason, .. }) => Failed { reason: reason.clone(), uncertain },
        (Skipped { code, because, .. }, Skipped { code: other_code, because: other, .. }) => {
            let (code, because) = min((code, because), (other_code, other));
            Skipped { code: *code, because: because.clone(), uncertain }
        }
        // An invocation that the decision to skip did not know of is kept.
        (Skipped { code, because, uncertain: known }, Waiting { .. })
        | (Waiting { .. }, Skipped { code, because, uncertain: known })
            if *known == uncertain =>
        {
            Skipped { code: *code, because: because.clone(), uncertain }
        }
        (Waiting { reason, .. }, Skipped { .. }) | (Skipped { .. }, Waiting { reason, .. }) => {
            Waiting { reason: reason.clone(), uncertain }
        }
        (Scheduled { until }, Scheduled { until: other }) => Scheduled { until: min(*until, *other) },
        (Scheduled { .. }, attempted) | (attempted, Scheduled { .. }) => attempted.clone(),
        (Waiting { reason, .. }, Waiting { reason: other, .. }) => Waiting { reason: first(reason, other), uncertain },
    }
}

/// One of two reasons, whatever their order.
fn first(one: &Reason, other: &Reason) -> Reason {
    let key = |reason: &Reason| (reason.code.to_string(), reason.detail.clone());
    if key(one) <= key(other) { one.clone() } else { other.clone() }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::{Just, Strategy, prop_oneof};

    use super::super::{ReasonCode, SkipCode};
    use super::*;

    fn reason() -> impl Strategy<Value = Reason> {
        let codes = [ReasonCode::AnswerLost, ReasonCode::TriggerRefused, ReasonCode::Held];
        (0..3_usize, "[ab]").prop_map(move |(code, detail)| Reason::new(codes[code], detail))
    }

    fn outcome() -> impl Strategy<Value = JourneyOutcome> {
        let at = (0..3_i64).prop_map(|second| DateTime::from_timestamp(second, 0).unwrap());
        prop_oneof![
            (at.clone(), 0..3_u32).prop_map(|(at, uncertain)| JourneyOutcome::Started { at, uncertain }),
            at.prop_map(|until| JourneyOutcome::Scheduled { until }),
            ("[ab]", 0..3_u32).prop_map(|(because, uncertain)| JourneyOutcome::Skipped {
                code: Some(SkipCode::Precluded),
                because,
                uncertain
            }),
            (reason(), 0..3_u32).prop_map(|(reason, uncertain)| JourneyOutcome::Waiting { reason, uncertain }),
            (reason(), 0..3_u32).prop_map(|(reason, uncertain)| JourneyOutcome::Failed { reason, uncertain }),
        ]
    }

    fn journeys() -> impl Strategy<Value = BTreeMap<String, JourneyOutcome>> {
        let name = prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("c".to_owned())];
        proptest::collection::btree_map(name, outcome(), 0..3)
    }

    fn is_started(outcome: &JourneyOutcome) -> bool {
        matches!(outcome, JourneyOutcome::Started { .. })
    }

    fn is_waiting(outcome: &JourneyOutcome) -> bool {
        matches!(outcome, JourneyOutcome::Waiting { .. } | JourneyOutcome::Scheduled { .. })
    }

    proptest::proptest! {
        #[test]
        fn the_order_does_not_matter(one in journeys(), other in journeys()) {
            proptest::prop_assert_eq!(merge_journeys(&one, &other), merge_journeys(&other, &one));
        }

        #[test]
        fn merging_again_changes_nothing(one in journeys(), other in journeys()) {
            let merged = merge_journeys(&one, &other);
            proptest::prop_assert_eq!(&merge_journeys(&merged, &one), &merged);
            proptest::prop_assert_eq!(&merge_journeys(&merged, &merged), &merged);
        }

        #[test]
        fn nothing_is_lost(one in journeys(), other in journeys()) {
            let merged = merge_journeys(&one, &other);
            for (name, outcome) in one.iter().chain(&other) {
                let merged = &merged[name];
                proptest::prop_assert!(is_started(merged) || !is_started(outcome), "a start is kept");
                proptest::prop_assert!(merged.uncertain() >= outcome.uncertain(), "uncertainty is kept");
                let uncertain = merged.uncertain() > 0;
                proptest::prop_assert!(!is_waiting(merged) || is_waiting(outcome) || uncertain, "a final outcome wins");
            }
        }

        #[test]
        fn the_larger_uncertainty_is_kept(one in outcome(), other in outcome()) {
            proptest::prop_assert_eq!(merge(&one, &other).uncertain(), max(one.uncertain(), other.uncertain()));
        }
    }
}
