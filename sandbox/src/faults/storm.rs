//! FaultInjector over a whole environment: the fate of calls, and everything that is no call's fate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{FaultProfile, Outages, SeededFaults, mix, pause};
use crate::clock::Clock;
use crate::cosmos::Rival;
use crate::dataverse::Dataverse;
use crate::entra::Entra;
use crate::environment::{Environment, SettleFaults};
use crate::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector, Network, Switch};
use crate::service_bus::{Broker, EntityPath};
use crate::shop::Shop;

/// Bad weather over an environment, until it is calmed or dropped.
///
/// Besides the calls' fates: dependencies are off the network for some seconds; Entra revokes its tokens; Service Bus
/// doubles messages, lets locks run out and misses completions; the shop commits events late and out of order, and
/// its orders later still; somebody else writes contacts and records at the very moment at which the handler does.
pub struct FaultSchedule {
    sky: Arc<Sky>,
    _tasks: JoinSet<()>,
}

/// What the weather can reach.
struct Sky {
    /// Whether the weather is fair again: nothing may happen after that. Held while something happens.
    calm: Mutex<bool>,
    seed: u64,
    climate: FaultProfile,
    clock: Clock,
    network: Network,
    before: Arc<dyn FaultInjector>,
    switches: BTreeMap<Dependency, Switch>,
    entra: Entra,
    shop: Shop,
    broker: Broker,
    subscription: EntityPath,
    settling: SettleFaults,
}

impl FaultSchedule {
    /// Lets it begin. The weather that there was goes on in between: a call is served as it would have been.
    pub fn start(environment: &Environment, climate: FaultProfile, seed: u64) -> Self {
        let _busy = environment.clock().busy();
        let sky = Arc::new(Sky {
            calm: Mutex::new(false),
            seed,
            clock: environment.clock().clone(),
            network: environment.network().clone(),
            before: environment.network().weather(),
            switches: Dependency::ALL.map(|dependency| (dependency, environment.served(dependency).switch())).into(),
            entra: environment.entra().clone(),
            shop: environment.shop().clone(),
            broker: environment.broker().clone(),
            subscription: environment.subscription(),
            settling: environment.settling().clone(),
            climate,
        });
        sky.network.set_faults(Clouds {
            seeded: SeededFaults::new(sky.climate.clone(), seed, sky.clock.clone()),
            before: sky.before.clone(),
            races: sky.climate.clone(),
            seed,
            dataverse: environment.dataverse().clone(),
            rival: environment.cosmos().rival(),
        });
        sky.settling.set_failing(sky.climate.of(Dependency::ServiceBus).mischief.races / 8.0, seed);
        let mut tasks = JoinSet::new();
        for dependency in Dependency::ALL {
            let conditions = sky.climate.of(dependency);
            if let Some(outages) = conditions.outages {
                tasks.spawn(sky.clone().take_away(dependency, outages));
            }
            if let Some(every) = conditions.mischief.every {
                tasks.spawn(sky.clone().trick(dependency, every));
            }
        }
        Self { sky, _tasks: tasks }
    }

    /// NoFaults weather from now on. What is late stays late, and what is doubled is doubled.
    pub fn calm(self) {}
}

impl Drop for FaultSchedule {
    fn drop(&mut self) {
        let mut calm = self.sky.calm.lock().unwrap_or_else(PoisonError::into_inner);
        *calm = true;
        self.sky.network.set_faults(self.sky.before.clone());
        self.sky.switches.values().for_each(|switch| switch.set_reachable(true));
        self.sky.settling.set_failing(0.0, 0);
        self.sky.shop.set_commit_delay(TimeDelta::zero());
        self.sky.shop.set_order_delay(Some(TimeDelta::zero()));
    }
}

impl Sky {
    fn rng(&self, purpose: u64, dependency: Dependency) -> StdRng {
        StdRng::seed_from_u64(mix(self.seed, &[purpose, dependency as u64]))
    }

    /// The right to do something, unless the weather is fair again.
    fn act(&self) -> Option<MutexGuard<'_, bool>> {
        Some(self.calm.lock().unwrap_or_else(PoisonError::into_inner)).filter(|calm| !**calm)
    }

    fn set_reachable(&self, dependency: Dependency, reachable: bool) {
        if let (Some(_right), Some(switch)) = (self.act(), self.switches.get(&dependency)) {
            tracing::debug!(%dependency, reachable, "weather");
            switch.set_reachable(reachable);
        }
    }

    async fn take_away(self: Arc<Self>, dependency: Dependency, outages: Outages) {
        let mut rng = self.rng(0xaaaa, dependency);
        loop {
            let wait = pause(&mut rng, outages.every);
            let length = between(&mut rng, Duration::from_secs(1), outages.longest);
            let busy = self.clock.sleep(wait).await;
            self.set_reachable(dependency, false);
            drop(busy);
            let _busy = self.clock.sleep(length).await;
            self.set_reachable(dependency, true);
        }
    }

    async fn trick(self: Arc<Self>, dependency: Dependency, every: Duration) {
        let mut rng = self.rng(0x7121, dependency);
        loop {
            let wait = pause(&mut rng, every);
            let choice = rng.random();
            let _busy = self.clock.sleep(wait).await;
            if let Some(_right) = self.act() {
                self.play(dependency, choice, &mut rng);
            }
        }
    }

    /// One trick of a dependency's own kind. Dataverse and Cosmos DB have none that would hit anything by itself: their
    /// rivals come with the writes.
    fn play(&self, dependency: Dependency, choice: u64, rng: &mut StdRng) {
        match dependency {
            Dependency::Entra => self.entra.revoke_all(),
            Dependency::ServiceBus if choice.is_multiple_of(2) => self.broker.duplicate_next_send(),
            Dependency::ServiceBus => drop(self.broker.expire_some_lock(&self.subscription, choice / 2)),
            Dependency::Commerce => {
                let late = self.climate.of(dependency).mischief.late;
                let (commit, order) = (delay(rng, late), delay(rng, late));
                self.shop.set_commit_delay(commit);
                self.shop.set_order_delay(Some(order));
            }
            Dependency::Dataverse | Dependency::Cosmos => {}
        }
    }
}

fn between(rng: &mut StdRng, least: Duration, most: Duration) -> Duration {
    least.max(rng.random_range(Duration::ZERO..=most))
}

/// Half of the time nothing is late.
fn delay(rng: &mut StdRng, late: Duration) -> TimeDelta {
    let delay = rng.random_range(Duration::ZERO..=late);
    let late = rng.random_bool(0.5);
    TimeDelta::from_std(delay).ok().filter(|_| late).unwrap_or_default()
}

/// The fates of calls, and rivals at the moment of a write.
struct Clouds {
    seeded: SeededFaults,
    before: Arc<dyn FaultInjector>,
    races: FaultProfile,
    seed: u64,
    dataverse: Dataverse,
    rival: Rival,
}

impl Clouds {
    /// Whether somebody else is quicker than this write, and a number to choose what he writes.
    fn race(&self, call: &Call) -> Option<u64> {
        let is_write = match call.dependency {
            Dependency::Dataverse => call.method == Method::PATCH,
            Dependency::Cosmos => call.method == Method::POST && call.path.ends_with("/docs"),
            _ => false,
        };
        let chance = self.races.of(call.dependency).mischief.races;
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[0x2ace, call.dependency as u64, call.own_number]));
        (is_write && rng.random_bool(chance.clamp(0.0, 1.0))).then(|| rng.random())
    }
}

impl FaultInjector for Clouds {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let seeded = self.seeded.decide(call);
        let before = self.before.decide(call);
        let race = self.race(call);
        let contact = race.and_then(|_| contact_of(&call.path));
        let (dependency, dataverse, rival) = (call.dependency, self.dataverse.clone(), self.rival.clone());
        Box::pin(async move {
            let fate = seeded.await;
            let fate = if fate == FaultAction::Serve { before.await } else { fate };
            match (dependency, race, contact) {
                (Dependency::Dataverse, Some(_), Some(contact)) => drop(dataverse.touch_contact(contact)),
                (Dependency::Cosmos, Some(choice), _) => {
                    if let Err(error) = rival.rewrite_some(choice).await {
                        tracing::error!(%error, "the rival could not write");
                    }
                }
                _ => {}
            }
            fate
        })
    }
}

/// The contact of `/api/data/v9.2/contacts(<id>)`.
fn contact_of(path: &str) -> Option<Uuid> {
    let (_, id) = path.rsplit_once("contacts(")?;
    Uuid::parse_str(id.strip_suffix(')')?).ok()
}

#[cfg(test)]
mod tests;
