//! The contract with the Azure Functions host: a custom handler with one timer-triggered function.
//!
//! Page: "Azure Functions custom handlers". The host calls `POST /prepare-data` on the schedule, and the reply ends the
//! invocation. After `functionTimeout` of `host.json`, it kills this process. It also does so without notice when it scales
//! in or is updated. So a preparation may end at any instruction, and the next one continues from what is published.

mod job;
pub mod log_events;
mod run_lock;
mod stop;

use std::future::{Future, IntoFuture as _};
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use commerce_journeys::host::{failure, invocation_id, success};
use commerce_journeys::telemetry::invocation::{Invocation, Trigger};
use futures::FutureExt as _;
use tokio::net::TcpListener;

use log_events::LogEvent;
use run_lock::RunLock;
use stop::Stop;

pub use commerce_journeys::host::{ListenError, listen};
pub use job::{log_report, prepare};
pub use stop::asked_to_stop;

/// Names of the functions, and of the folders with their `function.json`.
pub const FUNCTIONS: [&str; 1] = ["prepare-data"];

/// The result of a preparation, as it is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Gold tables.
    pub tables: usize,
    /// Those of them that have a new version.
    pub changed: usize,
    /// Rows of all gold tables.
    pub rows: u64,
    /// Rows that are not published.
    pub rejected: u64,
    /// When the newest source row was written to the lake.
    pub newest_source_row: Option<DateTime<Utc>>,
}

/// Why a preparation published nothing, or not everything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The quality gate stopped it: no gold table was published, or nothing that the weekly comparison found.
    #[error("the quality gate stopped the preparation: {detail}")]
    Stopped {
        /// Names of the rules.
        checks: Vec<String>,
        /// What they found.
        detail: String,
    },
    /// Something failed. What was published before is complete, and the next preparation continues from it.
    #[error("the preparation failed: {detail}")]
    Failed {
        /// The operation, its error, and what to do.
        detail: String,
    },
}

/// Why the handler does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The listener failed.
    #[error("requests of the Functions host cannot be served: {0}")]
    Serve(#[from] io::Error),
}

/// Runs the handler: listens on the port that the Functions host set in the environment, serves until the process is asked
/// to stop, and logs both. `started` is the start of the process.
///
/// # Errors
///
/// The environment has no port, or the listener fails.
pub async fn run<J, F>(started: Instant, environment: impl Fn(&str) -> Option<String>, job: J) -> Result<(), ServeError>
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Summary, JobError>> + Send + 'static,
{
    let listener = listen(environment).await?;
    LogEvent::HandlerStarted { version: env!("CARGO_PKG_VERSION"), start_ms: milliseconds(started) }.log();
    serve(listener, asked_to_stop(), job).await?;
    LogEvent::HandlerStopped { uptime_ms: milliseconds(started) }.log();
    Ok(())
}

/// Serves the Functions host on `listener` until `stop` completes; each invocation runs `job`, one at a time.
///
/// # Errors
///
/// The listener fails.
pub async fn serve<J, F>(listener: TcpListener, stop: impl Future<Output = ()>, job: J) -> io::Result<()>
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Summary, JobError>> + Send + 'static,
{
    let (stopped, until_stopped) = Stop::new();
    let runner = Arc::new(Runner { job, lock: RunLock::default(), stop: until_stopped.clone() });
    let server = axum::serve(listener, router(runner)).with_graceful_shutdown(until_stopped.wait());
    let stopping = async {
        stop.await;
        stopped.send();
        // The server ends by itself after the running preparation was abandoned and its reply was sent.
        std::future::pending().await
    };
    tokio::select! {
        ended = server.into_future() => ended,
        ended = stopping => ended,
    }
}

fn router<J, F>(runner: Arc<Runner<J>>) -> Router
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Summary, JobError>> + Send + 'static,
{
    Router::new()
        // Any reply means that the handler is ready.
        .route("/", get(ready))
        .route("/prepare-data", post(on_prepare_data))
        .with_state(runner)
}

async fn ready() -> Response {
    success()
}

/// The invocation runs in its own task: a closed connection does not cancel it.
async fn on_prepare_data<J, F>(State(runner): State<Arc<Runner<J>>>, headers: HeaderMap) -> Response
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Summary, JobError>> + Send + 'static,
{
    let invocation = Invocation::new("prepare-data", Trigger::Timer, invocation_id(&headers));
    let run = invocation.in_scope(async move { runner.run().await });
    tokio::spawn(run).await.unwrap_or_else(|error| failure(&error.to_string()))
}

/// Runs the job, one at a time.
struct Runner<J> {
    job: J,
    lock: RunLock,
    stop: Stop,
}

/// How an invocation ended.
enum Outcome {
    Finished(Summary),
    Failed(JobError),
    Panicked,
    Abandoned,
}

impl<J, F> Runner<J>
where
    J: Fn() -> F,
    F: Future<Output = Result<Summary, JobError>>,
{
    async fn run(&self) -> Response {
        let _guard = match self.lock.acquire() {
            Ok(guard) => guard,
            Err(running_ms) => {
                LogEvent::PreparationRefused { running_ms }.log();
                return failure("a preparation is under way already; this invocation did not start another one");
            }
        };
        let started = Instant::now();
        LogEvent::PreparationStarted { version: env!("CARGO_PKG_VERSION") }.log();
        let outcome = tokio::select! {
            result = AssertUnwindSafe(async { (self.job)().await }).catch_unwind() => match result {
                Ok(Ok(summary)) => Outcome::Finished(summary),
                Ok(Err(error)) => Outcome::Failed(error),
                Err(_) => Outcome::Panicked,
            },
            () = self.stop.clone().wait() => Outcome::Abandoned,
        };
        outcome.reply(milliseconds(started))
    }
}

impl Outcome {
    /// Logs the outcome, and replies to the host.
    fn reply(&self, duration_ms: u64) -> Response {
        match self {
            Self::Finished(Summary { tables, changed, rows, rejected, newest_source_row }) => {
                let (tables, changed, rows, rejected) = (*tables, *changed, *rows, *rejected);
                let newest_source_row = *newest_source_row;
                LogEvent::PreparationFinished { tables, changed, rows, rejected, newest_source_row, duration_ms }.log();
                success()
            }
            Self::Failed(error) => {
                match error {
                    JobError::Stopped { checks, detail } => {
                        LogEvent::PreparationStopped { checks, detail, duration_ms }.log();
                    }
                    JobError::Failed { detail } => LogEvent::PreparationFailed { detail, duration_ms }.log(),
                }
                failure(&error.to_string())
            }
            Self::Panicked => {
                let detail = "the preparation panicked; this is a defect";
                LogEvent::PreparationFailed { detail, duration_ms }.log();
                failure(detail)
            }
            Self::Abandoned => {
                LogEvent::PreparationAbandoned { duration_ms }.log();
                failure("the handler was asked to stop; the next preparation continues from what is published")
            }
        }
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
