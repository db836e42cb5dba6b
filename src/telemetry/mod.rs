//! Telemetry: the log for the Functions host, and OpenTelemetry traces.
//!
//! `docs/logging.md` describes all log events. They are defined in [`log_events`] only. Facts about an invocation are
//! collected by [`invocation`] while it runs.

mod facts;
mod host_log;
pub mod invocation;
pub mod log_events;
pub mod traces;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use facts::{Facts, PollSummary};
pub use host_log::HostLogLayer;
pub use log_events::LogEvent;
pub use traces::Traces;

/// Writes the log in the form that the Functions host reads, including panics. `RUST_LOG` sets the filter.
pub fn log_to_the_host() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,commerce_journeys=info"));
    // This fails only if the process has a subscriber already. Then that subscriber receives the log.
    let _ = tracing_subscriber::registry().with(filter).with(HostLogLayer).try_init();
    std::panic::set_hook(Box::new(|panic| {
        // The panic's message may contain data. Its location does not.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        LogEvent::Panicked { location: &location }.log();
    }));
}
