//! The contract with the Azure Functions host: a custom handler with one function, which a timer sets off.
//!
//! Page: "Azure Functions custom handlers". The host answers for nothing but the schedule: it calls `POST
//! /prepare-data`, and the answer ends the invocation. It waits for as long as `functionTimeout` of `host.json` says, and
//! then kills this process; so it does, without notice, when it scales in or is updated. A preparation may therefore end
//! at any instruction, and the next one goes on from what is published.

mod job;
mod stop;
mod turn;
pub mod vocabulary;

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

use stop::Stop;
use turn::Turn;
use vocabulary::LogEvent;

pub use commerce_journeys::host::{ListenError, listen};
pub use job::{outcome, prepare};
pub use stop::asked_to_stop;

/// The names of the functions, which are those of the folders with their `function.json`.
pub const FUNCTIONS: [&str; 1] = ["prepare-data"];

/// What a preparation came to, as far as the log tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Gold tables.
    pub tables: usize,
    /// Those of them that have a new version.
    pub changed: usize,
    /// Rows of all gold tables.
    pub rows: u64,
    /// Rows that had to be left out of them.
    pub rejected: u64,
    /// When the newest of all source rows was written to the lake.
    pub newest_source_row: Option<DateTime<Utc>>,
}

/// Why a preparation published nothing, or not all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The quality gate stopped it before anything of gold was published, or before anything that the weekly comparison found.
    #[error("the quality gate stopped the preparation: {detail}")]
    Stopped {
        /// The checks that failed, by name.
        checks: Vec<String>,
        /// What they found, for people.
        detail: String,
    },
    /// Something failed; what was published until then is whole, and the next preparation goes on from it.
    #[error("the preparation failed: {detail}")]
    Failed {
        /// What was tried, what came back, what to do.
        detail: String,
    },
}

/// Why the handler does not serve, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ServeProblem {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The listener broke.
    #[error("the Functions host cannot be served any longer: {0}")]
    Serve(#[from] io::Error),
}

/// The life of the handler's process, which began at `began`: listens where the Functions host says in the environment,
/// serves until it is asked to stop, and tells the log of both.
///
/// # Errors
///
/// When the environment names no port, or the listener breaks.
pub async fn run<J, F>(began: Instant, environment: impl Fn(&str) -> Option<String>, job: J) -> Result<(), ServeProblem>
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Report, JobError>> + Send + 'static,
{
    let listener = listen(environment).await?;
    LogEvent::HandlerStarted { version: env!("CARGO_PKG_VERSION"), start_ms: milliseconds(began) }.log();
    serve(listener, asked_to_stop(), job).await?;
    LogEvent::HandlerStopped { uptime_ms: milliseconds(began) }.log();
    Ok(())
}

/// Serves the Functions host on `listener` until `stop` completes; each invocation runs `job`, one at a time.
///
/// # Errors
///
/// When the listener breaks.
pub async fn serve<J, F>(listener: TcpListener, stop: impl Future<Output = ()>, job: J) -> io::Result<()>
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Report, JobError>> + Send + 'static,
{
    let (stopped, until_stopped) = Stop::new();
    let runner = Arc::new(Runner { job, turn: Turn::default(), stop: until_stopped.clone() });
    let server = axum::serve(listener, router(runner)).with_graceful_shutdown(until_stopped.wait());
    let announced = async {
        stop.await;
        stopped.announce();
        // The server ends by itself, once the preparation under way has been abandoned and answered for.
        std::future::pending().await
    };
    tokio::select! {
        ended = server.into_future() => ended,
        ended = announced => ended,
    }
}

fn router<J, F>(runner: Arc<Runner<J>>) -> Router
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Report, JobError>> + Send + 'static,
{
    Router::new()
        // Any answer means ready.
        .route("/", get(success_at_once))
        .route("/prepare-data", post(on_prepare_data))
        .with_state(runner)
}

async fn success_at_once() -> Response {
    success()
}

/// The invocation runs in a task of its own: a caller that hangs up does not cut it off.
async fn on_prepare_data<J, F>(State(runner): State<Arc<Runner<J>>>, headers: HeaderMap) -> Response
where
    J: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<Report, JobError>> + Send + 'static,
{
    let invocation = Invocation::new("prepare-data", Trigger::Timer, invocation_id(&headers));
    let run = invocation.in_scope(async move { runner.run().await });
    tokio::spawn(run).await.unwrap_or_else(|error| failure(&error.to_string()))
}

/// Runs the job, one at a time.
struct Runner<J> {
    job: J,
    turn: Turn,
    stop: Stop,
}

/// How an invocation ended.
enum Ended {
    Finished(Report),
    Broken(JobError),
    Panicked,
    Abandoned,
}

impl<J, F> Runner<J>
where
    J: Fn() -> F,
    F: Future<Output = Result<Report, JobError>>,
{
    async fn run(&self) -> Response {
        let _turn = match self.turn.take() {
            Ok(turn) => turn,
            Err(running_ms) => {
                LogEvent::PreparationRefused { running_ms }.log();
                return failure("a preparation is under way already; this invocation has not started another");
            }
        };
        let began = Instant::now();
        LogEvent::PreparationStarted { version: env!("CARGO_PKG_VERSION") }.log();
        let ended = tokio::select! {
            ended = AssertUnwindSafe(async { (self.job)().await }).catch_unwind() => match ended {
                Ok(Ok(report)) => Ended::Finished(report),
                Ok(Err(error)) => Ended::Broken(error),
                Err(_) => Ended::Panicked,
            },
            () = self.stop.clone().wait() => Ended::Abandoned,
        };
        ended.tell(milliseconds(began))
    }
}

impl Ended {
    /// Writes it to the log, and answers the host.
    fn tell(&self, duration_ms: u64) -> Response {
        match self {
            Self::Finished(Report { tables, changed, rows, rejected, newest_source_row }) => {
                let (tables, changed, rows, rejected) = (*tables, *changed, *rows, *rejected);
                let newest_source_row = *newest_source_row;
                LogEvent::PreparationFinished { tables, changed, rows, rejected, newest_source_row, duration_ms }.log();
                success()
            }
            Self::Broken(error) => {
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
                failure("the handler was asked to stop; the next preparation goes on from what is published")
            }
        }
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
