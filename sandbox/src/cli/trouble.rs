//! Hard times for the handler while the shop sells: weather among the dependencies, and kills.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sandbox::environment::{Environment, FunctionApp};
use sandbox::faults::{ChaosKiller, FaultProfile, FaultSchedule};

use super::args::Args;

/// How long the trouble goes on after the shop has closed, so that the last orders get their share of it.
const AFTERMATH: Duration = Duration::from_secs(5);

/// The trouble that was asked for.
pub(crate) struct Trouble {
    storm: Option<FaultSchedule>,
    killer: Option<ChaosKiller>,
}

impl Trouble {
    /// Begins it.
    pub(crate) fn begin(args: &Args, environment: &Environment, apps: &[FunctionApp]) -> Self {
        let storm = (!args.faults.is_none()).then(|| FaultSchedule::start(environment, args.faults.clone(), args.seed));
        let platforms = || apps.iter().map(|app| app.host().platform()).collect();
        let killer = args.kill_every.map(|seconds| {
            ChaosKiller::start(platforms(), environment.clock().clone(), Duration::from_secs_f64(seconds), args.seed)
        });
        Self { storm, killer }
    }

    /// Lets it rage for a moment longer, then lets everything calm down. Returns the times of the kills.
    pub(crate) async fn end(self, environment: &Environment) -> Vec<DateTime<Utc>> {
        if self.storm.is_some() || self.killer.is_some() {
            drop(environment.clock().sleep(AFTERMATH).await);
        }
        let kills = match self.killer {
            Some(killer) => killer.stop().await,
            None => Vec::new(),
        };
        if let Some(storm) = self.storm {
            storm.calm();
        }
        kills.into_iter().map(|kill| kill.at).collect()
    }
}

impl Args {
    /// What the app is told in hard times, and where somebody may make them on the page: shorter leases and waits, so
    /// that everything settles in minutes.
    pub(crate) fn trouble_settings(&self) -> std::collections::BTreeMap<String, String> {
        match (self.faults.is_none(), self.kill_every.is_some() || self.has_page()) {
            (true, false) => std::collections::BTreeMap::new(),
            (true, true) => FaultProfile::storm().suggested_settings(),
            (false, _) => self.faults.suggested_settings(),
        }
    }

    /// How many instances of the app run: in hard times two, as a platform that replaces instances has it.
    pub(crate) fn instances(&self) -> usize {
        if self.faults.is_none() && self.kill_every.is_none() { 1 } else { 2 }
    }
}
