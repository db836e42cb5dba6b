//! The weather as the page sets it, neighbour by neighbour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::weather::{Climate, Conditions, Faults, Latency, Seeded};
use crate::wire::{BoxFuture, Call, Fate, Neighbour, Switch, Weather};
use crate::world::World;

/// How it is with one neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Setting {
    /// Every call is served.
    #[default]
    Fair,
    /// Every call takes half a second or more.
    Slow,
    /// Most calls are answered with 429 and `Retry-After`.
    Throttled,
    /// It is off the network: connections are refused.
    Down,
}

/// Sets the weather.
pub(super) struct Dial {
    sky: Arc<Sky>,
    switches: BTreeMap<Neighbour, Switch>,
}

struct Sky {
    clock: Clock,
    /// The weather that there was, which goes on behind.
    before: Arc<dyn Weather>,
    now: Mutex<Now>,
}

struct Now {
    settings: BTreeMap<Neighbour, Setting>,
    seeded: Seeded,
}

impl Setting {
    fn conditions(self) -> Conditions {
        match self {
            Self::Fair | Self::Down => Conditions::default(),
            Self::Slow => Conditions {
                latency: Latency { least: Duration::from_millis(500), tail: 2.0, longest: Duration::from_secs(3) },
                ..Conditions::default()
            },
            Self::Throttled => {
                Conditions { faults: Faults { throttled: 0.7, ..Faults::default() }, ..Conditions::default() }
            }
        }
    }
}

impl Dial {
    /// A dial at fair weather, on top of whatever weather there is.
    pub(super) fn new(world: &World) -> Self {
        let clock = world.clock().clone();
        let now = Now { settings: BTreeMap::new(), seeded: Seeded::new(Climate::none(), 0, clock.clone()) };
        let sky = Arc::new(Sky { clock, before: world.wire().weather(), now: Mutex::new(now) });
        world.wire().set_weather(Clouds(sky.clone()));
        let switches = Neighbour::ALL.map(|neighbour| (neighbour, world.served(neighbour).switch())).into();
        Self { sky, switches }
    }

    /// Turns it for one neighbour.
    pub(super) fn set(&self, neighbour: Neighbour, setting: Setting) {
        let mut now = self.sky.now();
        now.settings.insert(neighbour, setting);
        let climate = now
            .settings
            .iter()
            .fold(Climate::none(), |climate, (neighbour, setting)| climate.with(*neighbour, setting.conditions()));
        now.seeded = Seeded::new(climate, 0, self.sky.clock.clone());
        if let Some(switch) = self.switches.get(&neighbour) {
            switch.set_reachable(setting != Setting::Down);
        }
    }

    /// How it is set for one neighbour.
    pub(super) fn of(&self, neighbour: Neighbour) -> Setting {
        self.sky.now().settings.get(&neighbour).copied().unwrap_or_default()
    }
}

impl Sky {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the wire asks.
struct Clouds(Arc<Sky>);

impl Weather for Clouds {
    fn fate(&self, call: &Call) -> BoxFuture<Fate> {
        let own = self.0.now().seeded.fate(call);
        let before = self.0.before.fate(call);
        Box::pin(async move {
            let fate = own.await;
            if fate == Fate::Serve { before.await } else { fate }
        })
    }
}
