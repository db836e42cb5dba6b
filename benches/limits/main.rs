//! `cargo bench`: speed and resources of the function app, compared with Microsoft's sample and with the lower bound.
//!
//! All figures come from the release binary in its own process, with the dependencies of the sandbox. Each call of a
//! dependency takes a fixed time. Numbers of calls do not depend on the machine. With `--check`, only they decide the exit
//! status.
//!
//! Imports point one way: `main > report > picture > parts > handler, checkouts, network > usage > meter, numbers > failure`.

mod args;
mod backlog;
mod charges;
mod checkouts;
mod failure;
mod freshness;
mod handler;
mod messages;
mod meter;
mod network;
mod numbers;
mod picture;
mod poll;
mod reference;
mod report;
mod start;
mod usage;

use std::process::ExitCode;

use args::{Args, Part};
use clap::Parser as _;
use failure::Failure;
use report::Report;

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
    let exceeded = report.exceeded_limits();
    for promise in &exceeded {
        eprintln!("limit exceeded: {promise}");
    }
    Ok(!args.check || exceeded.is_empty())
}
