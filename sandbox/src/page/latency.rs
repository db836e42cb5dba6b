//! The latency from event to journey, over the last minutes.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// The length of a period, in milliseconds.
const PERIOD: i64 = 10_000;
/// The number of periods that are kept.
const KEPT: usize = 60;

/// The latencies of each period in which journeys started.
#[derive(Default)]
pub(super) struct Latencies(BTreeMap<i64, Period>);

#[derive(Default)]
struct Period {
    revision: u64,
    latencies: Vec<i64>,
}

/// The percentiles of one period, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Percentiles {
    /// The start of the period, since 1970.
    pub(super) at: i64,
    pub(super) count: usize,
    pub(super) p50: i64,
    pub(super) p95: i64,
    pub(super) p99: i64,
}

impl Latencies {
    /// Adds a journey that started at `at` with this latency.
    pub(super) fn add(&mut self, at: DateTime<Utc>, latency: TimeDelta, revision: u64) {
        let begin = at.timestamp_millis().div_euclid(PERIOD) * PERIOD;
        let period = self.0.entry(begin).or_default();
        period.revision = revision;
        let latency = latency.num_milliseconds().max(0);
        let place = period.latencies.partition_point(|other| *other <= latency);
        period.latencies.insert(place, latency);
        while self.0.len() > KEPT {
            self.0.pop_first();
        }
    }

    /// The periods that have changed since `revision`.
    pub(super) fn since(&self, revision: u64) -> Vec<Percentiles> {
        let changed = self.0.iter().filter(|(_, period)| period.revision > revision);
        changed.map(|(at, period)| percentiles(*at, &period.latencies)).collect()
    }
}

/// Each percentile is one of the latencies, which are sorted.
fn percentiles(at: i64, latencies: &[i64]) -> Percentiles {
    let rank = |per_cent: usize| {
        let index = (latencies.len() * per_cent).div_ceil(100).saturating_sub(1);
        latencies.get(index).copied().unwrap_or_default()
    };
    Percentiles { at, count: latencies.len(), p50: rank(50), p95: rank(95), p99: rank(99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000 + second, 0).unwrap()
    }

    #[test]
    fn each_period_has_its_own_percentiles() {
        let mut latencies = Latencies::default();
        for latency in (1..=100).rev() {
            latencies.add(at(latency % 10), TimeDelta::milliseconds(latency), 1);
        }
        latencies.add(at(10), TimeDelta::milliseconds(7), 2);
        let start = at(0).timestamp_millis();
        let first = Percentiles { at: start, count: 100, p50: 50, p95: 95, p99: 99 };
        let second = Percentiles { at: start + PERIOD, count: 1, p50: 7, p95: 7, p99: 7 };
        assert_eq!(latencies.since(0), [first, second]);
        assert_eq!(latencies.since(1), [second]);
        assert_eq!(latencies.since(2), []);
    }

    #[test]
    fn old_periods_are_removed() {
        let mut latencies = Latencies::default();
        for minute in 0..30 {
            latencies.add(at(minute * 60), TimeDelta::zero(), 1);
            latencies.add(at(minute * 60 + 30), TimeDelta::zero(), 1);
            latencies.add(at(minute * 60 + 50), TimeDelta::zero(), 1);
        }
        let kept = latencies.since(0);
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept.last().unwrap().at, at(29 * 60 + 50).timestamp_millis());
    }
}
