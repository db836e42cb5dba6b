//! Plays a day in the shop against the real handler, and tells what came of it.

mod args;
mod day;
mod dependencies_only;
mod outcome;
mod play;
mod progress;
mod run;
mod summary;
mod trouble;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use self::args::Args;

/// What keeps the sandbox from doing what it was asked, in words for whoever asked.
type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = tokio::runtime::Runtime::new().map_err(Failure::from).and_then(|runtime| runtime.block_on(run(&args)));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, Failure> {
    if args.no_host { dependencies_only::serve(args).await } else { run::run(args).await }
}

/// Does `work`, unless Ctrl-C comes first.
async fn interruptible<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        result = work => result,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err("interrupted".into())
        }
    }
}
