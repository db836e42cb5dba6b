//! What the handler tells about itself: lines for the Functions host, and traces for whoever collects them.
//!
//! `LOGGING.md` is the contract. Lines are made in [`vocabulary`] only, so that no name is written twice; what belongs
//! to an invocation as a whole is gathered by [`invocation`] while it runs.

pub mod invocation;
mod line;
mod otlp;
pub mod traces;
pub mod vocabulary;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use line::Lines;
pub use traces::Traces;
pub use vocabulary::LogEvent;

/// Prints the log as the Functions host reads it, panics included. `RUST_LOG` sets what is printed.
pub fn log_to_the_host() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,commerce_journeys=info"));
    // Only a second subscriber in one process makes this fail, and then somebody else is listening.
    let _ = tracing_subscriber::registry().with(filter).with(Lines).try_init();
    std::panic::set_hook(Box::new(|panic| {
        // The payload may quote data; the place does not.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        LogEvent::Panicked { place: &place }.log();
    }));
}
