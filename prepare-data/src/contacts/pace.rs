//! How fast Dataverse is called.
//!
//! Microsoft's page "Service protection API limits": 6,000 requests and 1,200 seconds of execution within 300 seconds,
//! per user and web server. Four requests at work all the time are those 1,200 seconds, so a bound on the requests at
//! once keeps the second limit, whatever a request costs, and is far below the third (52 requests at once).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use commerce_journeys::clock::SharedClock;
use tokio::sync::{Semaphore, SemaphorePermit};

const WINDOW: Duration = Duration::from_secs(300);
const REQUESTS: u32 = 6000;
const EXECUTION: Duration = Duration::from_secs(1200);

/// Lets requests pass.
#[derive(Debug)]
pub(super) struct Pace {
    clock: SharedClock,
    at_once: usize,
    between: Duration,
    places: Semaphore,
    road: Mutex<Road>,
}

#[derive(Debug, Default)]
struct Road {
    /// When the next request may leave.
    free: Option<DateTime<Utc>>,
    requests: u64,
    held: u64,
}

impl Pace {
    /// `share` is the percentage of the limits that may be used.
    pub(super) fn new(share: u8, clock: SharedClock) -> Self {
        let share = u32::from(share.clamp(1, 100));
        let most = u32::try_from(EXECUTION.as_secs() / WINDOW.as_secs()).unwrap_or(1);
        let at_once = usize::try_from(most * share / 100).unwrap_or(1).max(1);
        let between = WINDOW * 100 / (REQUESTS * share);
        Self { clock, at_once, between, places: Semaphore::new(at_once), road: Mutex::default() }
    }

    /// Requests that may be at work together.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// Waits for a place on the road, which is given back when the permit is dropped.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        let permit = self.places.acquire().await.ok();
        loop {
            let now = self.clock.now();
            let wait = {
                let mut road = self.lock();
                match road.free.filter(|free| *free > now) {
                    Some(free) => (free - now).to_std().unwrap_or_default(),
                    None => {
                        road.free = Some(now + self.between);
                        road.requests += 1;
                        return permit;
                    }
                }
            };
            self.clock.sleep(wait).await;
        }
    }

    /// Dataverse asks for a pause: nobody leaves before it is over.
    pub(super) fn hold(&self, pause: Duration) {
        let until = self.clock.now() + TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX);
        let mut road = self.lock();
        road.free = road.free.max(Some(until));
        road.held += 1;
    }

    /// How many requests have left.
    pub(super) fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// How often there was a pause.
    pub(super) fn pauses(&self) -> u64 {
        self.lock().held
    }

    fn lock(&self) -> MutexGuard<'_, Road> {
        self.road.lock().unwrap_or_else(PoisonError::into_inner)
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
            let pace = Pace::new(share, Arc::new(SystemClock));
            (pace.at_once, pace.between)
        };
        assert_eq!(of(100), (4, Duration::from_millis(50)));
        assert_eq!(of(50), (2, Duration::from_millis(100)));
        assert_eq!(of(1), (1, Duration::from_secs(5)));
    }
}
