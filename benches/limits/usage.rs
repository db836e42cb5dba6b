//! The resources that a measurement uses.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox::environment::Environment;
use sandbox::network::Dependency;
use serde::Serialize;

use crate::failure::Failure;
use crate::meter::Meter;
use crate::numbers::{count, number};

/// The resources that were used so far, or within a measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    pub(crate) calls: BTreeMap<Dependency, u64>,
    /// Operations on items. Those inside batches are counted separately.
    pub(crate) cosmos_operations: BTreeMap<&'static str, f64>,
    /// The writes inside batches: everything that is written for an event.
    pub(crate) batched_writes: u64,
    pub(crate) cpu: Duration,
    pub(crate) peak_bytes: u64,
}

impl Usage {
    pub(crate) fn so_far(environment: &Environment, meter: Meter) -> Result<Self, Failure> {
        let usage = environment.cosmos().usage();
        let mut cosmos_operations: BTreeMap<&'static str, f64> = BTreeMap::new();
        let alone = usage.requests.iter().filter(|(name, _)| !matches!(**name, "batch" | "metadata" | "queryPlan"));
        for (name, count) in alone.chain(&usage.in_batches) {
            *cosmos_operations.entry(name).or_default() += number(*count);
        }
        let batched_writes = usage.in_batches.iter().filter(|(name, _)| **name != "read").map(|(_, count)| count).sum();
        Ok(Self {
            calls: environment.network().calls(),
            cosmos_operations,
            batched_writes,
            cpu: meter.cpu()?,
            peak_bytes: meter.peak()?,
        })
    }

    pub(crate) fn since(self, before: &Self) -> Self {
        let calls =
            self.calls.iter().map(|(dependency, count)| (*dependency, count - before.calls[dependency])).collect();
        let was = |name: &str| before.cosmos_operations.get(name).copied().unwrap_or_default();
        let cosmos_operations = self.cosmos_operations.iter().map(|(name, count)| (*name, count - was(name))).collect();
        let batched_writes = self.batched_writes - before.batched_writes;
        Self { calls, cosmos_operations, batched_writes, cpu: self.cpu - before.cpu, peak_bytes: self.peak_bytes }
    }

    pub(crate) fn calls_per(&self, events: usize) -> f64 {
        number(self.calls.values().sum()) / count(events)
    }

    pub(crate) fn calls_to(&self, dependency: Dependency, events: usize) -> f64 {
        number(self.calls.get(&dependency).copied().unwrap_or_default()) / count(events)
    }

    pub(crate) fn writes_per(&self, events: usize) -> f64 {
        number(self.batched_writes) / count(events)
    }
}
