//! One preparation at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::milliseconds;

/// The lock of the running preparation.
#[derive(Debug, Default)]
pub(super) struct RunLock {
    /// Start of the running preparation.
    since: Mutex<Option<Instant>>,
}

impl RunLock {
    /// Acquires the lock until the guard is dropped. The error is the time, in milliseconds, since the other run started.
    pub(super) fn acquire(&self) -> Result<RunGuard<'_>, u64> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match *since {
            Some(started) => Err(milliseconds(started)),
            None => {
                *since = Some(Instant::now());
                Ok(RunGuard(self))
            }
        }
    }
}

/// Releases the lock when it is dropped.
pub(super) struct RunGuard<'a>(&'a RunLock);

impl Drop for RunGuard<'_> {
    fn drop(&mut self) {
        *self.0.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
