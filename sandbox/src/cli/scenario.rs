//! The scenario: the shop sells its orders, and the run waits until all events are processed.

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::environment::{Environment, FunctionApp};
use sandbox::host::{Cause, Exit, HostEvent};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::Failure;
use super::args::Args;
use super::chaos::Chaos;
use super::progress::{Counter, Progress, Tally};

/// The run is finished when everything is complete and nothing has changed for this long.
const QUIET: TimeDelta = TimeDelta::seconds(4);
/// The run is finished when nothing has changed for this long, even if something is missing. It is longer than leases
/// and locks.
const STALLED: TimeDelta = TimeDelta::minutes(4);
/// The longest run.
const LIMIT: TimeDelta = TimeDelta::minutes(20);

/// The times of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) began: DateTime<Utc>,
    pub(crate) sold_out: DateTime<Utc>,
    /// The last change.
    pub(crate) settled: DateTime<Utc>,
}

/// Runs the scenario with the requested faults. Returns the times of the run and of the kills.
pub(crate) async fn run(
    args: &Args,
    environment: &Environment,
    apps: &[FunctionApp],
) -> Result<(Times, Vec<DateTime<Utc>>), Failure> {
    let mut monitor = ProcessMonitor::new(args, environment, apps);
    let chaos = Chaos::start(args, environment, apps);
    let began = environment.clock().now();
    let sale = async {
        sell(args, environment).await?;
        let sold_out = environment.clock().now();
        Ok::<_, Failure>((sold_out, chaos.stop(environment).await))
    };
    let (sold_out, kills) = tokio::select! {
        sale = sale => sale?,
        stopped = monitor.until(|_, _| false) => return Err(stopped.err().unwrap_or_else(|| "stopped".into())),
    };
    monitor.until(|tally, quiet| (tally.is_complete() && quiet >= QUIET) || quiet >= STALLED).await?;
    monitor.finish();
    Ok((Times { began, sold_out, settled: monitor.changed }, kills))
}

async fn sell(args: &Args, environment: &Environment) -> Result<(), Failure> {
    let (shop, clock) = (environment.shop(), environment.clock());
    let visits = shop.plan(args.orders, args.seed);
    let pause = args.pause(visits.len());
    let began = clock.now();
    for (index, visit) in (0_u32..).zip(&visits) {
        drop(clock.sleep_until(began + pause * index).await);
        shop.perform(visit)?;
    }
    Ok(())
}

/// Checks the progress of the run and the state of the hosts at regular intervals.
struct ProcessMonitor<'a> {
    environment: &'a Environment,
    counter: Counter,
    hosts: Vec<Receiver<HostEvent>>,
    progress: Progress,
    began: DateTime<Utc>,
    tally: Tally,
    changed: DateTime<Utc>,
}

impl<'a> ProcessMonitor<'a> {
    fn new(args: &Args, environment: &'a Environment, apps: &[FunctionApp]) -> Self {
        let now = environment.clock().now();
        Self {
            environment,
            counter: Counter::new(args.orders, args.expected()),
            hosts: apps.iter().map(|app| app.host().events()).collect(),
            progress: Progress::new(),
            began: now,
            tally: Tally::default(),
            changed: now,
        }
    }

    /// Runs until `done`, which receives the tally and the time since its last change.
    async fn until(&mut self, done: impl Fn(&Tally, TimeDelta) -> bool) -> Result<(), Failure> {
        loop {
            drop(self.environment.clock().sleep(Progress::INTERVAL).await);
            self.check();
            if self.host_has_stopped() {
                self.finish();
                return Err("the handler stopped and the host no longer restarts it; see its log".into());
            }
            let now = self.environment.clock().now();
            if done(&self.tally, now - self.changed) || now - self.began > LIMIT {
                return Ok(());
            }
        }
    }

    fn check(&mut self) {
        let (tally, now) = (self.counter.update(self.environment), self.environment.clock().now());
        if tally != self.tally {
            (self.tally, self.changed) = (tally, now);
        }
        self.progress.show(now, &self.tally);
    }

    fn finish(&mut self) {
        self.progress.finish(self.environment.clock().now(), &self.tally);
    }

    fn host_has_stopped(&mut self) -> bool {
        self.hosts.iter_mut().any(|host| {
            loop {
                match host.try_recv() {
                    Ok(HostEvent::Stopped | HostEvent::HandlerDied(Cause::Exited(Exit(Some(0))))) => return true,
                    Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                    Err(TryRecvError::Empty) => return false,
                    Err(TryRecvError::Closed) => return true,
                }
            }
        })
    }
}
