//! Claims: which delivery is at work on an event, and which journeys it may be invoking at this moment.
//!
//! A claim is an item of its own beside the record. Creating it and reading the record is one request, so the usual
//! delivery needs no read of its own; settling writes the record and deletes the claim in one request. A claim that
//! is still there after its time belongs to a delivery that died, and tells which invocations are uncertain.

use azure_core::http::Etag;
use azure_data_cosmos::TransactionalBatch;
use azure_data_cosmos::options::{BatchDeleteOptions, ContentResponseOnWrite, Precondition};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::batch::replacing;
use super::{Store, StoreError, partition};
use crate::events::{EventId, Record};

/// Somebody's right to work on an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The item's id.
    pub id: String,
    /// The partition.
    #[serde(rename = "EventChannelId")]
    pub channel_id: String,
    /// The delivery at work: another one every time.
    pub owner: Uuid,
    /// Until when others keep away.
    pub until: DateTime<Utc>,
    /// Journeys whose triggers may be being invoked: if their outcome never gets recorded, they are uncertain.
    pub triggering: Vec<String>,
    /// A claim that nobody ever settles does not stay for ever.
    ttl: u64,
    /// Version.
    #[serde(rename = "_etag", default, skip_serializing)]
    pub etag: Option<String>,
}

/// What came of an attempt to claim an event.
#[derive(Debug)]
pub enum Claimed {
    /// It is ours, and this is the record.
    Ours(Claim, Box<Record>),
    /// Somebody is or was at work on it.
    Taken(Claim, Box<Record>),
    /// There is no record of this event.
    NoRecord,
}

impl Claim {
    /// A claim on the event with this id.
    pub fn new(
        event: &EventId,
        channel_id: &str,
        owner: Uuid,
        until: DateTime<Utc>,
        triggering: Vec<String>,
        keep_seconds: u64,
    ) -> Self {
        Self {
            id: claim_id(event),
            channel_id: channel_id.to_owned(),
            owner,
            until,
            triggering,
            ttl: keep_seconds,
            etag: None,
        }
    }
}

fn claim_id(event: &EventId) -> String {
    format!("{event}~claim")
}

impl Store {
    /// Claims an event whose record exists.
    pub async fn claim(&self, claim: Claim, event: &EventId) -> Result<Claimed, StoreError> {
        // A claim can be settled between the refusal and the look at it: then it is free again.
        for _ in 0..3 {
            let batch = TransactionalBatch::new(partition(&claim.channel_id))
                .create_item(&claim)?
                .read_item(event.to_string(), None);
            let outcome = self.run(batch, ContentResponseOnWrite::Enabled).await?;
            match outcome.conclude() {
                Ok(etags) => {
                    let Some(record) = outcome.item::<Record>(1)? else { return Ok(Claimed::NoRecord) };
                    return Ok(Claimed::Ours(
                        Claim { etag: etags.into_iter().next().flatten(), ..claim },
                        Box::new(record),
                    ));
                }
                Err((0, StoreError::Conflict(_))) => {
                    if let Some(taken) = self.look_at_claim(&claim, event).await? {
                        return Ok(taken);
                    }
                }
                Err((1, StoreError::Denied(_))) => return Ok(Claimed::NoRecord),
                Err((_, error)) => return Err(error),
            }
        }
        Err(StoreError::Conflict("the claim changes hands".to_owned()))
    }

    async fn look_at_claim(&self, ours: &Claim, event: &EventId) -> Result<Option<Claimed>, StoreError> {
        let batch = TransactionalBatch::new(partition(&ours.channel_id))
            .read_item(ours.id.clone(), None)
            .read_item(event.to_string(), None);
        let outcome = self.run(batch, ContentResponseOnWrite::Enabled).await?;
        match outcome.conclude() {
            Ok(_) => {}
            Err((0, StoreError::Denied(_))) => return Ok(None),
            Err((1, StoreError::Denied(_))) => return Ok(Some(Claimed::NoRecord)),
            Err((_, error)) => return Err(error),
        }
        let (claim, record) = (outcome.item::<Claim>(0)?, outcome.item::<Record>(1)?);
        let (Some(claim), Some(record)) = (claim, record) else { return Ok(None) };
        // The SDK repeats a create whose answer was lost, and then meets its own claim.
        let is_ours = claim.owner == ours.owner;
        Ok(Some(if is_ours { Claimed::Ours(claim, Box::new(record)) } else { Claimed::Taken(claim, Box::new(record)) }))
    }

    /// Writes claim and record together, each against its version: takes over, marks the next invocations, or both.
    pub async fn mark(&self, claim: Claim, record: Record) -> Result<(Claim, Record), StoreError> {
        let batch = TransactionalBatch::new(partition(&claim.channel_id))
            .replace_item(claim.id.clone(), &claim, Some(replacing(claim.etag.as_deref())))?
            .replace_item(record.id.to_string(), &record, Some(replacing(record.etag.as_deref())))?;
        let mut etags = self
            .run(batch, ContentResponseOnWrite::Disabled)
            .await?
            .conclude()
            .map_err(|(_, error)| error)?
            .into_iter();
        let (claim_etag, record_etag) = (etags.next().flatten(), etags.next().flatten());
        Ok((Claim { etag: claim_etag, ..claim }, Record { etag: record_etag, ..record }))
    }

    /// Writes the record and gives the claim back. The claim alone is the guard: what the poller notes about the record's
    /// publication at the same moment may be lost, and costs nobody a second try.
    pub async fn settle(&self, claim: &Claim, record: &Record) -> Result<(), StoreError> {
        let batch = TransactionalBatch::new(partition(&claim.channel_id))
            .replace_item(record.id.to_string(), record, None)?
            .delete_item(claim.id.clone(), deleting(claim));
        self.run(batch, ContentResponseOnWrite::Disabled).await?.conclude().map(drop).map_err(|failed| match failed {
            (1, StoreError::Denied(cause)) => StoreError::Conflict(format!("the claim is gone: {cause}")),
            (_, error) => error,
        })
    }

    /// Gives a claim back and leaves the record as it is.
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        let batch =
            TransactionalBatch::new(partition(&claim.channel_id)).delete_item(claim.id.clone(), deleting(claim));
        self.run(batch, ContentResponseOnWrite::Disabled).await?.conclude().map(drop).map_err(|(_, error)| error)
    }
}

fn deleting(claim: &Claim) -> Option<BatchDeleteOptions> {
    let etag = claim.etag.clone()?;
    Some(BatchDeleteOptions::default().with_precondition(Precondition::IfMatch(Etag::from(etag))))
}
