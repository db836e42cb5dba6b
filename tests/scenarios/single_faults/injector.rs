//! Injects planned faults, once or for as long as they last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox::clock::Clock;
use sandbox::environment::Environment;
use sandbox::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector, Switch};

use super::fault::Fault;
use crate::request_kind::Kind;

/// How long connections are refused by a fault that happens once.
const REFUSED: Duration = Duration::from_millis(500);

/// Hangs of a lasting fault that are waited for in real time. Each costs a time-out.
const HANGS: usize = 2;

/// A request, and which fault it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) at: Point,
    pub(crate) fault: Fault,
    /// Whether all later requests of the same kind have it too. Refused connections affect the whole dependency.
    pub(crate) lasts: bool,
}

impl Planned {
    /// Whether the Scale Unit says that there is no cart.
    pub(crate) fn removes_cart(&self) -> bool {
        self.at.kind == Kind::Cart && matches!(self.fault, Fault::Null | Fault::Status(404))
    }
}

/// The `number`-th request to a dependency in a day without faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) dependency: Dependency,
    pub(crate) number: u64,
    pub(crate) kind: Kind,
}

/// Injects the planned faults, and counts all requests.
#[derive(Clone)]
pub(crate) struct Injector(Arc<Shared>);

struct Shared {
    planned: Vec<Planned>,
    clock: Clock,
    switches: BTreeMap<Dependency, Switch>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The requests so far.
    calls: Vec<Point>,
    /// Which planned faults have happened.
    reached: Vec<bool>,
    /// The requests that have hung.
    hangs: usize,
    ended: bool,
}

impl Injector {
    /// Must be called before the first request.
    pub(crate) async fn new(environment: &Environment, planned: Vec<Planned>) -> Self {
        let switches = Dependency::ALL.map(|dependency| (dependency, environment.served(dependency).switch())).into();
        let state = State { reached: vec![false; planned.len()], ..State::default() };
        let shared = Shared { planned, clock: environment.clock().clone(), switches, state: Mutex::new(state) };
        let injector = Self(Arc::new(shared));
        let calls = environment.network().calls();
        let refused: Vec<_> = injector.refused_after(|at| at.number == calls[&at.dependency]).collect();
        for index in refused {
            injector.refuse(index).await;
        }
        injector
    }

    /// Ends all faults.
    pub(crate) async fn end(&self) {
        self.0.state.lock().unwrap().ended = true;
        for switch in self.0.switches.values() {
            switch.set_accepting(true).await;
        }
    }

    pub(crate) fn calls(&self) -> Vec<Point> {
        self.0.state.lock().unwrap().calls.clone()
    }

    /// Whether all planned faults have happened.
    pub(crate) fn all_reached(&self) -> bool {
        self.0.state.lock().unwrap().reached.iter().all(|reached| *reached)
    }

    /// Whether a fault can hide what has started: that of a trigger, and one that breaks all connections.
    pub(crate) fn may_lose_starts(&self) -> bool {
        let hides = |it: &Planned| it.at.kind == Kind::Trigger || it.fault == Fault::Refused;
        self.0.planned.iter().any(hides)
    }

    fn refused_after(&self, is_next: impl Fn(Point) -> bool) -> impl Iterator<Item = usize> {
        let planned = self.0.planned.iter().enumerate();
        planned.filter(move |(_, it)| it.fault == Fault::Refused && is_next(it.at)).map(|(index, _)| index)
    }

    /// Refuses connections before the request is sent.
    async fn refuse(&self, index: usize) {
        let planned = self.0.planned[index];
        if std::mem::replace(&mut self.0.state.lock().unwrap().reached[index], true) {
            return;
        }
        let switch = self.0.switches[&planned.at.dependency].clone();
        switch.set_accepting(false).await;
        if !planned.lasts {
            let clock = self.0.clock.clone();
            tokio::spawn(async move {
                let _hold = clock.sleep(REFUSED).await;
                switch.set_accepting(true).await;
            });
        }
    }

    /// The action for this request.
    fn action(&self, at: Point) -> FaultAction {
        let mut state = self.0.state.lock().unwrap();
        if state.ended {
            return FaultAction::Serve;
        }
        for (index, planned) in self.0.planned.iter().enumerate() {
            let is_first = (planned.at.dependency, planned.at.number) == (at.dependency, at.number);
            let is_later = planned.lasts && state.reached[index] && planned.at.kind == at.kind;
            if planned.fault != Fault::Refused && (is_first || is_later) {
                state.reached[index] = true;
                state.hangs += usize::from(planned.fault.hangs());
                let fault = if state.hangs > HANGS { planned.fault.without_wait() } else { planned.fault };
                return fault.action(at.dependency);
            }
        }
        FaultAction::Serve
    }
}

impl FaultInjector for Injector {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let at = Point { dependency: call.dependency, number: call.own_number, kind: Kind::of(call) };
        self.0.state.lock().unwrap().calls.push(at);
        let (injector, action) = (self.clone(), self.action(at));
        Box::pin(async move {
            let is_next = |next: Point| (next.dependency, next.number) == (at.dependency, at.number + 1);
            let refused: Vec<_> = injector.refused_after(is_next).collect();
            for index in refused {
                injector.refuse(index).await;
            }
            action
        })
    }

    fn reads_bodies(&self) -> bool {
        true
    }
}
