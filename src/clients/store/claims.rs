//! Claims: which delivery processes an event, and which journeys it may be invoking.
//!
//! A claim is a separate item beside the record. One request creates the claim and reads the record. One request writes
//! the record and deletes the claim. An expired claim belongs to a delivery that was interrupted, and shows which
//! invocations are uncertain.

use azure_core::http::Etag;
use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::options::{BatchDeleteOptions, ContentResponseOnWrite, Precondition};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batch::replace_if_match;
use super::{Store, StoreError, partition};
use crate::events::{EventId, Record};

/// The exclusive right of a delivery to process an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The item's id.
    pub id: String,
    /// The partition.
    #[serde(rename = "EventChannelId")]
    pub channel_id: String,
    /// The delivery. Every delivery has another id.
    pub owner: Uuid,
    /// When the claim expires.
    #[serde(rename = "until")]
    pub expires_at: DateTime<Utc>,
    /// Journeys whose triggers are being invoked. If their outcome is never recorded, they are uncertain.
    pub triggering: Vec<String>,
    /// Cosmos DB deletes a claim that is never settled.
    ttl: u64,
    /// The version.
    #[serde(rename = "_etag", default, skip_serializing)]
    pub etag: Option<String>,
}

/// The result of an attempt to claim an event.
#[derive(Debug)]
pub enum Claimed {
    /// This delivery holds the claim.
    Acquired(Claim, Box<Record>),
    /// Another delivery holds the claim, which may have expired.
    Held(Claim, Box<Record>),
    /// There is no record of this event.
    NoRecord,
}

impl Claim {
    /// A claim for the event with this id.
    pub fn new(
        event: &EventId,
        channel_id: &str,
        owner: Uuid,
        expires_at: DateTime<Utc>,
        triggering: Vec<String>,
        keep_seconds: u64,
    ) -> Self {
        Self {
            id: claim_id(event),
            channel_id: channel_id.to_owned(),
            owner,
            expires_at,
            triggering,
            ttl: keep_seconds,
            etag: None,
        }
    }

    /// The same claim, to replace this one.
    pub fn with_version_of(self, other: &Self) -> Self {
        Self { etag: other.etag.clone(), ..self }
    }
}

pub(super) fn claim_id(event: &EventId) -> String {
    format!("{event}~claim")
}

impl Store {
    /// Claims an event whose record exists.
    pub async fn claim(&self, claim: Claim, event: &EventId) -> Result<Claimed, StoreError> {
        // The other claim can be settled between the two requests. Then the event is free again.
        for _ in 0..3 {
            let batch = TransactionalBatch::new(partition(&claim.channel_id))
                .create_item(&claim)?
                .read_item(event.to_string(), None);
            let outcome = self.run(batch, ContentResponseOnWrite::Enabled).await?;
            match outcome.etags() {
                Ok(etags) => {
                    let Some(record) = outcome.item::<Record>(1)? else { return Ok(Claimed::NoRecord) };
                    return Ok(Claimed::Acquired(
                        Claim { etag: etags.into_iter().next().flatten(), ..claim },
                        Box::new(record),
                    ));
                }
                Err((0, StoreError::Conflict(_))) => {
                    if let Some(existing) = self.read_claim(&claim, event).await? {
                        return Ok(existing);
                    }
                }
                Err((1, StoreError::Denied(_))) => return Ok(Claimed::NoRecord),
                Err((_, error)) => return Err(error),
            }
        }
        Err(StoreError::Conflict("the claim keeps changing".to_owned()))
    }

    async fn read_claim(&self, own: &Claim, event: &EventId) -> Result<Option<Claimed>, StoreError> {
        let batch = TransactionalBatch::new(partition(&own.channel_id))
            .read_item(own.id.clone(), None)
            .read_item(event.to_string(), None);
        let outcome = self.run(batch, ContentResponseOnWrite::Enabled).await?;
        match outcome.etags() {
            Ok(_) => {}
            Err((0, StoreError::Denied(_))) => return Ok(None),
            Err((1, StoreError::Denied(_))) => return Ok(Some(Claimed::NoRecord)),
            Err((_, error)) => return Err(error),
        }
        let (claim, record) = (outcome.item::<Claim>(0)?, outcome.item::<Record>(1)?);
        let (Some(claim), Some(record)) = (claim, record) else { return Ok(None) };
        // The SDK repeats a create without an answer, and then finds its own claim.
        let is_own = claim.owner == own.owner;
        Ok(Some(if is_own {
            Claimed::Acquired(claim, Box::new(record))
        } else {
            Claimed::Held(claim, Box::new(record))
        }))
    }

    /// Takes over a claim: writes claim and record together, if both still have the version that was read.
    pub async fn take_over(&self, claim: Claim, record: Record) -> Result<(Claim, Record), StoreError> {
        let batch = TransactionalBatch::new(partition(&claim.channel_id))
            .replace_item(claim.id.clone(), &claim, Some(replace_if_match(claim.etag.as_deref())))?
            .replace_item(record.id().to_string(), &record, Some(replace_if_match(record.etag())))?;
        let mut etags =
            self.run(batch, ContentResponseOnWrite::Disabled).await?.etags().map_err(|(_, error)| error)?.into_iter();
        let (claim_etag, record_etag) = (etags.next().flatten(), etags.next().flatten());
        Ok((Claim { etag: claim_etag, ..claim }, record.with_etag(record_etag)))
    }

    /// Writes the record and deletes the claim. Only the claim is conditional: a concurrent update of the record by the poller
    /// may be lost, which is harmless. A record that has expired during the delivery is written again.
    pub async fn settle(&self, claim: &Claim, record: &Record) -> Result<(), StoreError> {
        let batch = TransactionalBatch::new(partition(&claim.channel_id))
            .upsert_item(record, None)?
            .delete_item(claim.id.clone(), delete_if_match(claim));
        self.run(batch, ContentResponseOnWrite::Disabled).await?.etags().map(drop).map_err(|failed| match failed {
            (1, StoreError::Denied(cause)) => {
                StoreError::Conflict(format!("the claim does not exist any more: {cause}"))
            }
            (_, error) => error,
        })
    }

    /// Deletes the claim without a change of the record.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        let batch =
            TransactionalBatch::new(partition(&claim.channel_id)).delete_item(claim.id.clone(), delete_if_match(claim));
        self.run(batch, ContentResponseOnWrite::Disabled).await?.etags().map(drop).map_err(|(_, error)| error)
    }
}

fn delete_if_match(claim: &Claim) -> Option<BatchDeleteOptions> {
    let etag = claim.etag.clone()?;
    Some(BatchDeleteOptions::default().with_precondition(Precondition::IfMatch(Etag::from(etag))))
}
