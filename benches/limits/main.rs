//! `cargo bench`: speed and resources of the function app, compared with a bare client that makes the same calls, with the
//! lower bound, and with Microsoft's sample.
//!
//! All figures come from the release binary in its own process, with the dependencies of the sandbox. Each call of a
//! dependency takes a fixed time. Numbers of calls do not depend on the machine, and the ratio of instructions hardly does.
//! With `--check`, only they decide the exit status.

mod args;
mod backlog;
mod bare;
mod charges;
mod checkouts;
mod effort;
mod failure;
mod freshness;
mod handler;
mod instructions;
mod messages;
mod meter;
mod network;
mod numbers;
mod picture;
mod poll;
mod recording;
mod reference;
mod report;
mod start;
mod usage;

use std::process::ExitCode;

use args::{Args, Part};
use clap::Parser as _;
use effort::Measure;
use failure::Failure;
use messages::MessageFigures;
use poll::PollFigures;
use report::{InstructionRatios, Report};

#[tokio::main]
async fn main() -> ExitCode {
    if bare::is_requested() {
        return exit(bare::serve().await.map(|()| true));
    }
    let args = Args::parse();
    exit(run(&args).await)
}

fn exit(result: Result<bool, Failure>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Both sides, one after the other.
async fn paths(args: &Args, measure: Measure) -> Result<(PollFigures, MessageFigures), Failure> {
    let polled = poll::measure(args, measure).await?;
    let messages = messages::measure(args, measure, &polled.environment, &polled.site).await?;
    Ok((polled.result, messages))
}

async fn run(args: &Args) -> Result<bool, Failure> {
    let mut report = Report::new(args);
    if args.has(Part::Start) {
        report.start = Some(start::measure().await?);
    }
    if args.has(Part::Paths) {
        let (poll, messages) = paths(args, Measure::Times).await?;
        (report.poll, report.messages) = (Some(poll), Some(messages));
        if args.instructions {
            let (poll, messages) = paths(&args.small(), Measure::Instructions).await?;
            report.instructions = InstructionRatios::of(&poll, &messages);
        }
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
