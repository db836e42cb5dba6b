//! Weather by script: a rule decides the fate of each call, and every call is noted.

use std::sync::{Arc, Mutex};

use sandbox::wire::{BoxFuture, Call, Fate, Neighbour, Weather};

type Rule = dyn Fn(&Call) -> Fate + Send + Sync;

/// Calls as they happened.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// How many calls went to paths that contain `part`.
    pub(crate) fn to(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|call| call.path.contains(part)).count()
    }

    /// How many calls a neighbour got.
    pub(crate) fn at(&self, neighbour: Neighbour) -> usize {
        self.0.lock().unwrap().iter().filter(|call| call.neighbour == neighbour).count()
    }
}

pub(crate) struct Script {
    rule: Arc<Rule>,
    calls: Calls,
}

impl Script {
    pub(crate) fn new(calls: &Calls, rule: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> Self {
        Self { rule: Arc::new(rule), calls: calls.clone() }
    }

    /// Fair weather that notes every call.
    pub(crate) fn watching(calls: &Calls) -> Self {
        Self { rule: Arc::new(|_| Fate::Serve), calls: calls.clone() }
    }
}

impl Weather for Script {
    fn fate(&self, call: &Call) -> BoxFuture<Fate> {
        self.calls.0.lock().unwrap().push(call.clone());
        let fate = (self.rule)(call);
        Box::pin(async move { fate })
    }
}
