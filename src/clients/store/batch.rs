//! Writes many records in few requests: transactional batches, each for one partition.

use std::collections::BTreeMap;

use azure_core::http::Etag;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::models::TransactionalBatchResponse;
use azure_data_cosmos::options::{
    BatchOptions, BatchReplaceOptions, ContentResponseOnWrite, OperationOptionsBuilder, Precondition,
};
use azure_data_cosmos::{Query, TransactionalBatch};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use uuid::Uuid;

use super::{Store, StoreError, partition};
use crate::events::{Reason, ReasonCode, Record};
use crate::telemetry::LogEvent;

/// Maximum number of operations in a batch (limit of the service).
const MAX_OPERATIONS: usize = 100;

/// Maximum size of the records in a batch. The service's limit of 2 MB includes what surrounds them.
const MAX_BYTES: usize = 1_900_000;

/// Number of concurrent batches.
const CONCURRENCY: usize = 8;

/// A record that exists already.
#[derive(Deserialize)]
struct Existing {
    id: String,
    #[serde(rename = "seenBy", default)]
    seen_by: Uuid,
    #[serde(rename = "_etag")]
    etag: String,
}

/// Returns a record that this run has created itself. The SDK repeats a batch without an answer, and then finds the records
/// of its first attempt.
fn created_by_this_run(record: Record, existing: &BTreeMap<String, Existing>) -> Option<Record> {
    let own = existing.get(record.id().as_str()).filter(|existing| existing.seen_by == record.seen_by())?;
    let etag = own.etag.clone();
    Some(record.with_etag(Some(etag)))
}

/// The result of adding records.
#[derive(Debug, Default)]
pub struct Added {
    /// New records with their versions.
    pub created: Vec<Record>,
    /// Records that the service rejects, for example because they are too large, each with the error.
    pub refused: Vec<(Record, StoreError)>,
}

impl Added {
    fn and(mut self, other: Self) -> Self {
        self.created.extend(other.created);
        self.refused.extend(other.refused);
        self
    }
}

/// The result of saving records.
#[derive(Debug, Default)]
pub struct Saved {
    /// Written records with their new versions.
    pub written: Vec<Record>,
    /// Records that were not written because they have changed since they were read.
    pub conflicted: Vec<Record>,
    /// Records that the service rejects, each with the error. Empty after they are saved without their content.
    refused: Vec<(Record, StoreError)>,
}

impl Saved {
    fn and(mut self, other: Self) -> Self {
        self.written.extend(other.written);
        self.conflicted.extend(other.conflicted);
        self.refused.extend(other.refused);
        self
    }
}

/// The record without the content that the service rejects.
pub(crate) fn shortened(record: Record, error: &StoreError) -> Record {
    let detail = error.to_string();
    LogEvent::RecordShortened { event_id: record.id().as_str(), detail: &detail }.log();
    record.without_content(Reason::new(ReasonCode::MalformedEvent, detail))
}

impl Store {
    /// Adds new records and returns them with their versions. Existing records are not changed.
    pub async fn add(&self, records: Vec<Record>) -> Result<Added, StoreError> {
        let batches = by_partition(records).into_iter().map(|batch| self.add_batch(batch));
        let added: Vec<Added> = stream::iter(batches).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(added.into_iter().fold(Added::default(), Added::and))
    }

    /// Most batches contain only new records. Otherwise the service rejects the whole batch. A query finds existing records.
    /// A record that the service refuses is taken out, so that it does not hold up the others.
    async fn add_batch(&self, mut records: Vec<Record>) -> Result<Added, StoreError> {
        let mut added = Added::default();
        while let Some(first) = records.first() {
            let mut batch = TransactionalBatch::new(partition(&first.event().channel_id));
            for record in &records {
                batch = batch.create_item(record)?;
            }
            let outcome = match self.run(batch, ContentResponseOnWrite::Disabled).await {
                Err(StoreError::Refused(_)) if records.len() > 1 => return self.add_halves(records, added).await,
                Err(error @ StoreError::Refused(_)) => Err((0, error)),
                other => other?.etags(),
            };
            match outcome {
                Ok(etags) => {
                    added.created.extend(records.into_iter().zip(etags).map(|(record, etag)| record.with_etag(etag)));
                    break;
                }
                Err((_, StoreError::Conflict(_))) => {
                    let existing = self.find_existing(&records).await?;
                    let (known, new): (Vec<_>, Vec<_>) =
                        records.into_iter().partition(|record| existing.contains_key(record.id().as_str()));
                    if known.is_empty() {
                        let cause = "a record exists and cannot be found".to_owned();
                        return Err(StoreError::Unavailable { cause, retry_after: None });
                    }
                    added.created.extend(known.into_iter().filter_map(|record| created_by_this_run(record, &existing)));
                    records = new;
                }
                Err((index, error @ StoreError::Refused(_))) => added.refused.push((records.remove(index), error)),
                Err((_, error)) => return Err(error),
            }
        }
        Ok(added)
    }

    /// The service refuses a batch as a whole. Half of it at a time shows which record is the reason.
    async fn add_halves(&self, mut records: Vec<Record>, added: Added) -> Result<Added, StoreError> {
        let rest = records.split_off(records.len() / 2);
        let first = Box::pin(self.add_batch(records)).await?;
        let second = Box::pin(self.add_batch(rest)).await?;
        Ok(added.and(first).and(second))
    }

    async fn find_existing(&self, records: &[Record]) -> Result<BTreeMap<String, Existing>, StoreError> {
        let Some(first) = records.first() else { return Ok(BTreeMap::new()) };
        let ids: Vec<&str> = records.iter().map(|record| record.id().as_str()).collect();
        let text = "SELECT c.id, c.seenBy, c._etag FROM c WHERE ARRAY_CONTAINS(@ids, c.id)";
        let query = Query::from(text).with_parameter("@ids", ids)?;
        let found: Vec<Existing> =
            self.query(query, FeedScope::partition(partition(&first.event().channel_id))).await?;
        Ok(found.into_iter().map(|found| (found.id.clone(), found)).collect())
    }

    /// Saves records that still have the version that was read. One that the service rejects is saved without its content.
    pub async fn save(&self, records: Vec<Record>) -> Result<Saved, StoreError> {
        let mut saved = self.save_all(records).await?;
        if saved.refused.is_empty() {
            return Ok(saved);
        }
        let shortened = std::mem::take(&mut saved.refused).into_iter().map(|(record, error)| shortened(record, &error));
        let again = self.save_all(shortened.collect()).await?;
        // Then the content is not the cause.
        match again.refused.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(saved.and(Saved { refused: Vec::new(), ..again })),
        }
    }

    async fn save_all(&self, records: Vec<Record>) -> Result<Saved, StoreError> {
        let batches = by_partition(records).into_iter().map(|batch| self.save_batch(batch));
        let saved: Vec<Saved> = stream::iter(batches).buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(saved.into_iter().fold(Saved::default(), Saved::and))
    }

    /// If one record has changed, the service rejects the whole batch. Probably others have changed too, so a query finds them
    /// before the rest is sent again. A record that the service refuses is taken out.
    async fn save_batch(&self, mut records: Vec<Record>) -> Result<Saved, StoreError> {
        let mut saved = Saved::default();
        while let Some(first) = records.first() {
            let mut batch = TransactionalBatch::new(partition(&first.event().channel_id));
            for record in &records {
                batch = batch.replace_item(record.id().to_string(), record, Some(replace_if_match(record.etag())))?;
            }
            let outcome = match self.run(batch, ContentResponseOnWrite::Disabled).await {
                Err(StoreError::Refused(_)) if records.len() > 1 => {
                    let rest = records.split_off(records.len() / 2);
                    let first = Box::pin(self.save_batch(records)).await?;
                    return Ok(saved.and(first).and(Box::pin(self.save_batch(rest)).await?));
                }
                Err(error @ StoreError::Refused(_)) => Err((0, error)),
                other => other?.etags(),
            };
            match outcome {
                Ok(etags) => {
                    saved.written.extend(records.into_iter().zip(etags).map(|(record, etag)| record.with_etag(etag)));
                    break;
                }
                // A missing record has expired. It counts as changed.
                Err((index, StoreError::Conflict(_) | StoreError::Denied(_))) => {
                    saved.conflicted.push(records.remove(index));
                    let existing = self.find_existing(&records).await?;
                    let is_unchanged = |record: &Record| {
                        existing.get(record.id().as_str()).is_some_and(|it| record.etag() == Some(it.etag.as_str()))
                    };
                    let (unchanged, changed): (Vec<_>, Vec<_>) = records.into_iter().partition(is_unchanged);
                    saved.conflicted.extend(changed);
                    records = unchanged;
                }
                Err((index, error @ StoreError::Refused(_))) => saved.refused.push((records.remove(index), error)),
                Err((_, error)) => return Err(error),
            }
        }
        Ok(saved)
    }

    /// Runs a batch. Either all operations are applied or none.
    pub(super) async fn run(
        &self,
        batch: TransactionalBatch,
        content: ContentResponseOnWrite,
    ) -> Result<Outcome, StoreError> {
        let container = self.container().await?;
        let operation = OperationOptionsBuilder::new().with_content_response_on_write(content).build();
        let options = BatchOptions::default().with_operation_options(operation);
        self.with_timeout(async {
            let response = container.execute_transactional_batch(batch, Some(options)).await?;
            Ok(Outcome(response.into_model()?))
        })
        .await
    }
}

/// The results of a batch, one per operation.
pub(super) struct Outcome(TransactionalBatchResponse);

impl Outcome {
    /// The new versions, or the index and the error of the operation that failed.
    pub(super) fn etags(&self) -> Result<Vec<Option<String>>, (usize, StoreError)> {
        const FAILED_DEPENDENCY: u16 = 424;
        let results = self.0.results();
        let failed = results
            .iter()
            .enumerate()
            .find(|(_, result)| !result.is_success() && result.status_code() != FAILED_DEPENDENCY);
        match failed {
            Some((index, result)) => Err((
                index,
                StoreError::from_status(result.status_code(), result.substatus_code(), result.retry_after()),
            )),
            None => Ok(results.iter().map(|result| result.etag().map(str::to_owned)).collect()),
        }
    }

    /// The item that operation `index` has read or written.
    pub(super) fn item<T: serde::de::DeserializeOwned>(&self, index: usize) -> Result<Option<T>, StoreError> {
        match self.0.results().get(index) {
            Some(result) => Ok(result.into_model()?),
            None => Ok(None),
        }
    }
}

pub(super) fn replace_if_match(etag: Option<&str>) -> BatchReplaceOptions {
    match etag {
        Some(etag) => {
            BatchReplaceOptions::default().with_precondition(Precondition::IfMatch(Etag::from(etag.to_owned())))
        }
        None => BatchReplaceOptions::default(),
    }
}

fn by_partition(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut partitions: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in records {
        partitions.entry(record.event().channel_id.clone()).or_default().push(record);
    }
    let mut batches = Vec::new();
    for records in partitions.into_values() {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for record in records {
            let size = serde_json::to_string(&record).map_or(0, |json| json.len());
            if !batch.is_empty() && (batch.len() == MAX_OPERATIONS || bytes + size > MAX_BYTES) {
                batches.push(std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += size;
            batch.push(record);
        }
        batches.push(batch);
    }
    batches
}
