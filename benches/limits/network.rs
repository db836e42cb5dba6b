//! A network with a fixed latency and no faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_timer::Delay;
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions};
use sandbox::network::{BoxFuture, Call, FaultAction, FaultInjector, Network};

use crate::failure::Failure;

/// Clones share the count.
#[derive(Clone)]
pub(crate) struct ExactLatency {
    latency: Duration,
    searches: Arc<AtomicU64>,
}

impl ExactLatency {
    pub(crate) fn new(latency: Duration) -> Self {
        Self { latency, searches: Arc::default() }
    }

    /// Searches of the event store so far.
    pub(crate) fn searches(&self) -> u64 {
        self.searches.load(Ordering::Relaxed)
    }
}

impl FaultInjector for ExactLatency {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        if call.path.ends_with("/CommerceEventsController/Search") {
            self.searches.fetch_add(1, Ordering::Relaxed);
        }
        let latency = self.latency;
        Box::pin(async move {
            Delay::new(latency).await;
            FaultAction::Serve
        })
    }
}

/// All dependencies on this network, for a retailer of a few shops.
pub(crate) async fn environment(network: &(impl FaultInjector + Clone + 'static)) -> Result<Environment, Failure> {
    Ok(Environment::start(options(network)).await?)
}

/// The options of such an environment.
pub(crate) fn options(network: &(impl FaultInjector + Clone + 'static)) -> EnvironmentOptions {
    EnvironmentOptions { network: Network::new(network.clone()), ..EnvironmentOptions::new(Clock::real()) }
}
