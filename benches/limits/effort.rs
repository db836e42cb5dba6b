//! What a program needs for a piece of work.

use std::time::Duration;

use serde::Serialize;

use crate::failure::Failure;
use crate::handler::Metered;
use crate::instructions::Counter;

/// Whether instructions are counted. Times are of no use then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Times,
    Instructions,
}

impl Measure {
    /// How the program is started.
    pub(crate) fn launch(self) -> Metered {
        Metered::counted((self == Self::Instructions).then(Counter::new))
    }
}

/// What was needed.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effort {
    pub(crate) elapsed: Duration,
    pub(crate) cpu: Duration,
    pub(crate) instructions: Option<u64>,
}

/// A measurement in progress.
pub(crate) struct Measurement<'a> {
    launch: &'a Metered,
    cpu_before: Duration,
}

impl Metered {
    /// Begins to measure the program.
    pub(crate) fn begin(&self) -> Result<Measurement<'_>, Failure> {
        if self.counter.is_some() {
            Counter::begin(self.meter())?;
        }
        Ok(Measurement { launch: self, cpu_before: self.meter().cpu()? })
    }
}

impl Measurement<'_> {
    /// Ends the measurement of work that took this time. A program whose instructions were counted ends too.
    pub(crate) async fn end(self, elapsed: Duration) -> Result<Effort, Failure> {
        let meter = self.launch.meter();
        let cpu = meter.cpu()? - self.cpu_before;
        let instructions = match &self.launch.counter {
            Some(counter) => Some(counter.end(meter).await?),
            None => None,
        };
        Ok(Effort { elapsed, cpu, instructions })
    }
}
