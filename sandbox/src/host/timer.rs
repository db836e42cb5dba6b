//! The timer trigger: <https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer>.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use croner::Cron;

use super::Inner;
use super::events::Outcome;
use super::function::TimerTrigger;
use super::invoke::Invocation;
use super::payload::{self, ScheduleStatus};
use crate::clock::TimeHold;

/// The last run of a timer that has not run yet: .NET's earliest time.
const NEVER: DateTime<Utc> = match DateTime::from_timestamp(-62_135_596_800, 0) {
    Some(time) => time,
    None => DateTime::UNIX_EPOCH,
};

/// Runs a function on its schedule, one run at a time, until the host is dropped.
pub(super) async fn run(inner: Arc<Inner>, function: String, trigger: TimerTrigger) {
    let mut timer = Timer { inner: &inner, function: &function, trigger: &trigger, status: None };
    loop {
        if !inner.listening().await {
            return;
        }
        timer.serve_one_instance().await;
    }
}

struct Timer<'a> {
    inner: &'a Inner,
    function: &'a str,
    trigger: &'a TimerTrigger,
    /// The last run, as stored in the host's storage. It survives an instance.
    status: Option<ScheduleStatus>,
}

impl Timer<'_> {
    async fn serve_one_instance(&mut self) {
        let started_in = *self.inner.handler_state.borrow();
        let past_due = self.status.is_some_and(|status| status.next <= self.inner.clock.now());
        if past_due || self.trigger.run_on_startup {
            self.invoke(self.inner.clock.hold(), past_due).await;
        }
        let mut began = self.inner.clock.now();
        loop {
            // An occurrence during a run follows at once; further ones are skipped.
            let Some(next) = next(&self.trigger.schedule, began) else {
                // A date that never occurs.
                return std::future::pending().await;
            };
            if self.trigger.monitored && self.status.is_none() {
                // A new timer is stored from its first day on, so that a missed first run is noticed.
                let now = self.inner.clock.now();
                self.status = Some(ScheduleStatus { last: NEVER, last_updated: now, next });
            }
            tokio::select! {
                _ = self.inner.until(|state| state.instance != started_in.instance || !state.is_listening()) => return,
                hold = self.inner.clock.sleep_until(next) => {
                    began = self.inner.clock.now().max(next);
                    let skipped = self.trigger.schedule.iter_after(next).take_while(|time| *time <= began);
                    self.inner.count(|counters| counters.skipped += skipped.count() as u64);
                    self.invoke(hold, false).await;
                }
            }
        }
    }

    async fn invoke(&mut self, hold: TimeHold, past_due: bool) {
        let began = self.inner.clock.now();
        let status = self.status.filter(|_| self.trigger.monitored);
        let payload = payload::timer(self.function, &self.trigger.binding, began, status, past_due);
        let mut invocation = Invocation::begin(self.inner, self.function, hold);
        let outcome = invocation.post(&payload).await;
        invocation.end(&outcome);
        if self.trigger.monitored && outcome != Outcome::Lost {
            let now = self.inner.clock.now();
            // A failed run is not repeated. The schedule continues.
            if let Some(next) = next(&self.trigger.schedule, began) {
                self.status = Some(ScheduleStatus { last: began, last_updated: now, next });
            }
        }
    }
}

fn next(schedule: &Cron, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.find_next_occurrence(&now, false).ok()
}
