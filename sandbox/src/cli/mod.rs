//! The command line: runs the demo shop against the real handler and reports the result.

mod args;
mod chaos;
mod dependencies_only;
mod files;
mod next_steps;
mod outcome;
mod output;
mod progress;
mod run;
mod scenario;
mod stop;
mod summary;
mod web_page;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use self::args::Args;
use self::output::{OutputClosed, note};
use self::stop::stop_requested;

/// An error as text for the user.
type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = tokio::runtime::Runtime::new().map_err(Failure::from).and_then(|runtime| runtime.block_on(run(&args)));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // `cargo run -- --once | head -1`
        Err(failure) if failure.is::<OutputClosed>() => ExitCode::from(OutputClosed::STATUS),
        Err(failure) => {
            note(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, Failure> {
    web_page::check_port(args)?;
    if args.no_host { dependencies_only::serve(args).await } else { run::run(args).await }
}

/// Runs `work` unless somebody ends the program first.
async fn interruptible<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        stopped = stop_requested() => {
            stopped?;
            Err("interrupted".into())
        }
    }
}
