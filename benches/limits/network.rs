//! A network on which every call takes its time and nothing goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_timer::Delay;
use sandbox::clock::Clock;
use sandbox::wire::{BoxFuture, Call, Fate, Weather, Wire};
use sandbox::world::{World, WorldOptions};

use crate::Failure;

/// Clones share the count.
#[derive(Clone)]
pub(crate) struct Network {
    latency: Duration,
    searches: Arc<AtomicU64>,
}

impl Network {
    pub(crate) fn new(latency: Duration) -> Self {
        Self { latency, searches: Arc::default() }
    }

    /// Searches of the event store so far.
    pub(crate) fn searches(&self) -> u64 {
        self.searches.load(Ordering::Relaxed)
    }
}

impl Weather for Network {
    fn fate(&self, call: &Call) -> BoxFuture<Fate> {
        if call.path.ends_with("/CommerceEventsController/Search") {
            self.searches.fetch_add(1, Ordering::Relaxed);
        }
        let latency = self.latency;
        Box::pin(async move {
            Delay::new(latency).await;
            Fate::Serve
        })
    }
}

/// All neighbours on this network, for a retailer of a few shops.
pub(crate) async fn world(network: &Network) -> Result<World, Failure> {
    Ok(World::start(options(network)).await?)
}

/// The options of such a world.
pub(crate) fn options(network: &Network) -> WorldOptions {
    WorldOptions {
        wire: Wire::new(network.clone()),
        // The in-memory account copies a whole partition for every batch.
        cosmos_partitions: 8,
        ..WorldOptions::new(Clock::real())
    }
}
