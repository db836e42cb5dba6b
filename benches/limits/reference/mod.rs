//! A replay of Microsoft's published sample: the same calls for the same events in the same order, with the same
//! dependencies and the same latency.
//!
//! Only the sequence of calls is replayed, so the figures are too good: the work between the calls takes no time, the Logic
//! App does not wait a minute for each message, and Dataverse Search is as fast as a filter.

mod client;
mod poller;
mod workflow;

use std::time::{Duration, Instant};

use sandbox::environment::Environment;
use serde::Serialize;

use crate::args::Args;
use crate::checkouts::Sellers;
use crate::failure::Failure;
use crate::network::{ExactLatency, environment};
use client::Reference;

/// The figures of the replay.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReferenceFigures {
    pub(crate) events: usize,
    pub(crate) poll: Side,
    pub(crate) messages: Side,
}

/// The figures of one side.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Side {
    pub(crate) elapsed: Duration,
    pub(crate) calls_per_event: f64,
}

/// Replays both sides, one after the other.
pub(crate) async fn measure(args: &Args) -> Result<ReferenceFigures, Failure> {
    let events = args.reference.min(args.checkouts);
    let environment = environment(&ExactLatency::new(args.latency())).await?;
    Sellers::new(&environment, args.customers)?.sell_all(0, events)?;
    let site = Reference::new(&environment).await?;
    let poll = timed(&environment, events, poller::run(&site)).await?;
    let messages = timed(&environment, events, workflow::run(&site, events)).await?;
    Ok(ReferenceFigures { events, poll, messages })
}

async fn timed(
    environment: &Environment,
    events: usize,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<Side, Failure> {
    let calls = |environment: &Environment| environment.network().calls().values().sum::<u64>();
    let (before, began) = (calls(environment), Instant::now());
    work.await?;
    let elapsed = began.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "counts of calls are small")]
    let calls_per_event = (calls(environment) - before) as f64 / events as f64;
    Ok(Side { elapsed, calls_per_event })
}
