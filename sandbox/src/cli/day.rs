//! The shop's day, and the wait until everything has settled.

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::environment::{Environment, FunctionApp};
use sandbox::host::{Cause, Exit, HostEvent};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::Failure;
use super::args::Args;
use super::progress::{Counter, Progress, Tally};
use super::trouble::Trouble;

/// Nothing may change for so long before all is taken for done.
const QUIET: TimeDelta = TimeDelta::seconds(4);
/// Nothing may change for so long before what is missing is given up: longer than leases and locks.
const PATIENCE: TimeDelta = TimeDelta::minutes(4);
/// The longest wait, whatever happens.
const LIMIT: TimeDelta = TimeDelta::minutes(20);

/// When the day began and when it was over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) began: DateTime<Utc>,
    pub(crate) sold_out: DateTime<Utc>,
    /// The last time that anything happened.
    pub(crate) settled: DateTime<Utc>,
}

/// Lets everybody shop, in whatever trouble was asked for, and waits for what comes of it. Returns the times of the
/// kills too.
pub(crate) async fn live(
    args: &Args,
    environment: &Environment,
    apps: &[FunctionApp],
) -> Result<(Times, Vec<DateTime<Utc>>), Failure> {
    let mut watch = Watch::new(args, environment, apps);
    let trouble = Trouble::begin(args, environment, apps);
    let began = environment.clock().now();
    let day = async {
        shop(args, environment).await?;
        let sold_out = environment.clock().now();
        Ok::<_, Failure>((sold_out, trouble.end(environment).await))
    };
    let (sold_out, kills) = tokio::select! {
        day = day => day?,
        stopped = watch.until(|_, _| false) => return Err(stopped.err().unwrap_or_else(|| "stopped".into())),
    };
    watch.until(|tally, still| (tally.is_complete() && still >= QUIET) || still >= PATIENCE).await?;
    watch.finish();
    Ok((Times { began, sold_out, settled: watch.changed }, kills))
}

async fn shop(args: &Args, environment: &Environment) -> Result<(), Failure> {
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

/// Somebody who looks at everything every now and then.
struct Watch<'a> {
    environment: &'a Environment,
    counter: Counter,
    hosts: Vec<Receiver<HostEvent>>,
    progress: Progress,
    began: DateTime<Utc>,
    tally: Tally,
    changed: DateTime<Utc>,
}

impl<'a> Watch<'a> {
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

    /// Looks until `enough` of the state and of how long it has not changed.
    async fn until(&mut self, enough: impl Fn(&Tally, TimeDelta) -> bool) -> Result<(), Failure> {
        loop {
            drop(self.environment.clock().sleep(Progress::EVERY).await);
            self.look();
            if self.host_is_gone() {
                self.finish();
                return Err("the handler has died and the host no longer restarts it; see its log".into());
            }
            let now = self.environment.clock().now();
            if enough(&self.tally, now - self.changed) || now - self.began > LIMIT {
                return Ok(());
            }
        }
    }

    fn look(&mut self) {
        let (tally, now) = (self.counter.look(self.environment), self.environment.clock().now());
        if tally != self.tally {
            (self.tally, self.changed) = (tally, now);
        }
        self.progress.show(now, &self.tally);
    }

    fn finish(&mut self) {
        self.progress.finish(self.environment.clock().now(), &self.tally);
    }

    fn host_is_gone(&mut self) -> bool {
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
