//! FaultInjector by script: a rule decides the fate of each call, and every call is noted.

use std::sync::{Arc, Mutex};

use sandbox::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector};

type Rule = dyn Fn(&Call) -> FaultAction + Send + Sync;

/// Calls as they happened.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// How many calls went to paths that contain `part`.
    pub(crate) fn to(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|call| call.path.contains(part)).count()
    }

    /// How many calls a dependency got.
    pub(crate) fn at(&self, dependency: Dependency) -> usize {
        self.0.lock().unwrap().iter().filter(|call| call.dependency == dependency).count()
    }
}

pub(crate) struct Script {
    rule: Arc<Rule>,
    calls: Calls,
}

impl Script {
    pub(crate) fn new(calls: &Calls, rule: impl Fn(&Call) -> FaultAction + Send + Sync + 'static) -> Self {
        Self { rule: Arc::new(rule), calls: calls.clone() }
    }

    /// NoFaults weather that notes every call.
    pub(crate) fn watching(calls: &Calls) -> Self {
        Self { rule: Arc::new(|_| FaultAction::Serve), calls: calls.clone() }
    }
}

impl FaultInjector for Script {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        self.calls.0.lock().unwrap().push(call.clone());
        let fate = (self.rule)(call);
        Box::pin(async move { fate })
    }
}
