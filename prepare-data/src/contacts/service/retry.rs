//! Repeats requests that failed for a transient reason.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use commerce_journeys::clients::dataverse::DataverseError;
use commerce_journeys::clients::store::StoreError;

use super::Service;
use crate::contacts::error::SyncError;

/// Why an attempt failed.
pub(super) enum Failure {
    /// It may succeed later.
    Transient(String, Option<Duration>),
    Permanent(SyncError),
}

impl From<DataverseError> for Failure {
    fn from(error: DataverseError) -> Self {
        match error {
            DataverseError::Unavailable { cause, retry_after } => Self::Transient(cause, retry_after),
            // All requests may be repeated: reads, and writes whose condition is false after the first one.
            DataverseError::AnswerLost(cause) | DataverseError::Failed(cause) => Self::Transient(cause, None),
            DataverseError::Denied(_)
            | DataverseError::NotFound { .. }
            | DataverseError::Conflict { .. }
            | DataverseError::Refused(_) => Self::Permanent(SyncError::Dataverse(error)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { cause, retry_after } => Self::Transient(cause, retry_after),
            StoreError::Conflict(cause) => Self::Transient(cause, None),
            StoreError::Denied(_) | StoreError::Refused(_) => Self::Permanent(SyncError::Store(error)),
        }
    }
}

/// The failures of one operation.
#[derive(Default)]
pub(super) struct RetryState {
    failures: u32,
    since: Option<DateTime<Utc>>,
}

impl Service {
    /// Repeats an attempt until it succeeds, fails permanently, or the retry horizon is reached. A pause stops all requests.
    pub(super) async fn with_retry<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, SyncError> {
        let mut retries = RetryState::default();
        loop {
            let permit = self.rate_limiter.acquire().await;
            let result = attempt().await;
            drop(permit);
            match result {
                Ok(value) => return Ok(value),
                Err(failure) => self.rate_limiter.pause(self.pause(&mut retries, failure)?),
            }
        }
    }

    /// The delay after a failure.
    pub(super) fn pause(&self, retries: &mut RetryState, failure: Failure) -> Result<Duration, SyncError> {
        let (cause, hint) = match failure {
            Failure::Transient(cause, hint) => (cause, hint),
            Failure::Permanent(error) => return Err(error),
        };
        let now = self.clock.now();
        if self.retry_policy.is_exhausted(*retries.since.get_or_insert(now), now) {
            return Err(SyncError::Unavailable(cause));
        }
        retries.failures += 1;
        let pause = self.retry_policy.delay(retries.failures, self.clock.chance(), hint);
        tracing::warn!(cause, pause_seconds = pause.as_secs(), "waiting, then trying again");
        Ok(pause)
    }
}
