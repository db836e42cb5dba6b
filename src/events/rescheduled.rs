//! What a rescheduled message carries in its application properties.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{CommerceEvent, Reason};

const ATTEMPTS: &str = "RetryAttempts";
const FAILING_SINCE: &str = "RetryFailingSince";
const STARTED: &str = "RetryJourneysStarted";
const UNUSED_CLAIMS: &str = "RetryClaimsUnused";
const TRACEPARENT: &str = "traceparent";
const FAILURE: &str = "FailureReason";

/// The most claims that a message names.
const MAX_CLAIMS: usize = 20;

/// The application property of a message whose event has failed permanently in the poller.
pub(super) fn failure_property(reason: &Reason) -> Option<(&'static str, String)> {
    serde_json::to_string(reason).ok().map(|text| (FAILURE, text))
}

/// The application properties with the number and the beginning of the retries.
pub(super) fn retry_properties(
    attempts: u32,
    failing_since: Option<DateTime<Utc>>,
) -> impl Iterator<Item = (&'static str, String)> {
    let since = failing_since.map(|since| (FAILING_SINCE, since.timestamp_millis().to_string()));
    std::iter::once((ATTEMPTS, attempts.to_string())).chain(since)
}

/// The earlier attempts to process a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryHistory {
    /// How many times the message was rescheduled.
    pub attempts: u32,
    /// The time of the first failure.
    pub failing_since: Option<DateTime<Utc>>,
    /// Journeys that have started although their record does not say so.
    pub started: BTreeMap<String, DateTime<Utc>>,
    /// The owners of claims under which nothing was invoked: the answers to their requests were lost.
    pub unused_claims: Vec<Uuid>,
    /// The trace that the message belongs to.
    pub traceparent: Option<String>,
    /// Why the event has failed permanently in the poller. The message may arrive before its record contains that.
    pub failure: Option<Reason>,
}

impl RetryHistory {
    /// The application properties of a rescheduled message of `event`.
    ///
    /// Times are written in milliseconds, because the Functions host rewrites dates.
    pub fn to_properties(&self, event: &CommerceEvent) -> Vec<(&'static str, String)> {
        let mut properties = event.properties();
        properties.extend(retry_properties(self.attempts, self.failing_since));
        if !self.started.is_empty() {
            let started: BTreeMap<_, _> = self.started.iter().map(|(name, at)| (name, at.timestamp_millis())).collect();
            properties.extend(serde_json::to_string(&started).ok().map(|text| (STARTED, text)));
        }
        if !self.unused_claims.is_empty() {
            // While a claim exists, those after it do not.
            let owners: Vec<String> = self.unused_claims.iter().take(MAX_CLAIMS).map(Uuid::to_string).collect();
            properties.push((UNUSED_CLAIMS, owners.join(",")));
        }
        properties.extend(self.traceparent.clone().map(|traceparent| (TRACEPARENT, traceparent)));
        properties.extend(self.failure.as_ref().and_then(failure_property));
        properties
    }

    /// Reads the history from the text of the application properties. An unreadable property counts as absent.
    pub fn from_properties(property: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| property(name)?.trim().trim_matches('"').parse::<i64>().ok();
        let started = property(STARTED).and_then(|text| serde_json::from_str::<BTreeMap<String, i64>>(&text).ok());
        let owners = property(UNUSED_CLAIMS).unwrap_or_default();
        let timestamp = |value: i64| DateTime::from_timestamp_millis(value);
        Self {
            attempts: number(ATTEMPTS).and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            failing_since: number(FAILING_SINCE).and_then(timestamp),
            started: started.into_iter().flatten().filter_map(|(name, at)| Some((name, timestamp(at)?))).collect(),
            unused_claims: owners.split(',').filter_map(|owner| owner.trim().parse().ok()).collect(),
            traceparent: property(TRACEPARENT),
            failure: property(FAILURE).and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any};
    use proptest::{collection, option};

    use super::*;

    fn timestamp() -> impl Strategy<Value = DateTime<Utc>> {
        (0..4_000_000_000_000_i64).prop_map(|millis| DateTime::from_timestamp_millis(millis).unwrap())
    }

    fn history() -> impl Strategy<Value = RetryHistory> {
        let started = collection::btree_map(".{0,12}", timestamp(), 0..4);
        let claims = collection::vec(any::<u128>().prop_map(Uuid::from_u128), 0..4);
        (any::<u32>(), option::of(timestamp()), started, claims, option::of("[0-9a-f-]{1,60}")).prop_map(
            |(attempts, failing_since, started, unused_claims, traceparent)| RetryHistory {
                attempts,
                failing_since,
                started,
                unused_claims,
                traceparent,
                failure: None,
            },
        )
    }

    proptest::proptest! {
        #[test]
        fn a_history_is_read_as_it_was_written(history in history()) {
            let properties = history.to_properties(&CommerceEvent::unreadable());
            let read = RetryHistory::from_properties(|name| {
                properties.iter().find(|(property, _)| *property == name).map(|(_, value)| value.clone())
            });
            proptest::prop_assert_eq!(read, history);
        }
    }

    #[test]
    fn the_wire_format_does_not_change() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let history = RetryHistory {
            attempts: 4,
            failing_since: Some(at(1_700_000_000)),
            started: BTreeMap::from([("a".to_owned(), at(1_700_000_001))]),
            unused_claims: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
            traceparent: Some("00-1-2-01".to_owned()),
            failure: None,
        };
        let properties = history.to_properties(&CommerceEvent::unreadable());
        let own: Vec<_> = properties[3..].iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(
            own,
            [
                ("RetryAttempts", "4"),
                ("RetryFailingSince", "1700000000000"),
                ("RetryJourneysStarted", "{\"a\":1700000001000}"),
                ("RetryClaimsUnused", "00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002"),
                ("traceparent", "00-1-2-01"),
            ]
        );
    }
}
