//! Telemetry: the log for the Functions host, and OpenTelemetry traces.
//!
//! `docs/logging.md` describes all log events. They are defined in [`log_events`] only. Facts about an invocation are
//! collected by [`invocation`] while it runs.

mod facts;
mod host_log;
pub mod invocation;
pub mod log_events;
pub mod traces;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use facts::{Facts, PollSummary};
pub use host_log::HostLogLayer;
pub use log_events::LogEvent;
pub use traces::Traces;

/// Writes the log in the form that the Functions host reads, including panics. `RUST_LOG` sets the levels.
pub fn log_to_the_host() {
    let (filter, mistake) = filter(std::env::var("RUST_LOG").ok().as_deref());
    // This fails only if the process has a subscriber already. Then that subscriber receives the log.
    let _ = tracing_subscriber::registry().with(filter).with(HostLogLayer).try_init();
    std::panic::set_hook(Box::new(|panic| {
        // The panic's message may contain data. Its location does not.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        LogEvent::Panicked { location: &location }.log();
    }));
    if let Some(detail) = mistake {
        LogEvent::SettingSuspicious { detail: &detail }.log();
    }
}

/// The levels that `RUST_LOG` asks for, or the default ones and what is wrong with it. Filters by span and by field would
/// need regular expressions, which are a megabyte of code.
fn filter(levels: Option<&str>) -> (Targets, Option<String>) {
    let default = || Targets::new().with_default(Level::WARN).with_target("commerce_journeys", Level::INFO);
    let Some(levels) = levels.filter(|text| !text.trim().is_empty()) else { return (default(), None) };
    match levels.parse::<Targets>() {
        Ok(filter) => (filter, None),
        Err(error) => (default(), Some(format!("RUST_LOG is ignored: {levels:?} is no list of levels ({error})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_a_mistake_in_them_is_reported() {
        let enabled = |levels, target, level| filter(levels).0.would_enable(target, &level);
        for default in [None, Some(" "), Some("commerce_journeys=loud")] {
            assert!(enabled(default, "commerce_journeys::host", Level::INFO));
            assert!(!enabled(default, "hyper", Level::INFO));
        }
        assert!(enabled(Some("info,commerce_journeys=trace"), "commerce_journeys::host", Level::TRACE));
        assert!(enabled(Some("debug"), "hyper", Level::DEBUG));
        assert_eq!(filter(Some("debug,hyper=off")).1, None);
        assert!(filter(Some("commerce_journeys=loud")).1.is_some_and(|mistake| mistake.contains("RUST_LOG")));
    }
}
