//! The Azure Functions host, as a custom handler sees it.
//!
//! It reads the same `host.json` and `function.json` files, starts the same executable with the same environment
//! variables, uses the same HTTP protocol, evaluates answers by the same rules, and kills the handler in the same
//! situations.

mod app;
mod app_error;
mod client;
mod events;
mod function;
mod handler;
mod host_json;
mod http;
mod invoke;
mod launch;
mod message;
mod payload;
mod requests;
mod subscription;
mod timer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::clock::{Clock, TimeHold};

pub use self::app::App;
pub use self::app_error::{AppError, Settings};
pub use self::events::{Cause, Counters, FunctionCounters, HostEvent, KillScope, Outcome};
pub use self::function::{
    AuthLevel, Connection, Entity, Function, HttpTrigger, ServiceBusTrigger, TimerTrigger, Trigger,
};
pub use self::http::Keys;
pub use self::launch::{Exit, Launch, Launched, Level, Process, Sink, Start};
pub use self::message::{Delivery, Message, MessageSource, SettlementError};
pub use self::requests::{HttpRequest, HttpRequests};

use self::client::HandlerClient;
use self::handler::{Command, HandlerState, Phase};

/// Finds the source of a function's messages. An error contains the reason why there is none.
pub type Sources = dyn Fn(&ServiceBusTrigger) -> Result<Arc<dyn MessageSource>, String> + Send + Sync;

/// How long a host that was told to stop waits for its invocations.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of events that are kept for a slow observer.
const UNREAD_EVENTS: usize = 16_384;

/// The parameters of a host.
pub struct HostOptions {
    /// The app.
    pub app: App,
    /// The sandbox's time.
    pub clock: Clock,
    /// How the handler is started.
    pub launch: Arc<dyn Launch>,
    /// The message sources.
    pub sources: Box<Sources>,
    /// The keys of HTTP functions.
    pub keys: Keys,
    /// Receives the requests of HTTP functions.
    pub requests: HttpRequests,
    /// Receives the handler's output.
    pub output: Sink,
}

/// A running host. Dropping it stops everything.
pub struct Host {
    inner: Arc<Inner>,
    _tasks: JoinSet<()>,
}

struct Inner {
    app: App,
    clock: Clock,
    launch: Arc<dyn Launch>,
    keys: Keys,
    requests: HttpRequests,
    output: Sink,
    client: HandlerClient,
    handler_state: watch::Sender<HandlerState>,
    commands: mpsc::UnboundedSender<Command>,
    in_flight: watch::Sender<usize>,
    /// Holds simulated time between the last invocation of a stopping instance and its replacement.
    stop_hold: Mutex<Option<TimeHold>>,
    events: broadcast::Sender<HostEvent>,
    counters: Mutex<Counters>,
}

impl Host {
    /// Starts the handler and all triggers.
    ///
    /// # Errors
    ///
    /// When a function's messages have no source.
    pub fn start(options: HostOptions) -> Result<Self, AppError> {
        let (commands, received) = mpsc::unbounded_channel();
        let inner = Arc::new(Inner {
            client: HandlerClient::new(),
            app: options.app,
            clock: options.clock,
            launch: options.launch,
            keys: options.keys,
            requests: options.requests,
            output: options.output,
            handler_state: watch::Sender::default(),
            commands,
            in_flight: watch::Sender::default(),
            stop_hold: Mutex::default(),
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

    /// Kills the handler at any point of its execution and starts another at once. Returns when the old one is dead.
    ///
    /// This does not count as an error of the handler. A host that had stopped runs again.
    pub async fn replace_handler(&self, scope: KillScope) {
        self.platform().replace_handler(scope).await;
    }

    /// A handle that can replace the handler.
    pub fn platform(&self) -> Platform {
        Platform(self.inner.clone())
    }

    /// Waits until the handler is ready. Returns `false` if it will not become ready.
    pub async fn ready(&self) -> bool {
        let settled = self.inner.until(|state| state.phase != Phase::Starting).await;
        settled.is_some_and(|state| matches!(state.phase, Phase::Ready(_)))
    }

    /// The events from now on.
    pub fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.inner.events.subscribe()
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        self.inner.counters().clone()
    }

    /// Whether no invocation is in progress.
    pub fn idle(&self) -> bool {
        *self.inner.in_flight.borrow() == 0
    }

    /// Waits until no invocation is in progress.
    pub async fn until_idle(&self) {
        let mut in_flight = self.inner.in_flight.subscribe();
        // The sender lives as long as this host.
        let _ = in_flight.wait_for(|count| *count == 0).await;
    }

    /// Kills the handler for good. Invocations in progress are lost, and their locks expire.
    pub async fn shutdown(self) {
        let (done, dead) = oneshot::channel();
        self.inner.command(Command::ShutDown(done));
        // An error means that it was already dead.
        let _ = dead.await;
    }
}

/// Replaces the handler of one host, like the platform does. It has no effect once the host is gone.
#[derive(Clone)]
pub struct Platform(Arc<Inner>);

impl Platform {
    /// See [`Host::replace_handler`].
    pub async fn replace_handler(&self, scope: KillScope) {
        if scope == KillScope::GracefulStop {
            self.0.drain().await;
        }
        let (done, dead) = oneshot::channel();
        self.0.command(Command::Replace(scope, done));
        // An error means that the host has shut down.
        let _ = dead.await;
        self.0.set_stop_hold(None);
    }
}

/// Starts the listener of a function's trigger.
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

impl Inner {
    fn concurrent_calls(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.app.max_concurrent_calls.unwrap_or_else(|| 16 * cores())
    }

    /// Waits until the handler is in the wanted phase. `None` if that is no longer possible.
    async fn until(&self, wanted: impl FnMut(&HandlerState) -> bool) -> Option<HandlerState> {
        self.handler_state.subscribe().wait_for(wanted).await.ok().map(|state| *state)
    }

    /// Waits until the triggers are active. Returns `false` if they never will be.
    async fn listening(&self) -> bool {
        self.until(HandlerState::is_listening).await.is_some()
    }

    /// Stops the triggers, and waits a limited time for the invocations in progress.
    async fn drain(&self) {
        self.handler_state.send_modify(|state| state.stopping = true);
        let mut in_flight = self.in_flight.subscribe();
        tokio::select! {
            _ = in_flight.wait_for(|count| *count == 0) => {}
            _ = self.clock.sleep(SHUTDOWN_TIMEOUT) => {}
        }
    }

    /// The end of an invocation.
    fn invocation_ended(&self) {
        self.in_flight.send_modify(|count| *count -= 1);
        if *self.in_flight.borrow() == 0 && self.handler_state.borrow().stopping {
            self.set_stop_hold(Some(self.clock.hold()));
        }
    }

    fn set_stop_hold(&self, hold: Option<TimeHold>) {
        *self.stop_hold.lock().unwrap_or_else(PoisonError::into_inner) = hold;
    }

    fn command(&self, command: Command) {
        // The supervisor lives as long as the host.
        let _ = self.commands.send(command);
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
        // There may be no observer.
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
