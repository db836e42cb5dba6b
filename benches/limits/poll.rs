//! The poll side: one run of `poll-events` publishes waiting checkouts.

use std::time::{Duration, Instant};

use sandbox::environment::{Environment, TOPIC};
use serde::Serialize;

use crate::args::Args;
use crate::checkouts::Sellers;
use crate::failure::Failure;
use crate::handler::{Handler, Site};
use crate::network::{ExactLatency, environment};
use crate::usage::Usage;

/// Concurrent requests to the Scale Unit.
pub(crate) const COMMERCE_CONCURRENCY: u32 = 32;

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
    pub(crate) elapsed: Duration,
    pub(crate) lower_bound: Duration,
    pub(crate) usage: Usage,
}

/// Measures one run with `args.checkouts` waiting checkouts. An earlier run has opened connections and requested tokens.
pub(crate) async fn measure(args: &Args) -> Result<Polled, Failure> {
    let environment = environment(&ExactLatency::new(args.latency())).await?;
    let site = Site::new()?;
    let mut settings = environment.settings();
    settings.insert("EventTypes".to_owned(), "Checkout".to_owned());
    settings.insert("CommerceConcurrency".to_owned(), COMMERCE_CONCURRENCY.to_string());
    settings.insert("PollAgainAfter".to_owned(), "00:00:00".to_owned());
    let handler = Handler::start(&site, &settings).await?;
    let sellers = Sellers::new(&environment, args.customers)?;
    // A first event of each channel, so that the operating units are cached.
    let (warm, all) = (CHANNELS_WARM, CHANNELS_WARM + args.checkouts);
    sellers.sell_all(0, warm)?;
    handler.invoke("poll-events").await?;
    sellers.sell_all(warm, all)?;
    sellers.render();
    let before = Usage::so_far(&environment, handler.meter)?;
    let began = Instant::now();
    handler.invoke("poll-events").await?;
    let elapsed = began.elapsed();
    let usage = Usage::so_far(&environment, handler.meter)?.since(&before);
    let published = usize::try_from(environment.broker().sent(TOPIC)?.enqueued)? - warm;
    if published != args.checkouts {
        return Err(format!("{published} of {} events were published", args.checkouts).into());
    }
    let result = PollFigures {
        events: args.checkouts,
        order_bytes: sellers.mean_order_bytes(),
        elapsed,
        lower_bound: lower_bound(args),
        usage,
    };
    Ok(Polled { environment, site, result })
}

/// Checkouts before the measurement, one in each channel at least.
const CHANNELS_WARM: usize = 12;

/// The lower bound for any implementation: one search and one write before the first order, all orders and all customers
/// once with limited concurrency, and one send and one write after the last.
fn lower_bound(args: &Args) -> Duration {
    let gets = u32::try_from(args.checkouts + args.customers.min(args.checkouts)).unwrap_or(u32::MAX);
    args.latency() * (4 + gets.div_ceil(COMMERCE_CONCURRENCY))
}
