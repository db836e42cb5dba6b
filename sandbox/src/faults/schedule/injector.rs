//! The schedule's fault injector: seeded faults, and concurrent writes at the time of a write.

use std::sync::Arc;

use axum::http::Method;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

use super::super::{FaultProfile, SeededFaults, mix};
use crate::cosmos::ConcurrentWriter;
use crate::dataverse::Dataverse;
use crate::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector};

pub(super) struct ScheduleInjector {
    pub(super) seeded: SeededFaults,
    pub(super) previous: Arc<dyn FaultInjector>,
    pub(super) profile: FaultProfile,
    pub(super) seed: u64,
    pub(super) dataverse: Dataverse,
    pub(super) concurrent_writer: ConcurrentWriter,
}

impl ScheduleInjector {
    /// Whether another writer comes before this write, and a random number that selects what it writes.
    fn conflict(&self, call: &Call) -> Option<u64> {
        let is_write = match call.dependency {
            Dependency::Dataverse => call.method == Method::PATCH,
            Dependency::Cosmos => call.method == Method::POST && call.path.ends_with("/docs"),
            _ => false,
        };
        let probability = self.profile.of(call.dependency).background.conflicts;
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[0x2ace, call.dependency as u64, call.own_number]));
        (is_write && rng.random_bool(probability.clamp(0.0, 1.0))).then(|| rng.random())
    }
}

impl FaultInjector for ScheduleInjector {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let seeded = self.seeded.decide(call);
        let previous = self.previous.decide(call);
        let conflict = self.conflict(call);
        let contact = conflict.and_then(|_| contact_of(&call.path));
        let (dependency, dataverse, writer) = (call.dependency, self.dataverse.clone(), self.concurrent_writer.clone());
        Box::pin(async move {
            let action = match seeded.await {
                FaultAction::Serve => previous.await,
                action => action,
            };
            match (dependency, conflict, contact) {
                (Dependency::Dataverse, Some(_), Some(contact)) => drop(dataverse.touch_contact(contact)),
                (Dependency::Cosmos, Some(choice), _) => {
                    if let Err(error) = writer.rewrite_some(choice).await {
                        tracing::error!(%error, "the concurrent write failed");
                    }
                }
                _ => {}
            }
            action
        })
    }

    fn reads_bodies(&self) -> bool {
        self.previous.reads_bodies()
    }
}

/// The contact of `/api/data/v9.2/contacts(<id>)`.
fn contact_of(path: &str) -> Option<Uuid> {
    let (_, id) = path.rsplit_once("contacts(")?;
    Uuid::parse_str(id.strip_suffix(')')?).ok()
}
