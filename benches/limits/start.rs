//! The size of the binary, the start time, and the memory when idle.

use std::time::Duration;

use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions};
use serde::Serialize;

use crate::failure::Failure;
use crate::handler::{BINARY, Handler, Site};

/// Number of measured starts.
const STARTS: usize = 15;

/// The figures of the start.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartFigures {
    /// Bytes of the binary as `cargo build --release` leaves it.
    pub(crate) binary_bytes: u64,
    /// Time from exec to the first response to `GET /`.
    pub(crate) median: Duration,
    pub(crate) slowest: Duration,
    /// Resident memory two seconds after a poll without events.
    pub(crate) idle_bytes: u64,
}

/// Starts the handler several times.
pub(crate) async fn measure() -> Result<StartFigures, Failure> {
    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await?;
    let site = Site::new()?;
    let settings = environment.settings();
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Handler::start(&site, &settings).await?.start);
    }
    starts.sort();
    let handler = Handler::start(&site, &settings).await?;
    handler.invoke("poll-events").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(StartFigures {
        binary_bytes: std::fs::metadata(BINARY)?.len(),
        median: starts[STARTS / 2],
        slowest: starts[STARTS - 1],
        idle_bytes: handler.meter.resident()?,
    })
}
