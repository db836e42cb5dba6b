//! How long customers waited, over the last minutes.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

/// The length of a stretch, in milliseconds.
const STRETCH: i64 = 10_000;
/// So many stretches are remembered.
const REMEMBERED: usize = 60;

/// The waits of each stretch of time in which journeys started.
#[derive(Default)]
pub(super) struct Latencies(BTreeMap<i64, Stretch>);

#[derive(Default)]
struct Stretch {
    revision: u64,
    waits: Vec<i64>,
}

/// One stretch in numbers, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Percentiles {
    /// When it began, since 1970.
    pub(super) at: i64,
    pub(super) count: usize,
    pub(super) p50: i64,
    pub(super) p95: i64,
    pub(super) p99: i64,
}

impl Latencies {
    /// Adds a journey that started at `at` after `wait`.
    pub(super) fn add(&mut self, at: DateTime<Utc>, wait: TimeDelta, revision: u64) {
        let begin = at.timestamp_millis().div_euclid(STRETCH) * STRETCH;
        let stretch = self.0.entry(begin).or_default();
        stretch.revision = revision;
        let wait = wait.num_milliseconds().max(0);
        let place = stretch.waits.partition_point(|other| *other <= wait);
        stretch.waits.insert(place, wait);
        while self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
    }

    /// The stretches that have changed since `revision`.
    pub(super) fn since(&self, revision: u64) -> Vec<Percentiles> {
        let changed = self.0.iter().filter(|(_, stretch)| stretch.revision > revision);
        changed.map(|(at, stretch)| percentiles(*at, &stretch.waits)).collect()
    }
}

/// Each percentile is a wait that somebody had; `waits` are sorted.
fn percentiles(at: i64, waits: &[i64]) -> Percentiles {
    let rank = |per_cent: usize| {
        let index = (waits.len() * per_cent).div_ceil(100).saturating_sub(1);
        waits.get(index).copied().unwrap_or_default()
    };
    Percentiles { at, count: waits.len(), p50: rank(50), p95: rank(95), p99: rank(99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000 + second, 0).unwrap()
    }

    #[test]
    fn stretches_have_percentiles_of_their_own() {
        let mut latencies = Latencies::default();
        for wait in (1..=100).rev() {
            latencies.add(at(wait % 10), TimeDelta::milliseconds(wait), 1);
        }
        latencies.add(at(10), TimeDelta::milliseconds(7), 2);
        let start = at(0).timestamp_millis();
        let first = Percentiles { at: start, count: 100, p50: 50, p95: 95, p99: 99 };
        let second = Percentiles { at: start + STRETCH, count: 1, p50: 7, p95: 7, p99: 7 };
        assert_eq!(latencies.since(0), [first, second]);
        assert_eq!(latencies.since(1), [second]);
        assert_eq!(latencies.since(2), []);
    }

    #[test]
    fn old_stretches_are_forgotten() {
        let mut latencies = Latencies::default();
        for minute in 0..30 {
            latencies.add(at(minute * 60), TimeDelta::zero(), 1);
            latencies.add(at(minute * 60 + 30), TimeDelta::zero(), 1);
            latencies.add(at(minute * 60 + 50), TimeDelta::zero(), 1);
        }
        let kept = latencies.since(0);
        assert_eq!(kept.len(), REMEMBERED);
        assert_eq!(kept.last().unwrap().at, at(29 * 60 + 50).timestamp_millis());
    }
}
