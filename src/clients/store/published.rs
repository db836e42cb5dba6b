//! Queries for published events whose message is lost.
//!
//! They filter and sort by `_ts`, the second of an item's last write. Cosmos DB indexes it without a policy.

use std::collections::HashSet;

use azure_data_cosmos::Query;
use azure_data_cosmos::feed::FeedScope;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::claims::claim_id;
use super::{Store, StoreError};
use crate::events::Record;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Publication {
    published_at: Option<DateTime<Utc>>,
    replayed_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct FoundClaim {
    id: String,
    until: DateTime<Utc>,
}

/// How many finished events show how far the subscription has come. The latest ones may be rescheduled messages.
const FINISHED: usize = 20;

impl Store {
    /// Published events that are not finished, not rescheduled and not scheduled for later than `before`, and were not written
    /// since; oldest first.
    pub async fn unfinished(&self, before: DateTime<Utc>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let text = "SELECT TOP @limit * FROM c WHERE c.status = 'processing' AND c._ts < @before AND (NOT IS_DEFINED(c.scheduledFor) OR c.scheduledFor < @time) ORDER BY c._ts";
        let query = Query::from(text)
            .with_parameter("@limit", limit)?
            .with_parameter("@before", before.timestamp())?
            .with_parameter("@time", before)?;
        self.query(query, FeedScope::full_container()).await
    }

    /// The latest time of publication among the events that were finished last before `until`. Events that an operator has
    /// replayed do not count, because they did not pass the subscription.
    pub async fn latest_publication_finished(&self, until: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
        let text = "SELECT TOP @limit c.publishedAt, c.replayedAt FROM c WHERE c.status IN ('processed', 'failed') AND c._ts < @until ORDER BY c._ts DESC";
        let query =
            Query::from(text).with_parameter("@limit", FINISHED)?.with_parameter("@until", until.timestamp())?;
        let finished: Vec<Publication> = self.query(query, FeedScope::full_container()).await?;
        let delivered = finished.into_iter().filter(|publication| publication.replayed_at.is_none());
        Ok(delivered.filter_map(|publication| publication.published_at).max())
    }

    /// The ids of the events whose claim expires or expired after `since`.
    pub async fn claimed_since(&self, records: &[Record], since: DateTime<Utc>) -> Result<HashSet<String>, StoreError> {
        let ids: Vec<String> = records.iter().map(|record| claim_id(record.id())).collect();
        let text = "SELECT c.id, c.until FROM c WHERE ARRAY_CONTAINS(@ids, c.id)";
        let query = Query::from(text).with_parameter("@ids", &ids)?;
        let claims: Vec<FoundClaim> = self.query(query, FeedScope::full_container()).await?;
        let found: HashSet<String> =
            claims.into_iter().filter(|claim| claim.until > since).map(|claim| claim.id).collect();
        let events = records.iter().map(Record::id);
        Ok(events.filter(|id| found.contains(&claim_id(id))).map(ToString::to_string).collect())
    }
}
