//! Commerce Journeys: the real-time link between Dynamics 365 Commerce and Dynamics 365 Customer Insights - Journeys,
//! as a custom handler of Azure Functions.
//!
//! Imports point one way, from left to right:
//!
//! ```text
//! main > host > check > functions > contacts > clients, journeys > settings > events > json, dependency, clock, text
//! ```
//!
//! Every module may use [`telemetry`], which imports only [`dependency`].
//!
//! | module | content |
//! |---|---|
//! | [`host`] | the contract with the Functions host: invocations and responses |
//! | [`check`] | `commerce-journeys check`: checks access to every dependency |
//! | [`functions`] | `poll-events`, `process-message`, `trigger-journey`, and the services that they use |
//! | [`contacts`] | the rules that match customers with contacts; no network, no clock |
//! | [`clients`] | one client for each dependency, with its wire format and its error type |
//! | [`journeys`] | `journeys.json`: conditions and parameters; no network, no clock |
//! | [`settings`] | all app settings, validated together at start |
//! | [`events`] | events, records, messages, the retry policy; no network, no clock |
//! | [`json`] | reading JSON with the path of an error, raw values |
//! | [`dependency`] | the names of the dependencies |
//! | [`text`] | text fit for other systems |
//! | [`clock`] | time and randomness behind a trait |
//! | [`telemetry`] | the log that `docs/logging.md` describes, and traces |

pub mod check;
pub mod clients;
pub mod clock;
pub mod contacts;
pub mod dependency;
pub mod events;
pub mod functions;
pub mod host;
pub mod journeys;
pub mod json;
pub mod settings;
pub mod telemetry;
pub mod text;

use std::future::Future;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Serves invocations on `listener` until `shutdown` completes and the invocations under way have ended.
pub async fn run(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
    services: Arc<functions::Services>,
) -> std::io::Result<()> {
    let (running, mut ended) = mpsc::channel(1);
    axum::serve(listener, host::router(services, running)).with_graceful_shutdown(shutdown).await?;
    // An invocation continues when its caller has disconnected. Nothing is received: this waits for the last sender.
    let _ = ended.recv().await;
    Ok(())
}
