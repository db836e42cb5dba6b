//! The poll side: one run of `poll-events` publishes waiting checkouts.

use std::time::{Duration, Instant};

use sandbox::environment::{Environment, TOPIC};
use serde::Serialize;

use crate::args::Args;
use crate::checkouts::Sellers;
use crate::effort::{Effort, Measure};
use crate::failure::Failure;
use crate::handler::{Handler, Site};
use crate::network::{ExactLatency, environment};
use crate::recording::{Recorder, Recording, Round};
use crate::usage::Usage;

/// Concurrent requests to the Scale Unit.
pub(crate) const COMMERCE_CONCURRENCY: u32 = 32;

/// Concurrent requests of the bare client: those to the Scale Unit, two publications and two saves, as ours.
const BARE_CONCURRENCY: usize = 36;

/// The environment after the run, and what was measured.
pub(crate) struct Polled {
    pub(crate) environment: Environment,
    pub(crate) site: Site,
    pub(crate) result: PollFigures,
}

/// The figures of one run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PollFigures {
    pub(crate) events: usize,
    pub(crate) order_bytes: usize,
    pub(crate) ours: Effort,
    pub(crate) bare: Effort,
    pub(crate) lower_bound: Duration,
    pub(crate) usage: Usage,
}

/// Measures one run with `args.checkouts` waiting checkouts, and the same calls by a bare client. An earlier run has opened
/// connections and requested tokens.
pub(crate) async fn measure(args: &Args, measure: Measure) -> Result<Polled, Failure> {
    let recorder = Recorder::new(ExactLatency::new(args.latency()));
    let environment = environment(&recorder).await?;
    let site = Site::new()?;
    let mut settings = environment.settings();
    settings.insert("EventTypes".to_owned(), "Checkout".to_owned());
    settings.insert("CommerceConcurrency".to_owned(), COMMERCE_CONCURRENCY.to_string());
    settings.insert("PollAgainAfter".to_owned(), "00:00:00".to_owned());
    let launch = measure.launch();
    let handler = Handler::start_with(launch.clone(), &site, &settings).await?;
    let sellers = Sellers::new(&environment, args.customers)?;
    // A first event of each channel, so that the operating units are cached.
    let (warm, all) = (CHANNELS_WARM, CHANNELS_WARM + args.checkouts);
    sellers.sell_all(0, warm)?;
    handler.invoke("poll-events").await?;
    sellers.sell_all(warm, all)?;
    sellers.render();
    let before = Round { invocations: 1, calls: recorder.take(&environment)? };
    let used_before = Usage::so_far(&environment, handler.meter)?;
    let measured = launch.begin()?;
    let elapsed = run(&handler).await?;
    let usage = Usage::so_far(&environment, handler.meter)?.since(&used_before);
    let ours = measured.end(elapsed).await?;
    let published = usize::try_from(environment.broker().sent(TOPIC)?.enqueued)? - warm;
    if published != args.checkouts {
        return Err(format!("{published} of {} events were published", args.checkouts).into());
    }
    drop(handler);
    let calls = Round { invocations: 1, calls: recorder.take(&environment)? };
    let recording = Recording { concurrency: BARE_CONCURRENCY, rounds: vec![before, calls] };
    let site_of_bare = Site::bare(&recording)?;
    let launch = measure.launch();
    let client = Handler::start_with(launch.clone(), &site_of_bare, &settings).await?;
    client.invoke("poll-events").await?;
    let measured = launch.begin()?;
    let elapsed = run(&client).await?;
    let bare = measured.end(elapsed).await?;
    let (events, order_bytes, lower_bound) = (args.checkouts, sellers.mean_order_bytes(), lower_bound(args));
    let result = PollFigures { events, order_bytes, ours, bare, lower_bound, usage };
    Ok(Polled { environment, site, result })
}

async fn run(handler: &Handler) -> Result<Duration, Failure> {
    let began = Instant::now();
    handler.invoke("poll-events").await?;
    Ok(began.elapsed())
}

/// Checkouts before the measurement, one in each channel at least.
const CHANNELS_WARM: usize = 12;

/// The lower bound for any implementation: one search and one write before the first order, all orders and all customers
/// once with limited concurrency, and one send and one write after the last.
fn lower_bound(args: &Args) -> Duration {
    let gets = u32::try_from(args.checkouts + args.customers.min(args.checkouts)).unwrap_or(u32::MAX);
    args.latency() * (4 + gets.div_ceil(COMMERCE_CONCURRENCY))
}
