//! A value that many callers need, fetched by one request at a time.
//!
//! The first caller fetches. Callers that arrive meanwhile wait for the same outcome, a failure included, so that a
//! dependency that does not answer costs all of them one time-out and not one each. If the fetching caller is cancelled,
//! a waiting one takes its place.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// After a failed early refresh, the next one is not tried before this time has passed.
const REFRESH_PAUSE: TimeDelta = TimeDelta::seconds(30);

/// A fetched value and how long it may be used.
#[derive(Clone, Debug)]
pub(crate) struct Cached<T> {
    pub(crate) value: T,
    /// From then on it is fetched anew; until it expires it still serves if that fails.
    pub(crate) refresh_at: DateTime<Utc>,
    /// From then on it is not used.
    pub(crate) expires_at: DateTime<Utc>,
}

/// The value, and the request for it that is under way.
#[derive(Debug)]
pub(crate) struct SingleFlight<T, E>(Mutex<State<T, E>>);

#[derive(Debug)]
struct State<T, E> {
    cached: Option<Cached<T>>,
    /// The outcome of the request under way. Its sender is gone when the fetching caller was cancelled.
    flight: Option<watch::Receiver<Option<Result<T, E>>>>,
}

enum Role<T, E> {
    /// The value is there.
    Serve(T),
    /// Another caller fetches it.
    Wait(watch::Receiver<Option<Result<T, E>>>),
    /// This caller fetches it.
    Fetch(watch::Sender<Option<Result<T, E>>>),
}

impl<T, E> Default for SingleFlight<T, E> {
    fn default() -> Self {
        Self(Mutex::new(State { cached: None, flight: None }))
    }
}

impl<T: Clone, E: Clone> SingleFlight<T, E> {
    /// The value: the one at hand, the outcome of the request under way, or of a new request by `fetch`.
    ///
    /// # Errors
    ///
    /// The error of the request, if there is no value that is still good.
    pub(crate) async fn get(
        &self,
        now: impl Fn() -> DateTime<Utc>,
        fetch: impl AsyncFnOnce() -> Result<Cached<T>, E>,
    ) -> Result<T, E> {
        loop {
            match self.join(now()) {
                Role::Serve(value) => return Ok(value),
                Role::Fetch(sender) => {
                    let fetched = fetch().await;
                    let outcome = self.finish(fetched, now());
                    // Nobody need be waiting.
                    let _ = sender.send(Some(outcome.clone()));
                    return outcome;
                }
                Role::Wait(mut outcome) => {
                    if let Ok(outcome) = outcome.wait_for(Option::is_some).await
                        && let Some(outcome) = outcome.as_ref()
                    {
                        return outcome.clone();
                    }
                }
            }
        }
    }

    /// The same for a value that never expires.
    ///
    /// # Errors
    ///
    /// The error of the request.
    pub(crate) async fn get_once(&self, fetch: impl AsyncFnOnce() -> Result<T, E>) -> Result<T, E> {
        let never = DateTime::<Utc>::MAX_UTC;
        let cached = async || Ok(Cached { value: fetch().await?, refresh_at: never, expires_at: never });
        self.get(|| DateTime::<Utc>::MIN_UTC, cached).await
    }

    /// Forgets the value if `is_refused` says so of it. A request under way goes on.
    pub(crate) fn forget(&self, is_refused: impl FnOnce(&T) -> bool) {
        let mut state = self.state();
        if state.cached.as_ref().is_some_and(|cached| is_refused(&cached.value)) {
            state.cached = None;
        }
    }

    fn join(&self, now: DateTime<Utc>) -> Role<T, E> {
        let mut state = self.state();
        let good = state.cached.as_ref().filter(|cached| now < cached.expires_at);
        let under_way = state.flight.as_ref().filter(|flight| flight.has_changed().is_ok());
        match (good, under_way) {
            // While a refresh is under way, the value at hand still serves.
            (Some(cached), flight) if now < cached.refresh_at || flight.is_some() => Role::Serve(cached.value.clone()),
            (_, Some(flight)) => Role::Wait(flight.clone()),
            (_, None) => {
                let (sender, receiver) = watch::channel(None);
                state.flight = Some(receiver);
                Role::Fetch(sender)
            }
        }
    }

    /// Keeps a fetched value. After a failure, the value at hand serves on if it is still good.
    fn finish(&self, fetched: Result<Cached<T>, E>, now: DateTime<Utc>) -> Result<T, E> {
        let mut state = self.state();
        state.flight = None;
        match (fetched, state.cached.as_mut().filter(|cached| now < cached.expires_at)) {
            (Ok(fetched), _) => {
                let value = fetched.value.clone();
                state.cached = Some(fetched);
                Ok(value)
            }
            (Err(_), Some(cached)) => {
                cached.refresh_at = now + REFRESH_PAUSE;
                Ok(cached.value.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    /// Good for a minute, and to be refreshed after half of it.
    fn cached(value: &'static str, second: i64) -> Cached<&'static str> {
        Cached { value, refresh_at: at(second + 30), expires_at: at(second + 60) }
    }

    #[tokio::test]
    async fn all_callers_share_one_request_and_its_failure() {
        let cell = SingleFlight::<&str, &str>::default();
        let requests = AtomicUsize::new(0);
        let gate = Notify::new();
        let call = || {
            cell.get(
                || at(0),
                async || {
                    requests.fetch_add(1, Ordering::SeqCst);
                    gate.notified().await;
                    Err("no answer")
                },
            )
        };
        let calls = join_all((0..100).map(|_| call()));
        let (outcomes, ()) = tokio::join!(calls, async { gate.notify_one() });
        assert_eq!((requests.load(Ordering::SeqCst), outcomes.iter().all(|it| *it == Err("no answer"))), (1, true));
        // The next caller does not inherit the failure.
        assert_eq!(cell.get(|| at(1), async || Ok(cached("a", 1))).await, Ok("a"));
    }

    #[tokio::test]
    async fn a_value_that_never_expires_is_fetched_once_it_can_be() {
        let cell = SingleFlight::<&str, &str>::default();
        assert_eq!(cell.get_once(async || Err("no answer")).await, Err("no answer"));
        assert_eq!(cell.get_once(async || Ok("a")).await, Ok("a"));
        assert_eq!(cell.get_once(async || Err("not asked")).await, Ok("a"));
    }

    #[tokio::test]
    async fn a_cancelled_request_is_taken_over() {
        let cell = Arc::new(SingleFlight::<&str, &str>::default());
        let first = tokio::spawn({
            let cell = cell.clone();
            async move { cell.get(|| at(0), async || std::future::pending().await).await }
        });
        tokio::task::yield_now().await;
        let second = tokio::spawn({
            let cell = cell.clone();
            async move { cell.get(|| at(0), async || Ok(cached("b", 0))).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        assert_eq!(second.await.unwrap(), Ok("b"));
    }

    #[tokio::test]
    async fn a_value_that_is_still_good_serves_when_its_refresh_fails() {
        let cell = SingleFlight::<&str, &str>::default();
        assert_eq!(cell.get(|| at(0), async || Ok(cached("a", 0))).await, Ok("a"));
        assert_eq!(cell.get(|| at(29), async || Err("not asked")).await, Ok("a"));
        assert_eq!(cell.get(|| at(31), async || Err("no answer")).await, Ok("a"));
        // It is not refreshed again at once, and not used when it has expired.
        assert_eq!(cell.get(|| at(32), async || Ok(cached("too early", 32))).await, Ok("a"));
        assert_eq!(cell.get(|| at(60), async || Err("no answer")).await, Err("no answer"));
    }

    #[tokio::test]
    async fn a_refused_value_is_forgotten_unless_it_was_replaced() {
        let cell = SingleFlight::<&str, &str>::default();
        assert_eq!(cell.get(|| at(0), async || Ok(cached("a", 0))).await, Ok("a"));
        cell.forget(|value| *value == "older");
        assert_eq!(cell.get(|| at(1), async || Ok(cached("b", 1))).await, Ok("a"));
        cell.forget(|value| *value == "a");
        assert_eq!(cell.get(|| at(1), async || Ok(cached("b", 1))).await, Ok("b"));
    }
}
