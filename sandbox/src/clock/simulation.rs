//! Simulated time: the number of holds, the sleepers, and the task that advances the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, oneshot};

use super::TimeHold;

#[derive(Debug)]
pub(super) struct Simulation {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    now: DateTime<Utc>,
    holds: usize,
    /// Sleepers by wake-up time, then by order of registration.
    pub(super) sleepers: BTreeMap<SleeperKey, oneshot::Sender<TimeHold>>,
    registrations: u64,
}

type SleeperKey = (DateTime<Utc>, u64);

impl Simulation {
    pub(super) fn start(start: DateTime<Utc>) -> Arc<Self> {
        let simulation = Arc::new(Self {
            state: Mutex::new(State { now: start, holds: 0, sleepers: BTreeMap::new(), registrations: 0 }),
            changed: Notify::new(),
        });
        tokio::spawn(advance(simulation.clone()));
        simulation
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.lock().now
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hold(this: &Arc<Self>) -> TimeHold {
        this.lock().holds += 1;
        TimeHold(Some(this.clone()))
    }

    pub(super) async fn sleep_until(this: &Arc<Self>, wake: DateTime<Utc>) -> TimeHold {
        let (wakeup, sleep) = oneshot::channel();
        let _sleeper = Self::register(this, wake, wakeup);
        this.changed.notify_one();
        // The sender is only dropped together with the whole simulation.
        sleep.await.unwrap_or(TimeHold(None))
    }

    /// Sleeps in place of one hold, if there is any.
    pub(super) async fn sleep_inside(this: &Arc<Self>, wake: DateTime<Utc>) {
        let (wakeup, sleep) = oneshot::channel();
        // Registered before the hold is suspended: otherwise time could advance beyond `wake` in between.
        let _sleeper = Self::register(this, wake, wakeup);
        let suspended = SuspendedHold::new(this);
        suspended.replace_with(sleep.await.unwrap_or(TimeHold(None)));
    }

    fn register(this: &Arc<Self>, wake: DateTime<Utc>, wakeup: oneshot::Sender<TimeHold>) -> Sleeper {
        let mut state = this.lock();
        let key = (wake, state.registrations);
        state.registrations += 1;
        state.sleepers.insert(key, wakeup);
        Sleeper(this.clone(), key)
    }

    /// Releases one hold. Returns `false` if there is none.
    fn release(&self) -> bool {
        let mut state = self.lock();
        let held = state.holds > 0;
        state.holds -= usize::from(held);
        drop(state);
        self.changed.notify_one();
        held
    }
}

/// A registered sleeper. A cancelled sleep is removed, so that time does not stop for it.
struct Sleeper(Arc<Simulation>, SleeperKey);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let wakeup = self.0.lock().sleepers.remove(&self.1);
        // Dropped outside the lock, because it may contain a hold.
        drop(wakeup);
    }
}

impl Drop for TimeHold {
    fn drop(&mut self) {
        if let Some(simulation) = &self.0 {
            simulation.release();
        }
    }
}

/// A hold that is suspended during a sleep. It is restored when the sleep ends or is cancelled.
struct SuspendedHold<'a> {
    simulation: &'a Arc<Simulation>,
    must_restore: bool,
}

impl<'a> SuspendedHold<'a> {
    /// Suspends one hold, if there is any.
    fn new(simulation: &'a Arc<Simulation>) -> Self {
        Self { simulation, must_restore: simulation.release() }
    }

    /// Lets the sleeper's own hold take the place of the suspended one.
    fn replace_with(mut self, mut wakeup: TimeHold) {
        if self.must_restore {
            wakeup.0 = None;
            self.must_restore = false;
        }
    }
}

impl Drop for SuspendedHold<'_> {
    fn drop(&mut self) {
        if self.must_restore {
            self.simulation.lock().holds += 1;
        }
    }
}

/// Moves simulated time to the next sleeper whenever there is no hold.
async fn advance(simulation: Arc<Simulation>) {
    loop {
        let changed = simulation.changed.notified();
        // Tasks that are ready to run may still take a hold, so they run first.
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        let next = {
            let mut state = simulation.lock();
            match state.sleepers.first_key_value() {
                Some((&(wake, _), _)) if state.holds == 0 => {
                    state.now = state.now.max(wake);
                    state.holds += 1;
                    state.sleepers.pop_first().map(|(_, sleeper)| sleeper)
                }
                _ => None,
            }
        };
        match next {
            // If the sleeper is gone, the hold is returned and dropped here.
            Some(sleeper) => drop(sleeper.send(TimeHold(Some(simulation.clone())))),
            // Only a new sleeper or a released hold can make time advance.
            None => changed.await,
        }
    }
}
