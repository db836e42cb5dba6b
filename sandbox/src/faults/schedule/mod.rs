//! Runs a fault profile over a whole environment: faults of single calls, and faults at random times.

mod injector;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;

use self::injector::ScheduleInjector;
use super::{FaultProfile, Outages, SeededFaults, mix, pause};
use crate::clock::Clock;
use crate::entra::Entra;
use crate::environment::{Environment, SettleFaults};
use crate::network::{Dependency, FaultInjector, Network, Switch};
use crate::service_bus::{Broker, EntityPath};
use crate::shop::Shop;

/// Injects faults into an environment until it is stopped or dropped.
///
/// Besides the faults of single calls: dependencies are off the network for some seconds; Entra revokes its tokens;
/// Service Bus duplicates messages, lets locks expire and misses completions; the shop commits events late and out of
/// order, and its orders even later; another writer changes contacts and records at the same time as the handler.
pub struct FaultSchedule {
    targets: Arc<Targets>,
    _tasks: JoinSet<()>,
}

/// What the schedule acts on.
struct Targets {
    /// Set when the schedule is stopped: no fault may follow. Locked while a fault is injected.
    stopped: Mutex<bool>,
    seed: u64,
    profile: FaultProfile,
    clock: Clock,
    network: Network,
    previous: Arc<dyn FaultInjector>,
    switches: BTreeMap<Dependency, Switch>,
    entra: Entra,
    shop: Shop,
    broker: Broker,
    subscription: EntityPath,
    settle_faults: SettleFaults,
}

impl FaultSchedule {
    /// Starts the schedule. The previous fault injector stays in use for the calls without a fault.
    pub fn start(environment: &Environment, profile: FaultProfile, seed: u64) -> Self {
        let _hold = environment.clock().hold();
        let targets = Arc::new(Targets {
            stopped: Mutex::new(false),
            seed,
            clock: environment.clock().clone(),
            network: environment.network().clone(),
            previous: environment.network().faults(),
            switches: Dependency::ALL.map(|dependency| (dependency, environment.served(dependency).switch())).into(),
            entra: environment.entra().clone(),
            shop: environment.shop().clone(),
            broker: environment.broker().clone(),
            subscription: environment.subscription(),
            settle_faults: environment.settle_faults().clone(),
            profile,
        });
        targets.network.set_faults(ScheduleInjector {
            seeded: SeededFaults::new(targets.profile.clone(), seed, targets.clock.clone()),
            previous: targets.previous.clone(),
            profile: targets.profile.clone(),
            seed,
            dataverse: environment.dataverse().clone(),
            concurrent_writer: environment.cosmos().concurrent_writer(),
        });
        let settle_rate = targets.profile.of(Dependency::ServiceBus).background.conflicts / 8.0;
        targets.settle_faults.set_failing(settle_rate, seed);
        let mut tasks = JoinSet::new();
        for dependency in Dependency::ALL {
            let rates = targets.profile.of(dependency);
            if let Some(outages) = rates.outages {
                tasks.spawn(targets.clone().run_outages(dependency, outages));
            }
            if let Some(interval) = rates.background.interval {
                tasks.spawn(targets.clone().run_background(dependency, interval));
            }
        }
        Self { targets, _tasks: tasks }
    }

    /// Stops injecting faults. Delays and duplicates that were already injected remain.
    pub fn stop(self) {}
}

impl Drop for FaultSchedule {
    fn drop(&mut self) {
        let mut stopped = self.targets.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        *stopped = true;
        self.targets.network.set_faults(self.targets.previous.clone());
        self.targets.switches.values().for_each(|switch| switch.set_reachable(true));
        self.targets.settle_faults.set_failing(0.0, 0);
        self.targets.shop.set_commit_delay(TimeDelta::zero());
        self.targets.shop.set_order_delay(Some(TimeDelta::zero()));
    }
}

impl Targets {
    fn rng(&self, purpose: u64, dependency: Dependency) -> StdRng {
        StdRng::seed_from_u64(mix(self.seed, &[purpose, dependency as u64]))
    }

    /// Permission to inject a fault; `None` once the schedule is stopped.
    fn running(&self) -> Option<MutexGuard<'_, bool>> {
        Some(self.stopped.lock().unwrap_or_else(PoisonError::into_inner)).filter(|stopped| !**stopped)
    }

    fn set_reachable(&self, dependency: Dependency, reachable: bool) {
        if let (Some(_running), Some(switch)) = (self.running(), self.switches.get(&dependency)) {
            tracing::debug!(%dependency, reachable, "scheduled outage");
            switch.set_reachable(reachable);
        }
    }

    async fn run_outages(self: Arc<Self>, dependency: Dependency, outages: Outages) {
        let mut rng = self.rng(0xaaaa, dependency);
        loop {
            let wait = pause(&mut rng, outages.interval);
            let duration = between(&mut rng, Duration::from_secs(1), outages.max_duration);
            let hold = self.clock.sleep(wait).await;
            self.set_reachable(dependency, false);
            drop(hold);
            let _hold = self.clock.sleep(duration).await;
            self.set_reachable(dependency, true);
        }
    }

    async fn run_background(self: Arc<Self>, dependency: Dependency, interval: Duration) {
        let mut rng = self.rng(0x7121, dependency);
        loop {
            let wait = pause(&mut rng, interval);
            let choice = rng.random();
            let _hold = self.clock.sleep(wait).await;
            if let Some(_running) = self.running() {
                self.inject(dependency, choice, &mut rng);
            }
        }
    }

    /// Injects one background fault. Dataverse and Cosmos DB have none: their concurrent writes happen during calls.
    fn inject(&self, dependency: Dependency, choice: u64, rng: &mut StdRng) {
        match dependency {
            Dependency::Entra => self.entra.revoke_all(),
            Dependency::ServiceBus if choice.is_multiple_of(2) => self.broker.duplicate_next_send(),
            Dependency::ServiceBus => drop(self.broker.expire_some_lock(&self.subscription, choice / 2)),
            Dependency::Commerce => {
                let max = self.profile.of(dependency).background.max_delay;
                let (commit, order) = (delay(rng, max), delay(rng, max));
                self.shop.set_commit_delay(commit);
                self.shop.set_order_delay(Some(order));
            }
            Dependency::Dataverse | Dependency::Cosmos => {}
        }
    }
}

fn between(rng: &mut StdRng, min: Duration, max: Duration) -> Duration {
    min.max(rng.random_range(Duration::ZERO..=max))
}

/// A delay of at most `max`; zero in half of the cases.
fn delay(rng: &mut StdRng, max: Duration) -> TimeDelta {
    let delay = rng.random_range(Duration::ZERO..=max);
    let is_late = rng.random_bool(0.5);
    TimeDelta::from_std(delay).ok().filter(|_| is_late).unwrap_or_default()
}

#[cfg(test)]
mod tests;
