//! The faults that are set on the page, for each dependency.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::environment::Environment;
use crate::faults::{CallFaults, FaultProfile, FaultRates, Latency, SeededFaults};
use crate::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector, Switch};

/// The availability of a dependency, as set on the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Availability {
    /// Every call is served.
    #[default]
    Normal,
    /// Every call takes half a second or more.
    Slow,
    /// Most calls are answered with 429 and `Retry-After`.
    Failing,
    /// No call is answered.
    Hanging,
    /// Access is denied to every call.
    Refusing,
    /// Every answer is an HTML page, `null`, or cut.
    Nonsense,
    /// The dependency is off the network: connections are refused.
    Down,
}

impl Availability {
    fn rates(self) -> FaultRates {
        match self {
            Self::Normal | Self::Down => FaultRates::default(),
            Self::Slow => FaultRates {
                latency: Latency { min: Duration::from_millis(500), tail: 2.0, max: Duration::from_secs(3) },
                ..FaultRates::default()
            },
            Self::Hanging => FaultRates::hanging(),
            Self::Refusing => FaultRates::refusing(),
            Self::Nonsense => FaultRates::nonsense(),
            Self::Failing => {
                FaultRates { calls: CallFaults { throttled: 0.7, ..CallFaults::default() }, ..FaultRates::default() }
            }
        }
    }
}

/// Sets the availability of the dependencies.
pub(super) struct FaultControls {
    shared: Arc<Shared>,
    switches: BTreeMap<Dependency, Switch>,
}

struct Shared {
    clock: Clock,
    /// The previous fault injector. It stays in use for the calls without a fault.
    previous: Arc<dyn FaultInjector>,
    current: Mutex<Current>,
}

struct Current {
    settings: BTreeMap<Dependency, Availability>,
    faults: SeededFaults,
}

impl FaultControls {
    /// Adds the controls to the environment, with normal availability everywhere.
    pub(super) fn new(environment: &Environment) -> Self {
        let clock = environment.clock().clone();
        let faults = SeededFaults::new(FaultProfile::none(), 0, clock.clone());
        let current = Mutex::new(Current { settings: BTreeMap::new(), faults });
        let shared = Arc::new(Shared { clock, previous: environment.network().faults(), current });
        environment.network().set_faults(ControlledFaults(shared.clone()));
        let switches = Dependency::ALL.map(|dependency| (dependency, environment.served(dependency).switch())).into();
        Self { shared, switches }
    }

    /// Sets the availability of one dependency.
    pub(super) fn set(&self, dependency: Dependency, setting: Availability) {
        let mut current = self.shared.current();
        current.settings.insert(dependency, setting);
        let profile = current
            .settings
            .iter()
            .fold(FaultProfile::none(), |profile, (dependency, setting)| profile.with(*dependency, setting.rates()));
        current.faults = SeededFaults::new(profile, 0, self.shared.clock.clone());
        if let Some(switch) = self.switches.get(&dependency) {
            switch.set_reachable(setting != Availability::Down);
        }
    }

    /// The availability that is set for one dependency.
    pub(super) fn of(&self, dependency: Dependency) -> Availability {
        self.shared.current().settings.get(&dependency).copied().unwrap_or_default()
    }
}

impl Shared {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fault injector of the controls.
struct ControlledFaults(Arc<Shared>);

impl FaultInjector for ControlledFaults {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let own = self.0.current().faults.decide(call);
        let previous = self.0.previous.decide(call);
        Box::pin(async move {
            match own.await {
                FaultAction::Serve => previous.await,
                action => action,
            }
        })
    }

    fn reads_bodies(&self) -> bool {
        self.0.previous.reads_bodies()
    }
}
