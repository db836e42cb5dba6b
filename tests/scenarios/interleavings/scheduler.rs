//! Holds each request to shared state until the schedule releases it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use sandbox::network::{BoxFuture, Call, ErrorReply, FaultAction, FaultInjector};
use tokio::sync::{Notify, oneshot};

use crate::request_kind::Kind;

/// One of the two processes.
pub(crate) type Actor = usize;

/// A request that waits for its turn.
struct Held {
    kind: Kind,
    turn: oneshot::Sender<()>,
}

impl State {
    /// The requests of a process that wait. The client may have cancelled some.
    fn waiting(&mut self, actor: Actor) -> &mut VecDeque<Held> {
        self.held[actor].retain(|held| !held.turn.is_closed());
        &mut self.held[actor]
    }
}

#[derive(Clone, Default)]
pub(crate) struct Scheduler(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The process that runs. All requests that arrive meanwhile are its own, because the other one waits.
    running: Actor,
    held: [VecDeque<Held>; 2],
    finished: [bool; 2],
    has_sent: bool,
    /// How many times each event was published.
    published: BTreeMap<String, usize>,
}

impl Scheduler {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// From now on `actor` runs. Returns when it waits for its turn again, or is finished.
    pub(crate) async fn run(&self, actor: Actor, begin: impl FnOnce()) {
        self.state().running = actor;
        begin();
        loop {
            let changed = self.0.changed.notified();
            {
                let mut state = self.state();
                if state.finished[actor] || !state.waiting(actor).is_empty() {
                    return;
                }
            }
            changed.await;
        }
    }

    /// The kind of the next request of a process that waits.
    pub(crate) fn next(&self, actor: Actor) -> Option<Kind> {
        self.state().waiting(actor).front().map(|held| held.kind)
    }

    /// Releases the next request of a process, and runs the process.
    pub(crate) async fn release(&self, actor: Actor) {
        let held = self.state().waiting(actor).pop_front();
        // An error means that the client has cancelled the request.
        self.run(actor, || held.into_iter().for_each(|held| held.turn.send(()).unwrap_or_default())).await;
    }

    /// Whether a message was sent.
    pub(crate) fn has_sent(&self) -> bool {
        self.state().has_sent
    }

    /// How many times the event that was published most often was published.
    pub(crate) fn publications(&self) -> usize {
        self.state().published.values().copied().max().unwrap_or_default()
    }

    pub(crate) fn finish(&self, actor: Actor) {
        self.state().finished[actor] = true;
        self.0.changed.notify_one();
    }
}

/// Whether the order of these requests matters.
fn is_shared(kind: Kind) -> bool {
    const SHARED: [Kind; 13] = [
        Kind::ReadItem,
        Kind::AddRecords,
        Kind::SaveRecords,
        Kind::AssignContact,
        Kind::Claim,
        Kind::TakeOver,
        Kind::Settle,
        Kind::MoveCursor,
        Kind::DueRecords,
        Kind::FindRecords,
        Kind::FindContact,
        Kind::CreateContact,
        Kind::Trigger,
    ];
    SHARED.contains(&kind)
}

impl FaultInjector for Scheduler {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let kind = Kind::of(call);
        let mut state = self.state();
        if kind == Kind::Send {
            state.has_sent = true;
            let messages: Vec<serde_json::Value> = serde_json::from_slice(&call.body).unwrap_or_default();
            for message in messages.iter().filter(|message| !message.to_string().contains("ScheduledEnqueueTimeUtc")) {
                let body = message["Body"].as_str().unwrap_or_default();
                let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
                *state.published.entry(body["EventDetails"].to_string()).or_default() += 1;
            }
        }
        if !is_shared(kind) {
            return Box::pin(async { FaultAction::Serve });
        }
        let (turn, my_turn) = oneshot::channel();
        let running = state.running;
        state.held[running].push_back(Held { kind, turn });
        drop(state);
        self.0.changed.notify_one();
        Box::pin(async move {
            // An error means that the order has ended.
            let _ = my_turn.await;
            FaultAction::Serve
        })
    }

    fn reads_bodies(&self) -> bool {
        true
    }
}

/// Keeps the messages that are published, and delivers none.
#[derive(Clone, Default)]
pub(crate) struct Interceptor {
    bodies: Arc<Mutex<Vec<String>>>,
    /// Whether the poller can record that it has published.
    pub(crate) is_recorded: bool,
}

impl Interceptor {
    pub(crate) fn new(is_recorded: bool) -> Self {
        Self { is_recorded, ..Self::default() }
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

impl FaultInjector for Interceptor {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let action = match Kind::of(call) {
            Kind::Send => {
                let entries: Vec<serde_json::Value> = serde_json::from_slice(&call.body).unwrap_or_default();
                let bodies = entries.iter().filter_map(|entry| entry["Body"].as_str().map(str::to_owned));
                self.bodies.lock().unwrap().extend(bodies);
                FaultAction::Refuse(ErrorReply::bare(reqwest::StatusCode::CREATED))
            }
            Kind::SaveRecords if !self.is_recorded => {
                FaultAction::Refuse(ErrorReply::bare(reqwest::StatusCode::SERVICE_UNAVAILABLE))
            }
            _ => FaultAction::Serve,
        };
        Box::pin(async move { action })
    }

    fn reads_bodies(&self) -> bool {
        true
    }
}
