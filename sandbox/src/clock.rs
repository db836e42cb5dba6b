//! The sandbox's time: the machine's own, or a simulated one in which hours pass while nobody has anything to do.
//!
//! Simulated time stands still while any [`TimeHold`] guard is held and jumps to the next sleeper's hour when the last
//! one is dropped. Whoever acts on the environment (delivers a message, answers a request, sells something) holds a guard,
//! so that no time-out, lock or lease runs out merely because the test machine is slow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, oneshot};

/// A handle to the time that all parts of one sandbox share.
#[derive(Clone, Debug)]
pub struct Clock {
    time: Time,
    /// How far this handle's reading is off: dependencies' clocks are never quite equal.
    skew: TimeDelta,
}

#[derive(Clone, Debug)]
enum Time {
    Real,
    Simulated(Arc<Simulation>),
}

#[derive(Debug)]
struct Simulation {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    now: DateTime<Utc>,
    busy: usize,
    /// Sleepers by the time at which they wake, then by arrival.
    sleepers: BTreeMap<(DateTime<Utc>, u64), oneshot::Sender<TimeHold>>,
    arrivals: u64,
}

/// While held, simulated time stands still. Does nothing in real time.
#[derive(Debug)]
#[must_use = "time goes on as soon as the guard is dropped"]
pub struct TimeHold(Option<Arc<Simulation>>);

impl Clock {
    /// The machine's time.
    pub fn real() -> Self {
        Self { time: Time::Real, skew: TimeDelta::zero() }
    }

    /// A simulated time that begins at `start`. Must be called inside a Tokio runtime, on which it then advances.
    ///
    /// It moves whenever nobody is busy: a test holds a guard while it sets the scene.
    pub fn simulated(start: DateTime<Utc>) -> Self {
        let simulation = Arc::new(Simulation {
            state: Mutex::new(State { now: start, busy: 0, sleepers: BTreeMap::new(), arrivals: 0 }),
            changed: Notify::new(),
        });
        tokio::spawn(advance(simulation.clone()));
        Self { time: Time::Simulated(simulation), skew: TimeDelta::zero() }
    }

    /// The same time, read by somebody whose clock is `skew` ahead (or behind, if negative).
    pub fn skewed(&self, skew: TimeDelta) -> Self {
        Self { time: self.time.clone(), skew: self.skew + skew }
    }

    /// The time of day.
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.time {
            Time::Real => Utc::now(),
            Time::Simulated(simulation) => simulation.lock().now,
        };
        now + self.skew
    }

    /// Whether hours can pass in no time here.
    pub fn is_simulated(&self) -> bool {
        matches!(self.time, Time::Simulated(_))
    }

    /// Makes simulated time stand still until the guard is dropped.
    pub fn busy(&self) -> TimeHold {
        match &self.time {
            Time::Real => TimeHold(None),
            Time::Simulated(simulation) => Simulation::busy(simulation),
        }
    }

    /// Sleeps for `duration`; the sleeper wakes busy, so that it can act before time goes on.
    pub async fn sleep(&self, duration: Duration) -> TimeHold {
        match &self.time {
            Time::Real => {
                tokio::time::sleep(duration).await;
                TimeHold(None)
            }
            Time::Simulated(_) => self.sleep_until(self.now() + duration).await,
        }
    }

    /// Sleeps until `wake`; a time in the past returns at once.
    pub async fn sleep_until(&self, wake: DateTime<Utc>) -> TimeHold {
        match &self.time {
            Time::Real => {
                let wait = (wake - self.now()).to_std().unwrap_or_default();
                tokio::time::sleep(wait).await;
                TimeHold(None)
            }
            Time::Simulated(simulation) => {
                let (woken, sleep) = oneshot::channel();
                let _bed = Simulation::lie_down(simulation, wake - self.skew, woken);
                simulation.changed.notify_one();
                // The sender is only ever dropped together with the whole simulation.
                sleep.await.unwrap_or(TimeHold(None))
            }
        }
    }

    /// Sleeps on behalf of somebody who already holds time still: lets go of one guard while asleep.
    ///
    /// This is the handler's own `sleep` in simulated time: it waits inside an invocation, for which the host holds
    /// a guard.
    pub async fn sleep_inside(&self, duration: Duration) {
        match &self.time {
            Time::Real => tokio::time::sleep(duration).await,
            Time::Simulated(simulation) => {
                let lent = Lent::new(simulation);
                let woken = self.sleep(duration).await;
                lent.returned(woken);
            }
        }
    }
}

/// One guard of an invocation, lent to the clock for the time of a sleep, and taken back even if the sleeper is
/// killed in its sleep. Lends nothing when nobody holds one.
struct Lent<'a> {
    simulation: &'a Arc<Simulation>,
    owed: bool,
}

impl<'a> Lent<'a> {
    fn new(simulation: &'a Arc<Simulation>) -> Self {
        let owed = simulation.leave();
        Self { simulation, owed }
    }

    fn returned(mut self, mut woken: TimeHold) {
        if self.owed {
            // The sleeper woke with a guard of its own, which takes the lent one's place.
            woken.0 = None;
            self.owed = false;
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if self.owed {
            self.simulation.lock().busy += 1;
        }
    }
}

/// A sleeper's place; one who gives up sleeping (a time-out that was not needed) is not waited for.
struct Bed(Arc<Simulation>, (DateTime<Utc>, u64));

impl Drop for Bed {
    fn drop(&mut self) {
        let sleeper = self.0.lock().sleepers.remove(&self.1);
        // Dropped outside the lock, like everything that may hold a guard.
        drop(sleeper);
    }
}

impl Simulation {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn busy(this: &Arc<Self>) -> TimeHold {
        this.lock().busy += 1;
        TimeHold(Some(this.clone()))
    }

    fn lie_down(this: &Arc<Self>, wake: DateTime<Utc>, woken: oneshot::Sender<TimeHold>) -> Bed {
        let mut state = this.lock();
        let key = (wake, state.arrivals);
        state.arrivals += 1;
        state.sleepers.insert(key, woken);
        Bed(this.clone(), key)
    }

    /// Gives one guard up, if there is one.
    fn leave(&self) -> bool {
        let mut state = self.lock();
        let held = state.busy > 0;
        state.busy -= usize::from(held);
        drop(state);
        self.changed.notify_one();
        held
    }
}

impl Drop for TimeHold {
    fn drop(&mut self) {
        if let Some(simulation) = &self.0 {
            simulation.leave();
        }
    }
}

/// Moves simulated time to the next sleeper whenever nobody is busy.
async fn advance(simulation: Arc<Simulation>) {
    loop {
        let changed = simulation.changed.notified();
        // Tasks that are ready but not yet counted as busy get their turn first.
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        let woken = {
            let mut state = simulation.lock();
            match state.sleepers.first_key_value() {
                Some((&(wake, _), _)) if state.busy == 0 => {
                    state.now = state.now.max(wake);
                    state.busy += 1;
                    state.sleepers.pop_first().map(|(_, sleeper)| sleeper)
                }
                _ => None,
            }
        };
        match woken {
            // A sleeper that is gone gives its guard straight back.
            Some(sleeper) => drop(sleeper.send(TimeHold(Some(simulation.clone())))),
            // A sleeper may arrive, or the last guard may go; nothing else can move time on.
            None => changed.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn midnight() -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap()
    }

    #[tokio::test]
    async fn hours_pass_in_order_while_nobody_is_busy() {
        let clock = Clock::simulated(midnight());
        let late = clock.sleep(Duration::from_secs(7200));
        let early = clock.sleep(Duration::from_secs(3600));
        let (late_at, early_at) = tokio::join!(
            async {
                let _busy = late.await;
                clock.now()
            },
            async {
                let _busy = early.await;
                clock.now()
            }
        );
        assert_eq!(early_at, midnight() + TimeDelta::hours(1));
        assert_eq!(late_at, midnight() + TimeDelta::hours(2));
    }

    #[tokio::test]
    async fn time_stands_still_while_somebody_is_busy() {
        let clock = Clock::simulated(midnight());
        let busy = clock.busy();
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { drop(clock.sleep(Duration::from_secs(1)).await) }
        });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.now(), midnight());
        drop(busy);
        sleeper.await.unwrap();
        assert_eq!(clock.now(), midnight() + TimeDelta::seconds(1));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_sleep_that_was_given_up() {
        let clock = Clock::simulated(midnight());
        let busy = clock.busy();
        let mut needless = Box::pin(clock.sleep(Duration::from_secs(60)));
        assert!(futures::poll!(&mut needless).is_pending());
        drop(needless);
        drop(busy);
        drop(clock.sleep(Duration::from_secs(3600)).await);
        assert_eq!(clock.now(), midnight() + TimeDelta::hours(1));
        let Time::Simulated(simulation) = &clock.time else { unreachable!() };
        assert!(simulation.lock().sleepers.is_empty());
    }

    #[tokio::test]
    async fn a_sleep_inside_an_invocation_lets_time_go_on() {
        let clock = Clock::simulated(midnight());
        let busy = clock.busy();
        clock.sleep_inside(Duration::from_secs(30)).await;
        assert_eq!(clock.now(), midnight() + TimeDelta::seconds(30));
        drop(busy);
    }

    #[tokio::test]
    async fn a_sleep_inside_nothing_leaves_nothing_behind() {
        let clock = Clock::simulated(midnight());
        clock.sleep_inside(Duration::from_secs(30)).await;
        drop(clock.sleep(Duration::from_secs(30)).await);
        assert_eq!(clock.now(), midnight() + TimeDelta::seconds(60));
    }
}
