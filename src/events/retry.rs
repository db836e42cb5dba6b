//! When to retry, and when to stop.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// The retry policy for temporary failures. There is one policy for all retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The delay after the first failure.
    pub first_delay: Duration,
    /// The maximum delay, even if a dependency asks for a longer one.
    pub longest_delay: Duration,
    /// An event fails permanently after it has been failing for this time.
    pub horizon: Duration,
}

impl RetryPolicy {
    /// The delay after the `failures`-th failure (from 1). It doubles up to the longest delay. `chance` (0 to 1) shortens
    /// it by up to a tenth, so that not all retries happen at once. A `Retry-After` can only lengthen it.
    pub fn delay(&self, failures: u32, chance: f64, hint: Option<Duration>) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let grown = self.first_delay.saturating_mul(1_u32 << doublings).min(self.longest_delay);
        let spread = grown.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 10.0);
        spread.max(hint.unwrap_or_default()).min(self.longest_delay)
    }

    /// Whether the retry horizon of something that first failed at `since` has passed at `now`.
    pub fn is_exhausted(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now - since >= TimeDelta::from_std(self.horizon).unwrap_or(TimeDelta::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        first_delay: Duration::from_secs(10),
        longest_delay: Duration::from_secs(900),
        horizon: Duration::from_secs(86_400),
    };

    #[test]
    fn doubles_up_to_the_longest_delay() {
        let delays: Vec<u64> = (1..=9).map(|n| POLICY.delay(n, 0.0, None).as_secs()).collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(POLICY.delay(u32::MAX, 0.0, None), POLICY.longest_delay);
    }

    #[test]
    fn a_hint_only_lengthens_and_is_capped() {
        let at = |hint| POLICY.delay(2, 0.5, Some(Duration::from_secs(hint)));
        assert_eq!(at(1), Duration::from_secs(19));
        assert_eq!(at(60), Duration::from_secs(60));
        assert_eq!(at(100_000), POLICY.longest_delay);
    }

    proptest::proptest! {
        #[test]
        fn every_delay_is_within_its_bounds(failures in 1_u32.., chance in 0.0..1.0_f64, hint in 0_u64..10_000_000) {
            let hint = Duration::from_secs(hint);
            let (plain, hinted) = (POLICY.delay(failures, chance, None), POLICY.delay(failures, chance, Some(hint)));
            proptest::prop_assert!(plain >= POLICY.first_delay.mul_f64(0.9) && plain <= POLICY.longest_delay);
            proptest::prop_assert!(hinted >= plain && hinted <= POLICY.longest_delay, "a hint only lengthens the delay, up to the maximum");
            proptest::prop_assert!(hinted >= hint.min(POLICY.longest_delay), "a hint is respected");
        }

        #[test]
        fn delays_never_decrease(failures in 1_u32..1000, chance in 0.0..1.0_f64) {
            proptest::prop_assert!(POLICY.delay(failures + 1, chance, None) >= POLICY.delay(failures, chance, None));
        }
    }

    #[test]
    fn retries_end_at_the_horizon() {
        let since = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert!(!POLICY.is_exhausted(since, since + TimeDelta::hours(23)));
        assert!(POLICY.is_exhausted(since, since + TimeDelta::hours(24)));
    }
}
