//! Which event has started a journey that starts once in a period.
//!
//! A marker is created before the journey's trigger is invoked, and its first owner keeps it. So of two events that are
//! processed at the same time, one starts the journey. A redelivery of the owner recognises its own marker.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

use super::{Store, StoreError, if_match};
use crate::events::EventId;

/// The id of a marker. It is derived from the journey and from what the journey starts once for, and contains neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkerId(Uuid);

#[derive(Serialize, Deserialize)]
struct Marker {
    id: String,
    /// A partition of its own, so that no partition contains the markers of all customers.
    #[serde(rename = "EventChannelId")]
    partition: String,
    owner: EventId,
    ttl: u64,
    #[serde(rename = "_etag", default, skip_serializing)]
    etag: Option<String>,
}

/// Namespace of the ids. It must never change.
const MARKERS: Uuid = Uuid::from_u128(0x6a1d_44c0_0f0e_4b6c_9d55_1f7b_83e2_a917);

/// The longest time to live that Cosmos DB accepts, in seconds.
const LONGEST: u64 = i32::MAX as u64;

impl MarkerId {
    /// The id for a journey and the parts of a key.
    pub fn new(journey: &str, key: &[&str]) -> Self {
        let name = [&[journey], key].concat().join("\0");
        Self(Uuid::new_v5(&MARKERS, name.as_bytes()))
    }

    fn text(self) -> String {
        format!("marker~{}", self.0.simple())
    }
}

impl Marker {
    fn new(id: MarkerId, owner: &EventId, period: Duration) -> Self {
        let ttl = period.as_secs().clamp(1, LONGEST);
        Self { id: id.text(), partition: id.text(), owner: owner.clone(), ttl, etag: None }
    }
}

impl Store {
    /// Takes a marker for this period, unless another event has it. Returns its owner. An owner that takes it again prolongs
    /// it.
    pub async fn take_marker(&self, id: MarkerId, owner: &EventId, period: Duration) -> Result<EventId, StoreError> {
        let marker = Marker::new(id, owner, period);
        let container = self.container().await?;
        // The existing marker can expire between the two requests.
        for _ in 0..3 {
            let create = async {
                Ok(container.create_item(marker.partition.clone(), &marker.id, &marker, None).await.map(drop)?)
            };
            match self.with_timeout(create).await {
                Ok(()) => return Ok(owner.clone()),
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
            match self.read::<Marker>(&marker.partition, &marker.id).await? {
                Some(existing) if existing.owner == *owner => return self.prolong_marker(marker, existing).await,
                Some(existing) => return Ok(existing.owner),
                None => {}
            }
        }
        Err(StoreError::Conflict("the marker keeps changing".to_owned()))
    }

    async fn prolong_marker(&self, marker: Marker, existing: Marker) -> Result<EventId, StoreError> {
        let container = self.container().await?;
        let options = existing.etag.as_deref().map(if_match);
        let replace = async {
            Ok(container.replace_item(marker.partition.clone(), &marker.id, &marker, options).await.map(drop)?)
        };
        match self.with_timeout(replace).await {
            // Another delivery of the same event has prolonged it.
            Ok(()) | Err(StoreError::Conflict(_)) => Ok(marker.owner),
            Err(error) => Err(error),
        }
    }

    /// The event that has the marker, if one has.
    pub async fn marker_owner(&self, id: MarkerId) -> Result<Option<EventId>, StoreError> {
        Ok(self.read::<Marker>(&id.text(), &id.text()).await?.map(|marker| marker.owner))
    }

    /// Gives a marker back, because the journey of its owner does not start.
    pub async fn return_marker(&self, id: MarkerId, owner: &EventId) -> Result<(), StoreError> {
        let Some(existing) = self.read::<Marker>(&id.text(), &id.text()).await? else { return Ok(()) };
        if existing.owner != *owner {
            return Ok(());
        }
        let options = existing.etag.as_deref().map(if_match);
        match self.delete(&existing.partition, &existing.id, options).await {
            // Another delivery of the same event has prolonged it.
            Ok(()) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
