//! The sandbox's time: the machine's time, or a simulated time that jumps over idle periods.
//!
//! Simulated time stops while any [`TimeHold`] exists. When the last hold is dropped, time jumps to the next sleeper's
//! wake-up time. Every part that works (delivers a message, answers a request, sells something) takes a hold, so a slow
//! test machine never causes a time-out.

mod simulation;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use self::simulation::Simulation;

/// A handle to the time that all parts of one sandbox share.
#[derive(Clone, Debug)]
pub struct Clock {
    time: Time,
    /// The difference between this handle's reading and the shared time. Real clocks are never exactly equal.
    skew: TimeDelta,
}

#[derive(Clone, Debug)]
enum Time {
    Real,
    Simulated(Arc<Simulation>),
}

/// Stops simulated time while it exists. It does nothing in real time.
#[derive(Debug)]
#[must_use = "time continues as soon as the hold is dropped"]
pub struct TimeHold(Option<Arc<Simulation>>);

impl Clock {
    /// The machine's time.
    pub fn real() -> Self {
        Self { time: Time::Real, skew: TimeDelta::zero() }
    }

    /// A simulated time that begins at `start`. Must be called inside a Tokio runtime.
    ///
    /// Time advances whenever there is no hold. A test takes a hold while it prepares its data.
    pub fn simulated(start: DateTime<Utc>) -> Self {
        Self { time: Time::Simulated(Simulation::start(start)), skew: TimeDelta::zero() }
    }

    /// The same time on a clock that is `skew` ahead (behind, if negative).
    pub fn skewed(&self, skew: TimeDelta) -> Self {
        Self { time: self.time.clone(), skew: self.skew + skew }
    }

    /// How far this handle's reading is ahead of the shared time.
    pub fn skew(&self) -> TimeDelta {
        self.skew
    }

    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        let now = match &self.time {
            Time::Real => Utc::now(),
            Time::Simulated(simulation) => simulation.now(),
        };
        now + self.skew
    }

    /// Whether time is simulated.
    pub fn is_simulated(&self) -> bool {
        matches!(self.time, Time::Simulated(_))
    }

    /// Stops simulated time until the returned hold is dropped.
    pub fn hold(&self) -> TimeHold {
        match &self.time {
            Time::Real => TimeHold(None),
            Time::Simulated(simulation) => Simulation::hold(simulation),
        }
    }

    /// Sleeps for `duration`. The returned hold lets the caller act before time continues.
    pub async fn sleep(&self, duration: Duration) -> TimeHold {
        match &self.time {
            Time::Real => {
                tokio::time::sleep(duration).await;
                TimeHold(None)
            }
            Time::Simulated(_) => self.sleep_until(self.now() + duration).await,
        }
    }

    /// Sleeps until `wake`. Returns at once if that time has passed.
    pub async fn sleep_until(&self, wake: DateTime<Utc>) -> TimeHold {
        match &self.time {
            Time::Real => {
                let wait = (wake - self.now()).to_std().unwrap_or_default();
                tokio::time::sleep(wait).await;
                TimeHold(None)
            }
            Time::Simulated(simulation) => Simulation::sleep_until(simulation, wake - self.skew).await,
        }
    }

    /// Sleeps inside an operation for which somebody else has a hold. One hold is suspended during the sleep.
    ///
    /// The handler sleeps this way in simulated time: the host has a hold for each invocation.
    pub async fn sleep_inside(&self, duration: Duration) {
        match &self.time {
            Time::Real => tokio::time::sleep(duration).await,
            Time::Simulated(simulation) => {
                Simulation::sleep_inside(simulation, simulation.now() + duration).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
