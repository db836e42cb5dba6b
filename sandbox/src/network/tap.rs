//! Calls as they went, for those who watch.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::broadcast;

use super::Dependency;

/// Calls that a slow watcher may leave unread before it misses some.
const UNREAD: usize = 4096;

/// One call that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// Who was called.
    pub dependency: Dependency,
    /// What was answered; nothing if the connection broke or the caller stopped waiting.
    pub status: Option<StatusCode>,
    /// How long it took, by the machine's clock.
    pub took: Duration,
}

pub(super) fn sender() -> broadcast::Sender<CallEvent> {
    broadcast::Sender::new(UNREAD)
}

/// A call under way; told when it is answered, or given up.
pub(super) struct Passing<'a> {
    tap: &'a broadcast::Sender<CallEvent>,
    dependency: Dependency,
    begun: Instant,
    status: Option<StatusCode>,
}

impl<'a> Passing<'a> {
    pub(super) fn new(tap: &'a broadcast::Sender<CallEvent>, dependency: Dependency) -> Self {
        Self { tap, dependency, begun: Instant::now(), status: None }
    }

    pub(super) fn answered(mut self, status: Option<StatusCode>) {
        self.status = status;
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        // Nobody need be watching.
        let _ =
            self.tap.send(CallEvent { dependency: self.dependency, status: self.status, took: self.begun.elapsed() });
    }
}
