//! The weather as the page sets it, dependency by dependency.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::environment::Environment;
use crate::faults::{FaultProfile, FaultRates, Faults, Latency, SeededFaults};
use crate::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector, Switch};

/// How it is with one dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Setting {
    /// Every call is served.
    #[default]
    NoFaults,
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
    switches: BTreeMap<Dependency, Switch>,
}

struct Sky {
    clock: Clock,
    /// The weather that there was, which goes on behind.
    before: Arc<dyn FaultInjector>,
    now: Mutex<Now>,
}

struct Now {
    settings: BTreeMap<Dependency, Setting>,
    seeded: SeededFaults,
}

impl Setting {
    fn conditions(self) -> FaultRates {
        match self {
            Self::NoFaults | Self::Down => FaultRates::default(),
            Self::Slow => FaultRates {
                latency: Latency { least: Duration::from_millis(500), tail: 2.0, longest: Duration::from_secs(3) },
                ..FaultRates::default()
            },
            Self::Throttled => {
                FaultRates { faults: Faults { throttled: 0.7, ..Faults::default() }, ..FaultRates::default() }
            }
        }
    }
}

impl Dial {
    /// A dial at fair weather, on top of whatever weather there is.
    pub(super) fn new(environment: &Environment) -> Self {
        let clock = environment.clock().clone();
        let now = Now { settings: BTreeMap::new(), seeded: SeededFaults::new(FaultProfile::none(), 0, clock.clone()) };
        let sky = Arc::new(Sky { clock, before: environment.network().weather(), now: Mutex::new(now) });
        environment.network().set_faults(Clouds(sky.clone()));
        let switches = Dependency::ALL.map(|dependency| (dependency, environment.served(dependency).switch())).into();
        Self { sky, switches }
    }

    /// Turns it for one dependency.
    pub(super) fn set(&self, dependency: Dependency, setting: Setting) {
        let mut now = self.sky.now();
        now.settings.insert(dependency, setting);
        let climate = now.settings.iter().fold(FaultProfile::none(), |climate, (dependency, setting)| {
            climate.with(*dependency, setting.conditions())
        });
        now.seeded = SeededFaults::new(climate, 0, self.sky.clock.clone());
        if let Some(switch) = self.switches.get(&dependency) {
            switch.set_reachable(setting != Setting::Down);
        }
    }

    /// How it is set for one dependency.
    pub(super) fn of(&self, dependency: Dependency) -> Setting {
        self.sky.now().settings.get(&dependency).copied().unwrap_or_default()
    }
}

impl Sky {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the wire asks.
struct Clouds(Arc<Sky>);

impl FaultInjector for Clouds {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let own = self.0.now().seeded.decide(call);
        let before = self.0.before.decide(call);
        Box::pin(async move {
            let fate = own.await;
            if fate == FaultAction::Serve { before.await } else { fate }
        })
    }
}
