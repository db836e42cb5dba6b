//! Forgets how far the events of a type were read that is not polled any more.
//!
//! A type is polled while an enabled journey has it. If reading continued at an old cursor when a journey is enabled again
//! after months, it would start for every event of these months. Without a cursor, reading begins as for a new type.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{PollError, Run};
use crate::telemetry::LogEvent;

/// How long after its first run a process looks for such cursors. During a deployment, the process that it replaces may
/// still poll other types.
const DELAY: Duration = Duration::from_secs(90);

/// When this process looks for cursors: once.
#[derive(Debug, Default)]
pub(in crate::functions) struct UnpolledTypes(Mutex<Option<DateTime<Utc>>>);

impl UnpolledTypes {
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        let mut due = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *due.get_or_insert(now + DELAY) <= now
    }

    fn done(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(DateTime::<Utc>::MAX_UTC);
    }
}

impl Run<'_> {
    /// Deletes the cursors of types that are not polled. If that fails, a later run does it.
    pub(super) async fn forget_unpolled_types(&self) -> Result<(), PollError> {
        let services = self.services;
        if self.should_stop()
            || services.event_types.is_empty()
            || !services.unpolled_types.is_due(services.clock.now())
        {
            return Ok(());
        }
        for cursor in services.store.other_cursors(&services.event_types).await? {
            services.store.delete_cursor(&cursor).await?;
            LogEvent::CursorDeleted { cursor: &cursor }.log();
        }
        services.unpolled_types.done();
        Ok(())
    }
}
