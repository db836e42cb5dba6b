//! The Azure Functions host, as a custom handler meets it.
//!
//! It reads the same `host.json` and `function.json` files, starts the same executable with the same environment,
//! speaks the same HTTP to it, judges its answers by the same rules, and is just as quick to kill it.

mod app;
mod events;
mod function;
mod handler;
mod http;
mod invoke;
mod launch;
mod message;
mod payload;
mod subscription;
mod timer;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::Clock;

pub use app::{App, AppError, Settings};
pub use events::{Cause, Counters, FunctionCounters, HostEvent, KillScope, Outcome};
pub use function::{AuthLevel, Connection, Entity, Function, HttpTrigger, ServiceBusTrigger, TimerTrigger, Trigger};
pub use http::Keys;
pub use launch::{Exit, Launch, Launched, Level, Process, Sink, Start};
pub use message::{Delivery, Message, MessageSource, SettlementError};

use handler::{Life, Order, Phase};

/// Finds the source of a function's messages; an error says why there is none.
pub type Sources = dyn Fn(&ServiceBusTrigger) -> Result<Arc<dyn MessageSource>, String> + Send + Sync;

/// Events that a slow watcher may leave unread before it misses some.
const UNREAD_EVENTS: usize = 16_384;

/// What a host needs.
pub struct HostOptions {
    /// The app.
    pub app: App,
    /// The sandbox's time.
    pub clock: Clock,
    /// How the handler is started.
    pub launch: Arc<dyn Launch>,
    /// Where messages come from.
    pub sources: Box<Sources>,
    /// The keys of HTTP functions.
    pub keys: Keys,
    /// Where the handler's output goes.
    pub output: Sink,
}

/// A running host; everything ends when it is dropped.
pub struct Host {
    inner: Arc<Inner>,
    _tasks: JoinSet<()>,
}

struct Inner {
    app: App,
    clock: Clock,
    launch: Arc<dyn Launch>,
    keys: Keys,
    output: Sink,
    client: reqwest::Client,
    life: watch::Sender<Life>,
    orders: mpsc::UnboundedSender<Order>,
    in_flight: watch::Sender<usize>,
    events: broadcast::Sender<HostEvent>,
    counters: Mutex<Counters>,
}

impl Host {
    /// Starts the handler and listens to everything that sets functions off.
    ///
    /// # Errors
    ///
    /// When a function's messages have no source, or the machine gives no HTTP client.
    pub fn start(options: HostOptions) -> Result<Self, AppError> {
        let (orders, received) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            client: client().map_err(|error| AppError::Host(error.to_string()))?,
            app: options.app,
            clock: options.clock,
            launch: options.launch,
            keys: options.keys,
            output: options.output,
            life: watch::Sender::default(),
            orders,
            in_flight: watch::Sender::default(),
            events: broadcast::Sender::new(UNREAD_EVENTS),
            counters: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for function in &inner.app.functions {
            listen(&inner, function, &options.sources, &mut tasks)?;
        }
        tasks.spawn(handler::supervise(inner.clone(), received));
        Ok(Self { inner, _tasks: tasks })
    }

    /// The HTTP functions, to be served on a port.
    pub fn router(&self) -> Router {
        http::router(&self.inner)
    }

    /// Kills the handler at whatever instruction it is, and starts another at once; returns when the old one is dead.
    ///
    /// Neither counts as an error of the handler's. A host that had stopped runs again.
    pub async fn replace_handler(&self, death: KillScope) {
        self.platform().replace_handler(death).await;
    }

    /// The means to replace the handler from elsewhere.
    pub fn platform(&self) -> Platform {
        Platform(self.inner.clone())
    }

    /// Waits until the handler answers; `false` when it is not going to.
    pub async fn ready(&self) -> bool {
        let settled = self.inner.until(|life| life.phase != Phase::Starting).await;
        settled.is_some_and(|life| matches!(life.phase, Phase::Ready(_)))
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.inner.events.subscribe()
    }

    /// How often things have happened so far.
    pub fn counters(&self) -> Counters {
        self.inner.counters().clone()
    }

    /// Whether no invocation is in flight.
    pub fn idle(&self) -> bool {
        *self.inner.in_flight.borrow() == 0
    }

    /// Waits until no invocation is in flight.
    pub async fn until_idle(&self) {
        let mut in_flight = self.inner.in_flight.subscribe();
        // The sender lives as long as this host.
        let _ = in_flight.wait_for(|count| *count == 0).await;
    }

    /// Kills the handler for good; invocations in flight are lost, and their locks left to expire.
    pub async fn shutdown(self) {
        let (done, dead) = oneshot::channel();
        self.inner.order(Order::ShutDown(done));
        // An error means that it was dead already.
        let _ = dead.await;
    }
}

/// The platform's power over one host's handler; without effect once the host is gone.
#[derive(Clone)]
pub struct Platform(Arc<Inner>);

impl Platform {
    /// See [`Host::replace_handler`].
    pub async fn replace_handler(&self, death: KillScope) {
        let (done, dead) = oneshot::channel();
        self.0.order(Order::Replace(death, done));
        // An error means that the host has shut down.
        let _ = dead.await;
    }
}

/// Starts whatever waits for a function's trigger.
fn listen(inner: &Arc<Inner>, function: &Function, sources: &Sources, tasks: &mut JoinSet<()>) -> Result<(), AppError> {
    let name = function.name.clone();
    match &function.trigger {
        Trigger::Timer(trigger) => {
            tasks.spawn(timer::run(inner.clone(), name, trigger.clone()));
        }
        Trigger::ServiceBus(trigger) => {
            let source = sources(trigger).map_err(|reason| AppError::Function { function: name.clone(), reason })?;
            for _ in 0..inner.concurrent_calls() {
                tasks.spawn(subscription::run(inner.clone(), name.clone(), trigger.clone(), source.clone()));
            }
        }
        Trigger::Http(_) => {}
    }
    Ok(())
}

/// Calls 127.0.0.1 directly, keeps connections alive, and sets no limit of its own to an invocation.
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().http1_only().redirect(reqwest::redirect::Policy::none()).build()
}

impl Inner {
    fn concurrent_calls(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.app.max_concurrent_calls.unwrap_or_else(|| 16 * cores())
    }

    /// Waits until the handler's life is as wanted; nothing when that can no longer be.
    async fn until(&self, wanted: impl FnMut(&Life) -> bool) -> Option<Life> {
        self.life.subscribe().wait_for(wanted).await.ok().map(|life| *life)
    }

    /// Waits while the host is stopped; `false` when it will never run again.
    async fn running(&self) -> bool {
        self.until(|life| life.phase != Phase::Stopped).await.is_some()
    }

    fn order(&self, order: Order) {
        // The supervisor is only ever gone together with the host.
        let _ = self.orders.send(order);
    }

    fn counters(&self) -> std::sync::MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters());
    }

    fn report(&self, event: HostEvent) {
        tracing::debug!(?event, "host");
        self.counters().count(&event);
        // Nobody need be watching.
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
