//! Weather over a whole world: the fate of calls, and everything that is no call's fate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Method;
use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Climate, Outages, Seeded, mix, pause};
use crate::clock::Clock;
use crate::cosmos::Rival;
use crate::dataverse::Dataverse;
use crate::entra::Entra;
use crate::service_bus::{Broker, EntityPath};
use crate::shop::Shop;
use crate::wire::{BoxFuture, Call, Fate, Neighbour, Switch, Weather, Wire};
use crate::world::{Settling, World};

/// Bad weather over a world, until it is calmed or dropped.
///
/// Besides the calls' fates: neighbours are off the network for some seconds; Entra revokes its tokens; Service Bus
/// doubles messages, lets locks run out and misses completions; the shop commits events late and out of order, and
/// its orders later still; somebody else writes contacts and records at the very moment at which the handler does.
pub struct Storm {
    sky: Arc<Sky>,
    _tasks: JoinSet<()>,
}

/// What the weather can reach.
struct Sky {
    /// Whether the weather is fair again: nothing may happen after that. Held while something happens.
    calm: Mutex<bool>,
    seed: u64,
    climate: Climate,
    clock: Clock,
    wire: Wire,
    before: Arc<dyn Weather>,
    switches: BTreeMap<Neighbour, Switch>,
    entra: Entra,
    shop: Shop,
    broker: Broker,
    subscription: EntityPath,
    settling: Settling,
}

impl Storm {
    /// Lets it begin. The weather that there was goes on in between: a call is served as it would have been.
    pub fn start(world: &World, climate: Climate, seed: u64) -> Self {
        let _busy = world.clock().busy();
        let sky = Arc::new(Sky {
            calm: Mutex::new(false),
            seed,
            clock: world.clock().clone(),
            wire: world.wire().clone(),
            before: world.wire().weather(),
            switches: Neighbour::ALL.map(|neighbour| (neighbour, world.served(neighbour).switch())).into(),
            entra: world.entra().clone(),
            shop: world.shop().clone(),
            broker: world.broker().clone(),
            subscription: world.subscription(),
            settling: world.settling().clone(),
            climate,
        });
        sky.wire.set_weather(Clouds {
            seeded: Seeded::new(sky.climate.clone(), seed, sky.clock.clone()),
            before: sky.before.clone(),
            races: sky.climate.clone(),
            seed,
            dataverse: world.dataverse().clone(),
            rival: world.cosmos().rival(),
        });
        sky.settling.set_failing(sky.climate.of(Neighbour::ServiceBus).mischief.races / 8.0, seed);
        let mut tasks = JoinSet::new();
        for neighbour in Neighbour::ALL {
            let conditions = sky.climate.of(neighbour);
            if let Some(outages) = conditions.outages {
                tasks.spawn(sky.clone().take_away(neighbour, outages));
            }
            if let Some(every) = conditions.mischief.every {
                tasks.spawn(sky.clone().trick(neighbour, every));
            }
        }
        Self { sky, _tasks: tasks }
    }

    /// Fair weather from now on. What is late stays late, and what is doubled is doubled.
    pub fn calm(self) {}
}

impl Drop for Storm {
    fn drop(&mut self) {
        let mut calm = self.sky.calm.lock().unwrap_or_else(PoisonError::into_inner);
        *calm = true;
        self.sky.wire.set_weather(self.sky.before.clone());
        self.sky.switches.values().for_each(|switch| switch.set_reachable(true));
        self.sky.settling.set_failing(0.0, 0);
        self.sky.shop.set_commit_delay(TimeDelta::zero());
        self.sky.shop.set_order_delay(Some(TimeDelta::zero()));
    }
}

impl Sky {
    fn rng(&self, purpose: u64, neighbour: Neighbour) -> StdRng {
        StdRng::seed_from_u64(mix(self.seed, &[purpose, neighbour as u64]))
    }

    /// The right to do something, unless the weather is fair again.
    fn act(&self) -> Option<MutexGuard<'_, bool>> {
        Some(self.calm.lock().unwrap_or_else(PoisonError::into_inner)).filter(|calm| !**calm)
    }

    fn set_reachable(&self, neighbour: Neighbour, reachable: bool) {
        if let (Some(_right), Some(switch)) = (self.act(), self.switches.get(&neighbour)) {
            tracing::debug!(%neighbour, reachable, "weather");
            switch.set_reachable(reachable);
        }
    }

    async fn take_away(self: Arc<Self>, neighbour: Neighbour, outages: Outages) {
        let mut rng = self.rng(0xaaaa, neighbour);
        loop {
            let wait = pause(&mut rng, outages.every);
            let length = between(&mut rng, Duration::from_secs(1), outages.longest);
            let busy = self.clock.sleep(wait).await;
            self.set_reachable(neighbour, false);
            drop(busy);
            let _busy = self.clock.sleep(length).await;
            self.set_reachable(neighbour, true);
        }
    }

    async fn trick(self: Arc<Self>, neighbour: Neighbour, every: Duration) {
        let mut rng = self.rng(0x7121, neighbour);
        loop {
            let wait = pause(&mut rng, every);
            let choice = rng.random();
            let _busy = self.clock.sleep(wait).await;
            if let Some(_right) = self.act() {
                self.play(neighbour, choice, &mut rng);
            }
        }
    }

    /// One trick of a neighbour's own kind. Dataverse and Cosmos DB have none that would hit anything by itself: their
    /// rivals come with the writes.
    fn play(&self, neighbour: Neighbour, choice: u64, rng: &mut StdRng) {
        match neighbour {
            Neighbour::Entra => self.entra.revoke_all(),
            Neighbour::ServiceBus if choice % 2 == 0 => self.broker.duplicate_next_send(),
            Neighbour::ServiceBus => drop(self.broker.expire_some_lock(&self.subscription, choice / 2)),
            Neighbour::Commerce => {
                let late = self.climate.of(neighbour).mischief.late;
                let (commit, order) = (delay(rng, late), delay(rng, late));
                self.shop.set_commit_delay(commit);
                self.shop.set_order_delay(Some(order));
            }
            Neighbour::Dataverse | Neighbour::Cosmos => {}
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
    seeded: Seeded,
    before: Arc<dyn Weather>,
    races: Climate,
    seed: u64,
    dataverse: Dataverse,
    rival: Rival,
}

impl Clouds {
    /// Whether somebody else is quicker than this write, and a number to choose what he writes.
    fn race(&self, call: &Call) -> Option<u64> {
        let is_write = match call.neighbour {
            Neighbour::Dataverse => call.method == Method::PATCH,
            Neighbour::Cosmos => call.method == Method::POST && call.path.ends_with("/docs"),
            _ => false,
        };
        let chance = self.races.of(call.neighbour).mischief.races;
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[0x2ace, call.neighbour as u64, call.own_number]));
        (is_write && rng.random_bool(chance.clamp(0.0, 1.0))).then(|| rng.random())
    }
}

impl Weather for Clouds {
    fn fate(&self, call: &Call) -> BoxFuture<Fate> {
        let seeded = self.seeded.fate(call);
        let before = self.before.fate(call);
        let race = self.race(call);
        let contact = race.and_then(|_| contact_of(&call.path));
        let (neighbour, dataverse, rival) = (call.neighbour, self.dataverse.clone(), self.rival.clone());
        Box::pin(async move {
            let fate = seeded.await;
            let fate = if fate == Fate::Serve { before.await } else { fate };
            match (neighbour, race, contact) {
                (Neighbour::Dataverse, Some(_), Some(contact)) => drop(dataverse.touch_contact(contact)),
                (Neighbour::Cosmos, Some(choice), _) => {
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
