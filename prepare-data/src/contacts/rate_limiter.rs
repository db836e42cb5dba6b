//! Limits the rate of requests to Dataverse.
//!
//! Microsoft's page "Service protection API limits": 6,000 requests and 1,200 seconds of execution within 300 seconds,
//! per user and web server. Four concurrent requests use those 1,200 seconds, so a limit of concurrent requests keeps the
//! second limit, and is far below the third one (52 concurrent requests).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commerce_journeys::clock::SharedClock;
use tokio::sync::{Semaphore, SemaphorePermit};

const WINDOW: Duration = Duration::from_secs(300);
const REQUESTS: u32 = 6000;
const EXECUTION: Duration = Duration::from_secs(1200);

/// Limits how many requests are sent, and how many run concurrently.
#[derive(Debug)]
pub(super) struct RateLimiter {
    clock: SharedClock,
    concurrency: usize,
    between: Duration,
    permits: Semaphore,
    schedule: Mutex<Schedule>,
}

#[derive(Debug, Default)]
struct Schedule {
    /// When the next request may be sent.
    next: Option<DateTime<Utc>>,
    requests: u64,
    pauses: u64,
}

impl RateLimiter {
    /// `share` is the percentage of the limits that may be used.
    pub(super) fn new(share: u8, clock: SharedClock) -> Self {
        let share = u32::from(share.clamp(1, 100));
        let most = u32::try_from(EXECUTION.as_secs() / WINDOW.as_secs()).unwrap_or(1);
        let concurrency = usize::try_from(most * share / 100).unwrap_or(1).max(1);
        let between = WINDOW * 100 / (REQUESTS * share);
        Self { clock, concurrency, between, permits: Semaphore::new(concurrency), schedule: Mutex::default() }
    }

    /// Number of concurrent requests.
    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Waits until a request may be sent. Dropping the permit ends the request.
    pub(super) async fn acquire(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = self.permits.acquire().await.ok();
        loop {
            let now = self.clock.now();
            let wait = {
                let mut schedule = self.lock();
                match schedule.next.filter(|next| *next > now) {
                    Some(next) => (next - now).to_std().unwrap_or_default(),
                    None => {
                        schedule.next = Some(now + self.between);
                        schedule.requests += 1;
                        return permit;
                    }
                }
            };
            self.clock.sleep(wait).await;
        }
    }

    /// Sends no request before the pause is over.
    pub(super) fn pause(&self, pause: Duration) {
        let until = self.clock.now() + TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        let mut schedule = self.lock();
        schedule.next = schedule.next.max(Some(until));
        schedule.pauses += 1;
    }

    /// Requests that were sent.
    pub(super) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// Number of pauses.
    pub(super) fn pauses(&self) -> u64 {
        self.lock().pauses
    }

    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use commerce_journeys::clock::SystemClock;

    use super::*;

    #[test]
    fn a_share_bounds_both_requests_and_execution_time() {
        let of = |share| {
            let limiter = RateLimiter::new(share, Arc::new(SystemClock));
            (limiter.concurrency, limiter.between)
        };
        assert_eq!(of(100), (4, Duration::from_millis(50)));
        assert_eq!(of(50), (2, Duration::from_millis(100)));
        assert_eq!(of(1), (1, Duration::from_secs(5)));
    }
}
