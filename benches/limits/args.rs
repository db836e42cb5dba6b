//! The command line's arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures the function app among the sandbox's dependencies, beside Microsoft's published sample and the lower bound.
#[derive(Clone, Debug, Parser)]
#[command(name = "limits")]
pub(crate) struct Args {
    /// What to measure, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Part::ALL)]
    pub(crate) only: Vec<Part>,
    /// How long each call of a dependency takes at least, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) latency_ms: u64,
    /// Checkouts that wait when the measurement begins
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) checkouts: usize,
    /// Customers who made them
    #[arg(long, value_name = "N", default_value_t = 600)]
    pub(crate) customers: usize,
    /// Events for which the sample's calls are replayed (0 for none); the time for all is extrapolated
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) reference: usize,
    /// Events of the backlog
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) backlog: usize,
    /// Seconds of sales for each line of the freshness table
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) trade_seconds: u32,
    /// Also compare instructions with those of the bare client, in a small run (needs valgrind)
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Fail when calls, operations or instructions per event exceed their limits; times do not count
    #[arg(long)]
    pub(crate) check: bool,
    /// Where the figures go, as JSON
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/limits.json"))]
    pub(crate) json: PathBuf,
    /// Where the picture of the backlog goes
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/backlog.svg"))]
    pub(crate) picture: PathBuf,
    /// Set by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Start, idle memory, size of the binary
    Start,
    /// Poll side and message side, with the reference and the lower bounds
    Paths,
    /// From commit to journey, by poll schedule
    Freshness,
    /// A long backlog: rate and memory
    Backlog,
}

impl Part {
    const ALL: [Self; 4] = [Self::Start, Self::Paths, Self::Freshness, Self::Backlog];
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

impl Args {
    pub(crate) fn has(&self, part: Part) -> bool {
        self.only.contains(&part)
    }

    /// The same with as few events as a count of instructions needs.
    pub(crate) fn small(&self) -> Self {
        Self { checkouts: 40, customers: 24, latency_ms: 2, ..self.clone() }
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }
}
