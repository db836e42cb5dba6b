//! Faults during the scenario: fault injection at the dependencies, and killed handlers.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sandbox::environment::{Environment, FunctionApp};
use sandbox::faults::{ChaosKiller, FaultProfile, FaultSchedule};

use super::args::Args;

/// How long the faults continue after the last order, so that the last orders are affected too.
const AFTER_LAST_ORDER: Duration = Duration::from_secs(5);

/// The requested faults.
pub(crate) struct Chaos {
    schedule: Option<FaultSchedule>,
    killer: Option<ChaosKiller>,
}

impl Chaos {
    pub(crate) fn start(args: &Args, environment: &Environment, apps: &[FunctionApp]) -> Self {
        let has_faults = !args.faults.is_none();
        let schedule = has_faults.then(|| FaultSchedule::start(environment, args.faults.clone(), args.seed));
        let platforms = || apps.iter().map(|app| app.host().platform()).collect();
        let killer = args.kill_every.map(|seconds| {
            ChaosKiller::start(platforms(), environment.clock().clone(), Duration::from_secs_f64(seconds), args.seed)
        });
        Self { schedule, killer }
    }

    /// Continues for a moment, then stops all faults. Returns the times of the kills.
    pub(crate) async fn stop(self, environment: &Environment) -> Vec<DateTime<Utc>> {
        if self.schedule.is_some() || self.killer.is_some() {
            drop(environment.clock().sleep(AFTER_LAST_ORDER).await);
        }
        let kills = match self.killer {
            Some(killer) => killer.stop().await,
            None => Vec::new(),
        };
        if let Some(schedule) = self.schedule {
            schedule.stop();
        }
        kills.into_iter().map(|kill| kill.at).collect()
    }
}

impl Args {
    /// App settings for runs with faults, or with a page that can inject them: shorter leases and waits, so that
    /// everything finishes within minutes.
    pub(crate) fn fault_settings(&self) -> BTreeMap<String, String> {
        match (self.faults.is_none(), self.kill_every.is_some() || self.has_page() && !self.no_host) {
            (true, false) => BTreeMap::new(),
            (true, true) => FaultProfile::storm().suggested_settings(),
            (false, _) => self.faults.suggested_settings(),
        }
    }

    /// The number of app instances: two with faults, like on a platform that replaces instances.
    pub(crate) fn instances(&self) -> usize {
        if self.faults.is_none() && self.kill_every.is_none() { 1 } else { 2 }
    }
}
