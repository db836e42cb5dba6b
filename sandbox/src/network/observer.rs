//! Reports finished calls to observers.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::broadcast;

use super::Dependency;

/// The number of calls that are kept for a slow observer.
const CAPACITY: usize = 4096;

/// A call that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// The dependency that was called.
    pub dependency: Dependency,
    /// The reply's status. `None` if the connection broke or the caller stopped waiting.
    pub status: Option<StatusCode>,
    /// How long the call took, by the machine's clock.
    pub took: Duration,
}

pub(super) fn sender() -> broadcast::Sender<CallEvent> {
    broadcast::Sender::new(CAPACITY)
}

/// A call in progress. It is reported when it is answered or cancelled.
pub(super) struct OngoingCall<'a> {
    observers: &'a broadcast::Sender<CallEvent>,
    dependency: Dependency,
    began: Instant,
    status: Option<StatusCode>,
}

impl<'a> OngoingCall<'a> {
    pub(super) fn new(observers: &'a broadcast::Sender<CallEvent>, dependency: Dependency) -> Self {
        Self { observers, dependency, began: Instant::now(), status: None }
    }

    pub(super) fn answered(mut self, status: Option<StatusCode>) {
        self.status = status;
    }
}

impl Drop for OngoingCall<'_> {
    fn drop(&mut self) {
        let event = CallEvent { dependency: self.dependency, status: self.status, took: self.began.elapsed() };
        // There may be no observer.
        let _ = self.observers.send(event);
    }
}
