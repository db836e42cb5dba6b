//! How bad it is, with whom.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use serde::Serialize;

use super::mix;
use crate::network::Dependency;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The chance of each fault, for one call. At most one happens to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    /// 429, with `Retry-After` in seconds or as a date.
    pub throttled: f64,
    /// 503.
    pub unavailable: f64,
    /// 500 in the dependency's own form, or without: then nobody can say what was done.
    pub failing: f64,
    /// 502 or 504 before anything was done.
    pub gateway: f64,
    /// 502 or 504 after everything was done.
    pub masked: f64,
    /// The connection closes before anything was done.
    pub broken_before: f64,
    /// Everything was done, and the connection breaks within the reply.
    pub broken_after: f64,
    /// Everything was done, and half of the reply arrives as if it were all.
    pub cut_short: f64,
    /// No answer for as long as anybody waits.
    pub hanging: f64,
}

impl Faults {
    /// The chance that any of them happens.
    pub fn sum(&self) -> f64 {
        self.all().iter().sum()
    }

    pub(super) fn all(&self) -> [f64; 9] {
        [
            self.throttled,
            self.unavailable,
            self.failing,
            self.gateway,
            self.masked,
            self.broken_before,
            self.broken_after,
            self.cut_short,
            self.hanging,
        ]
    }
}

/// How long a call takes before it is looked at: `least`, and with the long tail of a Pareto distribution longer. By
/// the machine's clock, as all of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// No call is quicker.
    pub least: Duration,
    /// The tail: half as many calls take `2^(1/tail)` times as long. The smaller, the longer; zero for none.
    pub tail: f64,
    /// No call is slower.
    pub longest: Duration,
}

impl Latency {
    /// The latency at `unit` of the distribution, which is between 0 (the slowest) and 1 (the quickest).
    pub(super) fn at(&self, unit: f64) -> Duration {
        if self.tail <= 0.0 || self.least.is_zero() {
            return self.least;
        }
        let factor = unit.max(1e-9).powf(-1.0 / self.tail);
        self.least.mul_f64(factor.min(1e6)).min(self.longest)
    }
}

/// Faults do not come alone: in some stretches of ten seconds they are more frequent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Burst {
    /// The chance that a stretch is a bad one.
    pub chance: f64,
    /// How many times as frequent the faults are then.
    pub factor: f64,
}

/// The dependency is off the network now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outages {
    /// The mean time between two of them.
    pub every: Duration,
    /// The longest; the shortest is a second.
    pub longest: Duration,
}

/// What a dependency does besides answering badly; which tricks these are depends on who it is (see
/// [`FaultSchedule`](super::FaultSchedule)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mischief {
    /// The mean time between two tricks; `None` for none.
    pub every: Option<Duration>,
    /// The chance that somebody else writes at the very moment of a write (Dataverse, Cosmos DB), or that a completed
    /// message is not completed (Service Bus).
    pub races: f64,
    /// How late events and orders can be (Commerce).
    pub late: Duration,
}

/// How it is with one dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRates {
    /// What can happen to a call.
    pub faults: Faults,
    /// How long a call takes.
    pub latency: Latency,
    /// When faults are more frequent.
    pub burst: Burst,
    /// When it is off the network.
    pub outages: Option<Outages>,
    /// What else it does.
    pub mischief: Mischief,
}

impl FaultRates {
    /// Two calls in a hundred are disturbed.
    pub fn rough() -> Self {
        Self {
            faults: Faults {
                throttled: 0.006,
                unavailable: 0.004,
                failing: 0.003,
                gateway: 0.002,
                masked: 0.001,
                broken_before: 0.002,
                broken_after: 0.0015,
                cut_short: 0.0015,
                hanging: 0.0002,
            },
            latency: Latency { least: MILLISECOND, tail: 1.5, longest: 500 * MILLISECOND },
            burst: Burst { chance: 0.05, factor: 4.0 },
            outages: Some(Outages { every: 120 * SECOND, longest: 3 * SECOND }),
            mischief: Mischief { every: Some(20 * SECOND), races: 0.01, late: 3 * SECOND },
        }
    }

    /// Ten calls in a hundred are disturbed.
    pub fn storm() -> Self {
        Self {
            faults: Faults {
                throttled: 0.022,
                unavailable: 0.016,
                failing: 0.014,
                gateway: 0.008,
                masked: 0.004,
                broken_before: 0.008,
                broken_after: 0.006,
                cut_short: 0.006,
                hanging: 0.001,
            },
            latency: Latency { least: 2 * MILLISECOND, tail: 1.2, longest: 1500 * MILLISECOND },
            burst: Burst { chance: 0.08, factor: 4.0 },
            outages: Some(Outages { every: 45 * SECOND, longest: 6 * SECOND }),
            mischief: Mischief { every: Some(4 * SECOND), races: 0.04, late: 12 * SECOND },
        }
    }
}

/// How it is with each dependency; fair with those who are not named.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FaultProfile {
    conditions: BTreeMap<Dependency, FaultRates>,
}

impl FaultProfile {
    /// NoFaults weather.
    pub fn none() -> Self {
        Self::default()
    }

    /// [`FaultRates::rough`] everywhere.
    pub fn rough() -> Self {
        Self::everywhere(FaultRates::rough())
    }

    /// [`FaultRates::storm`] everywhere.
    pub fn storm() -> Self {
        Self::everywhere(FaultRates::storm())
    }

    /// The same conditions with every dependency.
    pub fn everywhere(conditions: FaultRates) -> Self {
        Dependency::ALL.into_iter().fold(Self::none(), |climate, dependency| climate.with(dependency, conditions))
    }

    /// The same climate with other conditions with one dependency.
    #[must_use]
    pub fn with(mut self, dependency: Dependency, conditions: FaultRates) -> Self {
        if conditions == FaultRates::default() {
            self.conditions.remove(&dependency);
        } else {
            self.conditions.insert(dependency, conditions);
        }
        self
    }

    /// How it is with this dependency.
    pub fn of(&self, dependency: Dependency) -> FaultRates {
        self.conditions.get(&dependency).copied().unwrap_or_default()
    }

    /// Whether the weather is fair everywhere.
    pub fn is_none(&self) -> bool {
        self.conditions.is_empty()
    }

    /// App settings with which a day in this climate settles within minutes: the handler's patience is cut to the
    /// sandbox's size, in the proportions of the defaults. None for fair weather.
    pub fn suggested_settings(&self) -> BTreeMap<String, String> {
        if self.is_none() {
            return BTreeMap::new();
        }
        [
            ("PollSchedule", "*/2 * * * * *"),
            // Longer than any commit is late.
            ("PollOverlap", "00:00:30"),
            ("RequestTimeout", "00:00:05"),
            ("LeaseDuration", "00:00:15"),
            ("RetryFirstDelay", "00:00:01"),
            ("RetryLongestDelay", "00:00:20"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// How far the shop's clock is off, for [`EnvironmentOptions::shop_skew`](crate::environment::EnvironmentOptions::shop_skew): within
    /// a minute ahead or behind where Commerce has any tricks at all, and the less the milder its climate.
    pub fn shop_skew(&self, seed: u64) -> TimeDelta {
        let Mischief { every, late, .. } = self.of(Dependency::Commerce).mischief;
        if every.is_none() || late.is_zero() {
            return TimeDelta::zero();
        }
        let most = i64::try_from(late.as_secs()).unwrap_or(i64::MAX).saturating_mul(4).clamp(1, 55);
        let drawn = mix(seed, &[0xc10c]);
        let seconds = most - i64::try_from(drawn % 5).unwrap_or_default();
        TimeDelta::seconds(if drawn & 8 == 0 { seconds } else { -seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_long_and_ends() {
        let latency = FaultRates::storm().latency;
        assert_eq!(latency.at(1.0), latency.least);
        assert!(latency.at(0.5) < Duration::from_millis(5));
        assert!(latency.at(0.01) > Duration::from_millis(80));
        assert_eq!(latency.at(0.0), latency.longest);
        assert_eq!(Latency::default().at(0.0), Duration::ZERO);
    }

    #[test]
    fn clocks_are_apart_by_less_than_a_minute_and_in_both_directions() {
        let skews: Vec<_> = (1..=10).map(|seed| FaultProfile::storm().shop_skew(seed).num_seconds()).collect();
        assert!(skews.iter().all(|skew| (30..60).contains(&skew.abs())), "{skews:?}");
        assert!(skews.iter().any(|skew| *skew > 0) && skews.iter().any(|skew| *skew < 0), "{skews:?}");
        assert_eq!(FaultProfile::none().shop_skew(1), TimeDelta::zero());
    }

    #[test]
    fn commits_are_never_later_than_the_poller_looks_back() {
        assert!(FaultRates::storm().mischief.late < Duration::from_secs(30));
        assert_eq!(FaultProfile::storm().suggested_settings()["PollOverlap"], "00:00:30");
        assert!(FaultProfile::none().suggested_settings().is_empty());
    }
}
