//! The faults of a whole environment: fault rates for each dependency.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;

use super::mix;
use super::rates::{BackgroundFaults, FaultRates};
use crate::network::Dependency;

/// The fault rates of each dependency. A dependency without rates has no faults.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FaultProfile {
    rates: BTreeMap<Dependency, FaultRates>,
}

impl FaultProfile {
    /// No faults.
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

    /// The same rates for every dependency.
    pub fn everywhere(rates: FaultRates) -> Self {
        Dependency::ALL.into_iter().fold(Self::none(), |profile, dependency| profile.with(dependency, rates))
    }

    /// The same profile with other rates for one dependency.
    #[must_use]
    pub fn with(mut self, dependency: Dependency, rates: FaultRates) -> Self {
        if rates == FaultRates::default() {
            self.rates.remove(&dependency);
        } else {
            self.rates.insert(dependency, rates);
        }
        self
    }

    /// The rates of a dependency.
    pub fn of(&self, dependency: Dependency) -> FaultRates {
        self.rates.get(&dependency).copied().unwrap_or_default()
    }

    /// Whether there are no faults at all.
    pub fn is_none(&self) -> bool {
        self.rates.is_empty()
    }

    /// App settings with which a run with these faults finishes within minutes: the handler's time-outs and waits are
    /// shortened, in the proportions of the defaults. Empty if there are no faults.
    pub fn suggested_settings(&self) -> BTreeMap<String, String> {
        if self.is_none() {
            return BTreeMap::new();
        }
        [
            ("PollSchedule", "*/2 * * * * *"),
            // Longer than the longest commit delay.
            ("PollOverlap", "00:00:30"),
            ("RequestTimeout", "00:00:05"),
            ("LeaseDuration", "00:00:15"),
            ("RetryFirstDelay", "00:00:01"),
            ("RetryLongestDelay", "00:00:20"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// The skew of the shop's clock, for
    /// [`EnvironmentOptions::shop_skew`](crate::environment::EnvironmentOptions::shop_skew). It is less than a minute
    /// ahead or behind, smaller for milder faults, and zero if Commerce has no background faults.
    pub fn shop_skew(&self, seed: u64) -> TimeDelta {
        let BackgroundFaults { interval, max_delay, .. } = self.of(Dependency::Commerce).background;
        if interval.is_none() || max_delay.is_zero() {
            return TimeDelta::zero();
        }
        let most = i64::try_from(max_delay.as_secs()).unwrap_or(i64::MAX).saturating_mul(4).clamp(1, 55);
        let drawn = mix(seed, &[0xc10c]);
        let seconds = most - i64::try_from(drawn % 5).unwrap_or_default();
        TimeDelta::seconds(if drawn & 8 == 0 { seconds } else { -seconds })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_clock_skew_is_less_than_a_minute_in_both_directions() {
        let skews: Vec<_> = (1..=10).map(|seed| FaultProfile::storm().shop_skew(seed).num_seconds()).collect();
        assert!(skews.iter().all(|skew| (30..60).contains(&skew.abs())), "{skews:?}");
        assert!(skews.iter().any(|skew| *skew > 0) && skews.iter().any(|skew| *skew < 0), "{skews:?}");
        assert_eq!(FaultProfile::none().shop_skew(1), TimeDelta::zero());
    }

    #[test]
    fn commit_delays_are_shorter_than_the_poll_overlap() {
        assert!(FaultRates::storm().background.max_delay < Duration::from_secs(30));
        assert_eq!(FaultProfile::storm().suggested_settings()["PollOverlap"], "00:00:30");
        assert!(FaultProfile::none().suggested_settings().is_empty());
    }
}
