//! A fault injector with a rule for each call. It records every call.

use std::sync::{Arc, Mutex};

use sandbox::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector};

type Rule = dyn Fn(&Call) -> FaultAction + Send + Sync;

/// The recorded calls.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// Number of calls whose path contains `part`.
    pub(crate) fn to(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|call| call.path.contains(part)).count()
    }

    /// Number of calls to a dependency.
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

    /// No faults. Records every call.
    pub(crate) fn recording(calls: &Calls) -> Self {
        Self { rule: Arc::new(|_| FaultAction::Serve), calls: calls.clone() }
    }
}

impl FaultInjector for Script {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        self.calls.0.lock().unwrap().push(call.clone());
        let action = (self.rule)(call);
        Box::pin(async move { action })
    }

    fn reads_bodies(&self) -> bool {
        true
    }
}
