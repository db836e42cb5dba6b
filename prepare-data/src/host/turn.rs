//! One preparation at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::milliseconds;

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Since when a preparation is under way.
    since: Mutex<Option<Instant>>,
}

impl Turn {
    /// Takes the turn until the guard is dropped; an error is the time, in milliseconds, that whoever has it has had it.
    pub(super) fn take(&self) -> Result<Guard<'_>, u64> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        match *since {
            Some(began) => Err(milliseconds(began)),
            None => {
                *since = Some(Instant::now());
                Ok(Guard(self))
            }
        }
    }
}

/// The turn of the one who holds it.
pub(super) struct Guard<'a>(&'a Turn);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        *self.0.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
