//! Simulated time: the number of holds, the sleepers, and the task that advances the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, oneshot};

use super::TimeHold;

/// How long nothing happens, in real time, until a hold counts as waiting for a sleep. A request takes a few milliseconds.
const QUIET: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Simulation {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    now: DateTime<Utc>,
    /// The number of [`TimeHold`]s.
    holds: usize,
    /// The number of holds that are suspended by a sleep.
    suspended: usize,
    /// The number of sleeps whose suspended hold was dropped meanwhile.
    orphaned: usize,
    /// Sleeps inside an operation, by order of beginning, and whether each suspends a hold. Of two parts of one operation that
    /// sleep at the same time, only the first does.
    inside: BTreeMap<u64, bool>,
    /// Changes so far.
    changes: u64,
    /// Sleepers by wake-up time, then by order of registration.
    pub(super) sleepers: BTreeMap<SleeperKey, oneshot::Sender<TimeHold>>,
    registrations: u64,
}

type SleeperKey = (DateTime<Utc>, u64);

impl State {
    /// Whether any hold is not suspended.
    fn is_held(&self) -> bool {
        self.holds > self.suspended
    }

    fn add_hold(&mut self) {
        self.holds += 1;
        self.changes += 1;
    }

    fn drop_hold(&mut self) {
        self.holds -= 1;
        if self.suspended > self.holds {
            self.suspended -= 1;
            self.orphaned += 1;
        }
    }

    /// Begins a sleep that suspends a hold, if there is any; returns its number.
    fn begin_sleep(&mut self) -> u64 {
        let suspends = self.is_held();
        self.suspended += usize::from(suspends);
        self.registrations += 1;
        self.inside.insert(self.registrations, suspends);
        self.registrations
    }

    /// Restores a suspended hold, unless it was dropped meanwhile.
    fn end_sleep(&mut self, number: u64) {
        if self.inside.remove(&number) == Some(true) {
            let count = if self.orphaned > 0 { &mut self.orphaned } else { &mut self.suspended };
            *count -= 1;
        }
    }

    /// Whether a hold may belong to an operation that only waits for a sleep which suspends none.
    fn may_wait(&self) -> bool {
        self.is_held() && self.inside.values().any(|suspends| !suspends)
    }

    /// Suspends a hold for such a sleep.
    fn suspend_late(&mut self) {
        if self.is_held()
            && let Some(suspends) = self.inside.values_mut().find(|suspends| !**suspends)
        {
            *suspends = true;
            self.suspended += 1;
        }
    }
}

impl Simulation {
    pub(super) fn start(start: DateTime<Utc>) -> Arc<Self> {
        let simulation = Arc::new(Self {
            state: Mutex::new(State {
                now: start,
                holds: 0,
                suspended: 0,
                orphaned: 0,
                inside: BTreeMap::new(),
                changes: 0,
                sleepers: BTreeMap::new(),
                registrations: 0,
            }),
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
        this.lock().add_hold();
        TimeHold(Some(this.clone()))
    }

    pub(super) async fn sleep_until(this: &Arc<Self>, wake: DateTime<Utc>) -> TimeHold {
        let (wakeup, sleep) = oneshot::channel();
        let _sleeper = Self::register(this, wake, wakeup);
        // The sender is only dropped together with the whole simulation.
        sleep.await.unwrap_or(TimeHold(None))
    }

    /// Sleeps in place of one hold, if there is any.
    pub(super) async fn sleep_inside(this: &Arc<Self>, wake: DateTime<Utc>) {
        let (wakeup, sleep) = oneshot::channel();
        // Registered before the hold is suspended: otherwise time could advance beyond `wake` in between.
        let _sleeper = Self::register(this, wake, wakeup);
        let suspended = InsideSleep::new(this);
        let wakeup = sleep.await.unwrap_or(TimeHold(None));
        // The hold of the wake-up is dropped after the suspended one is restored, so that time does not continue in between.
        drop(suspended);
        drop(wakeup);
    }

    fn register(this: &Arc<Self>, wake: DateTime<Utc>, wakeup: oneshot::Sender<TimeHold>) -> Sleeper {
        let mut state = this.lock();
        let key = (wake, state.registrations);
        state.registrations += 1;
        state.changes += 1;
        state.sleepers.insert(key, wakeup);
        drop(state);
        this.changed.notify_one();
        Sleeper(this.clone(), key)
    }

    /// Changes the state, which may let time advance.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state);
        state.changes += 1;
        drop(state);
        self.changed.notify_one();
        changed
    }

    /// Waits while nothing happens, and then suspends a hold for a sleep. Of an operation whose parts sleep at the same time, the
    /// first to sleep suspends the hold. When it has finished, the operation waits for the other, and time has to continue for it.
    async fn suspend_when_quiet(&self) {
        let before = self.lock().changes;
        tokio::time::sleep(QUIET).await;
        let mut state = self.lock();
        if state.changes == before {
            state.suspend_late();
        }
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
            simulation.change(State::drop_hold);
        }
    }
}

/// A sleep that suspends a hold, if there is any, until it ends or is cancelled.
struct InsideSleep<'a>(&'a Simulation, u64);

impl<'a> InsideSleep<'a> {
    fn new(simulation: &'a Simulation) -> Self {
        Self(simulation, simulation.change(State::begin_sleep))
    }
}

impl Drop for InsideSleep<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.end_sleep(self.1));
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
                Some((&(wake, _), _)) if !state.is_held() => {
                    state.now = state.now.max(wake);
                    state.add_hold();
                    state.sleepers.pop_first().map(|(_, sleeper)| sleeper)
                }
                _ => None,
            }
        };
        match next {
            // If the sleeper is gone, the hold is returned and dropped here.
            Some(sleeper) => drop(sleeper.send(TimeHold(Some(simulation.clone())))),
            None if simulation.lock().may_wait() => tokio::select! {
                () = changed => {}
                () = simulation.suspend_when_quiet() => {}
            },
            // Only a new sleeper or a released hold can make time advance.
            None => changed.await,
        }
    }
}
