//! `cargo bench`: how fast and how frugal the function app is, beside what it replaces and what is possible.
//!
//! Every figure comes from the release binary, run as a process of its own among the sandbox's dependencies, each call to
//! which takes a given time. Ratios are between figures of one run. Counts of calls do not depend on the machine; with
//! `--check` those, and only those, decide the exit status.

mod args;
mod backlog;
mod charges;
mod checkouts;
mod freshness;
mod handler;
mod messages;
mod network;
mod picture;
mod poll;
mod reference;
mod report;
mod start;

use std::process::ExitCode;

use args::{Args, Part};
use clap::Parser as _;
use report::Report;

/// The dependencies share two cores with what is measured. The in-memory account of Cosmos DB copies a partition for every
/// batch, and most of its time would go to the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Anything that keeps the benchmark from having a result.
pub(crate) type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, Failure> {
    let mut report = Report::new(args);
    if args.has(Part::Start) {
        report.start = Some(start::measure().await?);
    }
    if args.has(Part::Paths) {
        let polled = poll::measure(args).await?;
        report.messages = Some(messages::measure(args, &polled.environment, &polled.site).await?);
        report.poll = Some(polled.result);
        if args.reference > 0 {
            report.reference = Some(reference::measure(args).await?);
        }
    }
    if args.has(Part::Freshness) {
        report.freshness = freshness::measure(args).await?;
    }
    if args.has(Part::Backlog) {
        report.backlog = Some(backlog::measure(args).await?);
    }
    report.write(args)?;
    println!("{report}");
    let broken = report.broken_promises();
    for promise in &broken {
        eprintln!("not kept: {promise}");
    }
    Ok(!args.check || broken.is_empty())
}
