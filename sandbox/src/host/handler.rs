//! Supervises the handler process by the rules of the host.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::Inner;
use super::events::{Cause, HostEvent, KillScope};
use super::launch::{Exit, Launched, Start, free_port};

/// How often and for how long the host checks whether the handler is ready.
const READY_POLL: Duration = Duration::from_millis(25);
const READY_POLLS: u32 = 30_000 / 25;

/// The number of errors after which the host stops, and the time after which it forgets them.
const ERRORS: u32 = 3;
const QUIET: TimeDelta = TimeDelta::minutes(30);

/// The exit code with which a handler requests a restart.
const RESTART: i32 = 200;

/// The phase of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Starting: invocations wait.
    Starting,
    /// Ready on this port.
    Ready(u16),
    /// It exited with code 0 and is not restarted: invocations fail.
    Gone,
    /// The host stopped: no messages are received and no timers run.
    Stopped,
}

/// The state that invocations observe.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandlerState {
    pub phase: Phase,
    /// Counts handlers.
    pub handler: u64,
    /// Counts instances, each with its host.
    pub instance: u64,
    /// Whether the instance has received a signal to stop. It receives nothing and settles nothing any more.
    pub stopping: bool,
}

impl HandlerState {
    /// Whether the triggers of this instance are active.
    pub(super) fn is_listening(&self) -> bool {
        self.phase != Phase::Stopped && !self.stopping
    }
}

impl Default for HandlerState {
    fn default() -> Self {
        Self { phase: Phase::Starting, handler: 0, instance: 0, stopping: false }
    }
}

/// Commands for the supervisor.
pub(super) enum Command {
    /// Replace the handler. The reply is sent when the old one is dead.
    Replace(KillScope, oneshot::Sender<()>),
    /// An invocation timed out. The host kills the handler that lives when it learns of it, whichever handler was
    /// invoked.
    TimedOut,
    /// Stop the handler for good.
    ShutDown(oneshot::Sender<()>),
}

struct HandlerExit {
    cause: Cause,
    done: Option<oneshot::Sender<()>>,
}

impl From<Cause> for HandlerExit {
    fn from(cause: Cause) -> Self {
        Self { cause, done: None }
    }
}

/// Restarts the handler until the host shuts down.
pub(super) async fn supervise(inner: Arc<Inner>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut errors = Errors::default();
    loop {
        let mut end = run_handler(&inner, &mut commands).await;
        let mut next = errors.next(&end.cause, inner.clock.now());
        inner.update_state(&end, next);
        inner.report(HostEvent::HandlerDied(end.cause));
        if next == Some(Phase::Stopped) {
            inner.report(HostEvent::Stopped);
        }
        while next.is_some_and(|phase| phase != Phase::Starting) {
            end = wait_for_command(&mut commands).await;
            next = errors.next(&end.cause, inner.clock.now());
            inner.update_state(&end, next);
        }
        if let Some(done) = end.done {
            // The caller may have stopped waiting.
            let _ = done.send(());
        }
        if next.is_none() {
            return;
        }
    }
}

impl Inner {
    /// Informs all invocations at once that the handler has exited, which handler it was, and what follows.
    fn update_state(&self, end: &HandlerExit, next: Option<Phase>) {
        let instance = match end.cause {
            Cause::Replaced(scope) => scope != KillScope::Process,
            Cause::ShutDown => true,
            Cause::Exited(_) | Cause::NotStarted(_) | Cause::TimedOut => false,
        };
        self.handler_state.send_modify(|state| {
            state.phase = next.unwrap_or(Phase::Stopped);
            state.handler += 1;
            state.instance += u64::from(instance);
            state.stopping &= !instance;
        });
    }
}

/// One handler from start to exit.
async fn run_handler(inner: &Inner, commands: &mut mpsc::UnboundedReceiver<Command>) -> HandlerExit {
    // Starting takes real time only. Simulated time stops while the handler starts.
    let hold = inner.clock.hold();
    let mut launched = match launch(inner).await {
        Ok(launched) => launched,
        Err(error) => return Cause::NotStarted(error.to_string()).into(),
    };
    let end = tokio::select! {
        exit = &mut launched.exited => return Cause::Exited(exit).into(),
        end = wait_for_command(commands) => Some(end),
        ready = answers(inner, launched.port) => (!ready).then(|| {
            Cause::NotStarted("no answer to GET / within 30 s".to_owned()).into()
        }),
    };
    let end = match end {
        Some(end) => end,
        None => {
            inner.handler_state.send_modify(|state| state.phase = Phase::Ready(launched.port));
            inner.report(HostEvent::HandlerStarted { port: launched.port });
            drop(hold);
            tokio::select! {
                exit = &mut launched.exited => return Cause::Exited(exit).into(),
                end = wait_for_command(commands) => end,
            }
        }
    };
    kill(launched).await;
    end
}

async fn kill(launched: Launched) {
    (launched.kill)();
    launched.exited.await;
}

/// Waits for a command for the current handler.
async fn wait_for_command(commands: &mut mpsc::UnboundedReceiver<Command>) -> HandlerExit {
    match commands.recv().await {
        Some(Command::Replace(scope, done)) => HandlerExit { cause: Cause::Replaced(scope), done: Some(done) },
        Some(Command::TimedOut) => Cause::TimedOut.into(),
        Some(Command::ShutDown(done)) => HandlerExit { cause: Cause::ShutDown, done: Some(done) },
        None => Cause::ShutDown.into(),
    }
}

async fn launch(inner: &Inner) -> std::io::Result<Launched> {
    let app = &inner.app;
    let port = free_port()?;
    let mut environment = app.settings.clone();
    let port_text = port.to_string();
    let root = app.root.display().to_string();
    let worker = Uuid::new_v4().to_string();
    for (name, value) in [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", port_text.as_str()),
        ("FUNCTIONS_HTTPWORKER_PORT", port_text.as_str()),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", worker.as_str()),
        ("FUNCTIONS_HTTPWORKER_ID", worker.as_str()),
        ("FUNCTIONS_APP_ROOT_PATH", root.as_str()),
        ("FUNCTIONS_WORKER_RUNTIME", "custom"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    let start = Start {
        executable: app.executable.clone(),
        arguments: app.arguments.clone(),
        directory: app.directory.clone(),
        environment,
        port,
        output: inner.output.clone(),
    };
    inner.launch.launch(start).await
}

/// Any answer counts, even 404.
async fn answers(inner: &Inner, port: u16) -> bool {
    for _ in 0..READY_POLLS {
        if inner.client.ping(port).await {
            return true;
        }
        tokio::time::sleep(READY_POLL).await;
    }
    false
}

/// The host's error counter.
#[derive(Default)]
struct Errors {
    count: u32,
    last: Option<DateTime<Utc>>,
}

impl Errors {
    /// What follows after the handler's exit. Nothing follows after a shutdown.
    fn next(&mut self, cause: &Cause, now: DateTime<Utc>) -> Option<Phase> {
        match cause {
            Cause::Exited(Exit(Some(0))) => Some(Phase::Gone),
            Cause::Exited(Exit(Some(RESTART))) | Cause::TimedOut => Some(Phase::Starting),
            Cause::Replaced(_) => {
                // Caused by the platform, not by the handler.
                *self = Self::default();
                Some(Phase::Starting)
            }
            Cause::ShutDown => None,
            Cause::Exited(_) | Cause::NotStarted(_) => Some(self.add(now)),
        }
    }

    fn add(&mut self, now: DateTime<Utc>) -> Phase {
        if self.last.is_some_and(|last| now - last > QUIET) {
            self.count = 0;
        }
        self.count += 1;
        self.last = Some(now);
        if self.count >= ERRORS { Phase::Stopped } else { Phase::Starting }
    }
}
