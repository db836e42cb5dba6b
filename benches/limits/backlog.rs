//! A long backlog, as after a day without the function app: the rate of processing, and the memory.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::Utc;
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions, TOPIC};
use serde::Serialize;

use crate::args::Args;
use crate::checkouts::Sellers;
use crate::failure::Failure;
use crate::handler::{Handler, Site};
use crate::meter::Meter;
use crate::network::{ExactLatency, options};
use crate::numbers::{count, number};

/// The time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// How the backlog was processed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BacklogFigures {
    pub(crate) events: usize,
    pub(crate) elapsed: Duration,
    pub(crate) budget: Duration,
    pub(crate) longest_run: Duration,
    pub(crate) runs: usize,
    pub(crate) peak_bytes: u64,
    pub(crate) samples: Vec<Sample>,
}

/// Published events and memory at one time.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) published: u64,
    pub(crate) resident_bytes: u64,
}

/// The time budget of a run, shorter than usual so that there are several.
const BUDGET: Duration = Duration::from_secs(30);

/// The time in which it grew. It is much longer than a poll's overlap.
const BACKLOG_PERIOD: Duration = Duration::from_secs(20 * 60 * 60);
const SALES_PER_STEP: usize = 50;

/// Lets `poll-events` process `args.backlog` checkouts, run after run.
///
/// Published messages are deleted, because the subscription would hold gigabytes.
pub(crate) async fn measure(args: &Args) -> Result<BacklogFigures, Failure> {
    let clock = Clock::simulated(Utc::now() - BACKLOG_PERIOD);
    let mut hold = clock.hold();
    let environment =
        Environment::start(EnvironmentOptions { clock: clock.clone(), ..options(&ExactLatency::new(Duration::ZERO)) })
            .await?;
    let site = Site::new()?;
    let mut settings = environment.settings();
    settings.insert("EventTypes".to_owned(), "Checkout".to_owned());
    settings.insert("PollTimeBudget".to_owned(), format!("00:00:{}", BUDGET.as_secs()));
    settings.insert("PollAgainAfter".to_owned(), "00:00:00".to_owned());
    let handler = Handler::start(&site, &settings).await?;
    // The sandbox builds the index over a path when the path is queried first, which takes seconds if there are a million
    // records. On Azure, it is there from the beginning.
    one_run(&handler).await?;
    let sellers = Sellers::new(&environment, args.customers)?;
    for from in (0..args.backlog).step_by(SALES_PER_STEP) {
        sellers.sell_all(from, args.backlog.min(from + SALES_PER_STEP))?;
        drop(hold);
        hold = clock.sleep(BACKLOG_PERIOD.mul_f64(count(SALES_PER_STEP) / count(args.backlog))).await;
    }
    let began = Instant::now();
    let (mut runs, mut samples) = (Vec::new(), Vec::new());
    let mut tick = tokio::time::interval(SAMPLE_INTERVAL);
    let mut run = Box::pin(one_run(&handler));
    loop {
        tokio::select! {
            took = &mut run => {
                runs.push(took?);
                if environment.broker().sent(TOPIC)?.enqueued >= u64::try_from(args.backlog)? {
                    break;
                }
                run = Box::pin(one_run(&handler));
            }
            _ = tick.tick() => {
                samples.push(sample(&environment, handler.meter, began)?);
                environment.broker().purge(&environment.subscription())?;
            }
        }
    }
    samples.push(sample(&environment, handler.meter, began)?);
    drop(hold);
    Ok(BacklogFigures {
        events: args.backlog,
        elapsed: began.elapsed(),
        budget: BUDGET,
        longest_run: runs.iter().max().copied().unwrap_or_default(),
        runs: runs.len(),
        peak_bytes: handler.meter.peak()?,
        samples,
    })
}

async fn one_run(handler: &Handler) -> Result<Duration, Failure> {
    let began = Instant::now();
    handler.invoke("poll-events").await?;
    Ok(began.elapsed())
}

fn sample(environment: &Environment, meter: Meter, began: Instant) -> Result<Sample, Failure> {
    let (seconds, published) = (began.elapsed().as_secs_f64(), environment.broker().sent(TOPIC)?.enqueued);
    Ok(Sample { seconds, published, resident_bytes: meter.resident()? })
}

impl BacklogFigures {
    /// Events per second in each tenth of the backlog's time.
    fn rates(&self) -> Vec<f64> {
        let tenth = self.elapsed.as_secs_f64() / 10.0;
        let at = |seconds: f64| {
            let sample = self.samples.iter().take_while(|sample| sample.seconds <= seconds).last();
            sample.map_or((0.0, 0.0), |sample| (sample.seconds, number(sample.published)))
        };
        let ends: Vec<(f64, f64)> = (0..=10_u8).map(|part| at(tenth * f64::from(part) + 0.001)).collect();
        ends.windows(2).map(|pair| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0).max(0.001)).collect()
    }
}

impl fmt::Display for BacklogFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = self.rates();
        let (least, most) =
            rates.iter().fold((f64::MAX, 0.0_f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
        writeln!(
            f,
            "backlog: {} events in {:.0} s, {:.0} a second; {least:.0} to {most:.0} in each tenth of the time",
            self.events,
            self.elapsed.as_secs_f64(),
            count(self.events) / self.elapsed.as_secs_f64(),
        )?;
        let peak = number(self.peak_bytes) / 1_048_576.0;
        let (longest, budget) = (self.longest_run.as_secs_f64(), self.budget.as_secs());
        writeln!(
            f,
            "  {} runs, the longest took {longest:.1} s of its budget of {budget} s · peak memory {peak:.1} MiB",
            self.runs
        )
    }
}
