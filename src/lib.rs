//! Commerce Journeys: the real-time link between Dynamics 365 Commerce and Dynamics 365 Customer Insights - Journeys,
//! as a custom handler of Azure Functions.
//!
//! The map of the house:
//!
//! | room | what is in it |
//! |---|---|
//! | [`settings`] | every app setting, checked together at start |
//! | [`host`] | the Functions host's contract: invocations in, replies out |
//! | [`functions`] | `poll-events`, `process-message`, `trigger-journey`: the three stories, top to bottom |
//! | [`contacts`] | whose contact it is: no network, no clock |
//! | [`events`] | event and id, record and its states, message, retry policy: no network, no clock |
//! | [`journeys`] | `journeys.json`: conditions and parameters, just as pure |
//! | [`clients`] | one dependency each, with its wire format and typed errors |
//! | [`check`] | `commerce-journeys check`: whether every dependency is there and lets us |
//! | [`clock`] | time and chance, as seams |
//! | [`telemetry`] | what the handler tells about itself: its log, as `LOGGING.md` describes it, and traces |

pub mod app;
pub mod check;
pub mod clients;
pub mod clock;
pub mod contacts;
pub mod events;
pub mod functions;
pub mod host;
pub mod journeys;
pub mod settings;
pub mod telemetry;

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;

/// Serves invocations on `listener` until `shutdown` completes.
pub async fn run(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
    app: Arc<app::App>,
) -> std::io::Result<()> {
    axum::serve(listener, host::router(app)).with_graceful_shutdown(shutdown).await
}
