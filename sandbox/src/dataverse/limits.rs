//! Service protection limits: the number of requests in a sliding window, and the number of concurrent requests.
//!
//! Microsoft's page: "Service protection API limits". The third limit, combined execution time, is not implemented,
//! because requests take no time here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};

use super::error::{self, ODataError};

/// The limits for one application user on one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a window.
    pub requests: usize,
    /// The window's length.
    pub window: Duration,
    /// Concurrent requests.
    pub concurrent: usize,
    /// The execution time of each request, by the machine's clock. Without it, two requests are rarely concurrent.
    pub work: Duration,
}

impl Default for Limits {
    /// The documented defaults, and no execution time.
    fn default() -> Self {
        Self { requests: 6000, window: Duration::from_secs(300), concurrent: 52, work: Duration::ZERO }
    }
}

/// Counts requests against the limits.
pub(super) struct Gate {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The arrival times of the requests in the window, including rejected ones: further requests make the wait longer.
    arrivals: VecDeque<DateTime<Utc>>,
    at_work: usize,
}

/// A request in execution.
pub(super) struct Pass(Arc<Gate>);

impl Gate {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// The execution time of a request.
    pub(super) fn work(&self) -> Duration {
        self.limits.work
    }

    /// Admits a request, or returns the error with the time to wait.
    pub(super) fn enter(self: &Arc<Self>, now: DateTime<Utc>) -> Result<Pass, ODataError> {
        let Limits { requests, window, concurrent, .. } = self.limits;
        let mut state = self.lock();
        while state.arrivals.front().is_some_and(|arrival| *arrival + window <= now) {
            state.arrivals.pop_front();
        }
        state.arrivals.push_back(now);
        if let Some(earlier) = state.arrivals.len().checked_sub(requests + 1) {
            let free = state.arrivals.get(earlier).map_or(now, |arrival| *arrival + window);
            return Err(too_many_requests(requests, window, free - now));
        }
        if state.at_work >= concurrent {
            return Err(too_many_at_once(concurrent));
        }
        state.at_work += 1;
        Ok(Pass(self.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.at_work = state.at_work.saturating_sub(1);
    }
}

fn too_many_requests(requests: usize, window: Duration, wait: chrono::TimeDelta) -> ODataError {
    let seconds = window.as_secs();
    let message = format!("Number of requests exceeded the limit of {requests} over time window of {seconds} seconds.");
    // Rounded up, so that a caller who waits exactly this long is admitted.
    let wait = wait.num_milliseconds().max(1).unsigned_abs().div_ceil(1000);
    ODataError { retry_after: Some(wait), ..ODataError::new(StatusCode::TOO_MANY_REQUESTS, error::REQUESTS, message) }
}

fn too_many_at_once(concurrent: usize) -> ODataError {
    let message = format!("Number of concurrent requests exceeded the limit of {concurrent}.");
    // The wait that Dataverse requests here is not documented.
    ODataError { retry_after: Some(2), ..ODataError::new(StatusCode::TOO_MANY_REQUESTS, error::CONCURRENT, message) }
}
