//! The latency from event to journey.

use chrono::TimeDelta;
use serde::Serialize;

/// Percentiles of the time between an event's commit and the start of its journey, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The median.
    pub p50_ms: i64,
    /// The 99th percentile.
    pub p99_ms: i64,
    /// The maximum.
    pub max_ms: i64,
}

impl Latency {
    /// `None` if there are no values.
    pub(super) fn of(mut waits: Vec<TimeDelta>) -> Option<Self> {
        waits.sort_unstable();
        let max_ms = waits.last()?.num_milliseconds();
        let rank = |per_cent: usize| {
            let index = (waits.len() * per_cent).div_ceil(100).saturating_sub(1);
            waits.get(index).map_or(max_ms, TimeDelta::num_milliseconds)
        };
        Some(Self { p50_ms: rank(50), p99_ms: rank(99), max_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let waits = |range: std::ops::RangeInclusive<i64>| range.rev().map(TimeDelta::milliseconds).collect();
        assert_eq!(Latency::of(Vec::new()), None);
        assert_eq!(Latency::of(waits(7..=7)), Some(Latency { p50_ms: 7, p99_ms: 7, max_ms: 7 }));
        assert_eq!(Latency::of(waits(1..=200)), Some(Latency { p50_ms: 100, p99_ms: 198, max_ms: 200 }));
    }
}
