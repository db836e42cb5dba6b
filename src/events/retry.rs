//! When to try again, and when to give up.

use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// How failures that may pass are spread over time. One policy for everything that is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first failure.
    pub first_delay: Duration,
    /// No wait is longer, whatever a dependency asks for.
    pub longest_delay: Duration,
    /// How long after its first failure an event is given up.
    pub horizon: Duration,
}

impl RetryPolicy {
    /// The wait after the `failures`-th failure (from 1): doubles each time up to the longest delay, minus up to a
    /// tenth by `chance` (0 to 1) so that what failed together does not return together. A dependency's `Retry-After`
    /// only ever lengthens it.
    pub fn delay(&self, failures: u32, chance: f64, hint: Option<Duration>) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let grown = self.first_delay.saturating_mul(1_u32 << doublings).min(self.longest_delay);
        let spread = grown.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 10.0);
        spread.max(hint.unwrap_or_default()).min(self.longest_delay)
    }

    /// Whether something that first failed at `since` is to be given up at `now`.
    pub fn is_over(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
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
        let waits: Vec<u64> = (1..=9).map(|n| POLICY.delay(n, 0.0, None).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
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
        fn no_wait_is_longer_than_the_longest_nor_shorter_than_nine_tenths(failures in 1_u32.., chance in 0.0..1.0_f64, hint in 0_u64..10_000_000) {
            let hint = Duration::from_secs(hint);
            let (plain, hinted) = (POLICY.delay(failures, chance, None), POLICY.delay(failures, chance, Some(hint)));
            proptest::prop_assert!(plain >= POLICY.first_delay.mul_f64(0.9) && plain <= POLICY.longest_delay);
            proptest::prop_assert!(hinted >= plain && hinted <= POLICY.longest_delay, "a hint only lengthens, and is capped");
            proptest::prop_assert!(hinted >= hint.min(POLICY.longest_delay), "a hint is obeyed");
        }

        #[test]
        fn waits_never_shrink_from_failure_to_failure(failures in 1_u32..1000, chance in 0.0..1.0_f64) {
            proptest::prop_assert!(POLICY.delay(failures + 1, chance, None) >= POLICY.delay(failures, chance, None));
        }
    }

    #[test]
    fn gives_up_at_the_horizon() {
        let since = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        assert!(!POLICY.is_over(since, since + TimeDelta::hours(23)));
        assert!(POLICY.is_over(since, since + TimeDelta::hours(24)));
    }
}
