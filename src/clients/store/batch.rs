//! Many records in few requests: transactional batches, one partition each.

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
use crate::events::Record;

/// Operations per batch, the service's limit.
const LARGEST: usize = 100;

/// Batches under way at once; they go to different partitions.
const AT_ONCE: usize = 8;

/// A record that is there already.
#[derive(Deserialize)]
struct Found {
    id: String,
    #[serde(rename = "seenBy", default)]
    seen_by: Uuid,
    #[serde(rename = "_etag")]
    etag: String,
}

/// The SDK repeats a batch whose answer was lost, and then meets the records of its first try: seen by this very run.
fn is_own(record: Record, there: &BTreeMap<String, Found>) -> Option<Record> {
    let found = there.get(record.id.as_str()).filter(|found| found.seen_by == record.seen_by)?;
    Some(Record { etag: Some(found.etag.clone()), ..record })
}

/// What became of records to be saved.
#[derive(Debug, Default)]
pub struct Saved {
    /// Written, with their new versions.
    pub written: Vec<Record>,
    /// Left alone, because somebody else had written them since they were read.
    pub overtaken: Vec<Record>,
}

impl Store {
    /// Adds records that are not there yet, and returns those with their versions; the others are left alone.
    pub async fn add(&self, records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
        let batches = by_partition(records).into_iter().map(|batch| self.add_batch(batch));
        let added: Vec<Vec<Record>> = stream::iter(batches).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(added.into_iter().flatten().collect())
    }

    /// Most batches hold only new records. One that does not is refused whole; then it is asked which are known.
    async fn add_batch(&self, mut records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
        let mut created = Vec::new();
        while let Some(first) = records.first() {
            let mut batch = TransactionalBatch::new(partition(&first.event.channel_id));
            for record in &records {
                batch = batch.create_item(record)?;
            }
            match self.run(batch, ContentResponseOnWrite::Disabled).await?.conclude() {
                Ok(etags) => {
                    created.extend(records.into_iter().zip(etags).map(|(record, etag)| Record { etag, ..record }));
                    break;
                }
                Err((_, StoreError::Conflict(_))) => {
                    let there = self.which_exist(&records).await?;
                    let (known, new): (Vec<_>, Vec<_>) =
                        records.into_iter().partition(|record| there.contains_key(record.id.as_str()));
                    if known.is_empty() {
                        let cause = "a record both exists and does not".to_owned();
                        return Err(StoreError::Unavailable { cause, retry_after: None });
                    }
                    created.extend(known.into_iter().filter_map(|record| is_own(record, &there)));
                    records = new;
                }
                Err((_, error)) => return Err(error),
            }
        }
        Ok(created)
    }

    async fn which_exist(&self, records: &[Record]) -> Result<BTreeMap<String, Found>, StoreError> {
        let Some(first) = records.first() else { return Ok(BTreeMap::new()) };
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        let text = "SELECT c.id, c.seenBy, c._etag FROM c WHERE ARRAY_CONTAINS(@ids, c.id)";
        let query = Query::from(text).with_parameter("@ids", ids)?;
        let found: Vec<Found> = self.query(query, FeedScope::partition(partition(&first.event.channel_id))).await?;
        Ok(found.into_iter().map(|found| (found.id.clone(), found)).collect())
    }

    /// Saves records against the versions that they were read with.
    pub async fn save(&self, records: Vec<Record>) -> Result<Saved, StoreError> {
        let batches = by_partition(records).into_iter().map(|batch| self.save_batch(batch));
        let saved: Vec<Saved> = stream::iter(batches).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(saved.into_iter().fold(Saved::default(), |mut all, one| {
            all.written.extend(one.written);
            all.overtaken.extend(one.overtaken);
            all
        }))
    }

    /// A batch in which one record was overtaken is refused whole. Others were then overtaken as well, most likely, so
    /// it is asked which before the rest is sent again.
    async fn save_batch(&self, mut records: Vec<Record>) -> Result<Saved, StoreError> {
        let mut overtaken = Vec::new();
        while let Some(first) = records.first() {
            let mut batch = TransactionalBatch::new(partition(&first.event.channel_id));
            for record in &records {
                batch = batch.replace_item(record.id.to_string(), record, Some(replacing(record.etag.as_deref())))?;
            }
            match self.run(batch, ContentResponseOnWrite::Disabled).await?.conclude() {
                Ok(etags) => {
                    let written =
                        records.into_iter().zip(etags).map(|(record, etag)| Record { etag, ..record }).collect();
                    return Ok(Saved { written, overtaken });
                }
                // A record that is gone was removed by its time to live: as good as overtaken.
                Err((index, StoreError::Conflict(_) | StoreError::Denied(_))) => {
                    overtaken.push(records.remove(index));
                    let there = self.which_exist(&records).await?;
                    let is_ours = |record: &Record| {
                        there.get(record.id.as_str()).is_some_and(|it| record.etag.as_ref() == Some(&it.etag))
                    };
                    let (ours, others): (Vec<_>, Vec<_>) = records.into_iter().partition(is_ours);
                    overtaken.extend(others);
                    records = ours;
                }
                Err((_, error)) => return Err(error),
            }
        }
        Ok(Saved { written: Vec::new(), overtaken })
    }

    /// Runs a batch. All of it happens or nothing does.
    pub(super) async fn run(
        &self,
        batch: TransactionalBatch,
        content: ContentResponseOnWrite,
    ) -> Result<Outcome, StoreError> {
        let container = self.container().await?;
        let operation = OperationOptionsBuilder::new().with_content_response_on_write(content).build();
        let options = BatchOptions::default().with_operation_options(operation);
        self.bounded(async {
            let response = container.execute_transactional_batch(batch, Some(options)).await?;
            Ok(Outcome(response.into_model()?))
        })
        .await
    }
}

/// The results of a batch, one per operation.
pub(super) struct Outcome(TransactionalBatchResponse);

impl Outcome {
    /// The new versions, or the index of the operation that spoiled the batch and why.
    pub(super) fn conclude(&self) -> Result<Vec<Option<String>>, (usize, StoreError)> {
        const SPOILED_BY_ANOTHER: u16 = 424;
        let results = self.0.results();
        let culprit = results
            .iter()
            .enumerate()
            .find(|(_, result)| !result.is_success() && result.status_code() != SPOILED_BY_ANOTHER);
        match culprit {
            Some((index, result)) => {
                Err((index, StoreError::judge(result.status_code(), result.substatus_code(), result.retry_after())))
            }
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

pub(super) fn replacing(etag: Option<&str>) -> BatchReplaceOptions {
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
        partitions.entry(record.event.channel_id.clone()).or_default().push(record);
    }
    let mut batches = Vec::new();
    for mut rest in partitions.into_values() {
        while rest.len() > LARGEST {
            let tail = rest.split_off(LARGEST);
            batches.push(std::mem::replace(&mut rest, tail));
        }
        batches.push(rest);
    }
    batches
}
