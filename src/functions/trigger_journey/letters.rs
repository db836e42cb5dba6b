//! The dead letters that one request has taken from the queue.
//!
//! Service Bus cannot receive a message by its id, and gives a released one out again at once. So the messages stay locked
//! until the request ends: their locks are renewed, and one that comes again because its lock has expired counts once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::join_all;

use crate::clients::bus::{BusError, DeadLetter};
use crate::events::EventId;
use crate::functions::Services;
use crate::telemetry::LogEvent;

/// After this time no further dead letter is received. Azure ends an HTTP request after 230 seconds.
const TIME_BUDGET: Duration = Duration::from_secs(150);

/// Locks older than this are renewed. A lock lasts a minute by default.
const RENEW_AFTER: Duration = Duration::from_secs(15);

/// Concurrent requests that renew or release locks.
const CONCURRENCY: usize = 32;

/// Why no further dead letter is received although there may be more.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// Service Bus has failed.
    Unavailable(BusError),
    /// The request takes too long.
    OutOfTime,
}

/// The dead letters of one request, each with a result.
pub(super) struct Letters<'a, T> {
    services: &'a Services,
    stop_at: DateTime<Utc>,
    received: usize,
    taken: Vec<Taken<T>>,
}

struct Taken<T> {
    letter: DeadLetter,
    locked_at: DateTime<Utc>,
    event: Option<EventId>,
    result: T,
    /// Whether it is to be removed from the queue.
    is_done: bool,
    /// Whether the queue still contains it.
    on_queue: bool,
}

impl<'a, T> Letters<'a, T> {
    pub(super) fn new(services: &'a Services) -> Self {
        let stop_at = services.clock.now() + TIME_BUDGET;
        Self { services, stop_at, received: 0, taken: Vec::new() }
    }

    /// Receives a dead letter that this request does not have yet. `None` at the end of the queue, or after `max`.
    pub(super) async fn next(&mut self, max: usize) -> Result<Option<DeadLetter>, Interrupted> {
        while self.taken.len() < max {
            // Locks that expire at once would otherwise repeat this for ever.
            if self.services.clock.now() >= self.stop_at || self.received >= 2 * max {
                return Err(Interrupted::OutOfTime);
            }
            self.renew_locks().await;
            let received = self.services.bus.next_dead_letter().await.map_err(Interrupted::Unavailable)?;
            let Some(letter) = received else { return Ok(None) };
            self.received += 1;
            let locked_at = self.services.clock.now();
            match self.taken.iter_mut().find(|taken| letter.is_same_as(&taken.letter)) {
                Some(taken) => (taken.letter, taken.locked_at) = (letter, locked_at),
                None => return Ok(Some(letter)),
            }
            self.remove_done().await;
        }
        Ok(None)
    }

    /// Keeps a letter until the request ends, or removes it from the queue if `is_done`.
    pub(super) async fn keep(&mut self, letter: DeadLetter, event: Option<EventId>, result: T, is_done: bool) {
        let locked_at = self.services.clock.now();
        self.taken.push(Taken { letter, locked_at, event, result, is_done, on_queue: true });
        self.remove_done().await;
    }

    /// Unlocks the letters that stay on the queue. Returns the results, each with whether the queue still contains it.
    pub(super) async fn release(self) -> Vec<(T, bool)> {
        for some in self.taken.chunks(CONCURRENCY) {
            let kept = some.iter().filter(|taken| taken.on_queue);
            join_all(kept.map(|taken| async { log_failure(taken.event.as_ref(), taken.letter.release().await) })).await;
        }
        self.taken.into_iter().map(|taken| (taken.result, taken.on_queue)).collect()
    }

    /// Removes the letters that are done. If that fails, a letter is received again when its lock expires, now or by the next
    /// request.
    async fn remove_done(&mut self) {
        for taken in self.taken.iter_mut().filter(|taken| taken.is_done && taken.on_queue) {
            taken.on_queue = !log_failure(taken.event.as_ref(), taken.letter.complete().await);
        }
    }

    /// Keeps the locks. A letter without a lock would be received again.
    async fn renew_locks(&mut self) {
        let now = self.services.clock.now();
        for some in self.taken.chunks_mut(CONCURRENCY) {
            let old = some.iter_mut().filter(|taken| taken.on_queue && now >= taken.locked_at + RENEW_AFTER);
            join_all(old.map(|taken| async move {
                if log_failure(taken.event.as_ref(), taken.letter.renew().await) {
                    taken.locked_at = now;
                }
            }))
            .await;
        }
    }
}

/// Logs a failed request about a letter. Returns whether it succeeded.
fn log_failure(event: Option<&EventId>, outcome: Result<(), BusError>) -> bool {
    if let Err(error) = &outcome {
        LogEvent::DeadLetterNotSettled { event_id: event.map(EventId::as_str), detail: &error.to_string() }.log();
    }
    outcome.is_ok()
}
