//! What the accepted writes say: which journeys have been recorded as started, and since when.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::Account;

/// How many items are remembered as lately written or read in batches.
const RECENT: usize = 32;

/// The first accepted write that says that a journey has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// `EventTransactionId` of the event.
    pub transaction_id: String,
    /// `EventType`.
    pub event_type: String,
    /// `EventDateTime`, as it was written.
    pub date_time: String,
    /// The journey's name.
    pub journey: String,
    /// When the account was given the write.
    pub at: DateTime<Utc>,
}

/// An item as an accepted write left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When the account was given the write.
    pub at: DateTime<Utc>,
    /// The item.
    pub item: Value,
}

/// An event's transaction id, type and date-time, and the journey's name.
type Key = [String; 4];

#[derive(Default)]
pub(super) struct Journal {
    first: BTreeMap<Key, DateTime<Utc>>,
    recent: VecDeque<Item>,
}

/// Where an item lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) id: String,
    /// The request's header, a JSON list.
    pub(super) partition_key: String,
}

impl Journal {
    pub(super) fn recorded(&self) -> Vec<Recorded> {
        let recorded = |(key, at): (&Key, &DateTime<Utc>)| {
            let [transaction_id, event_type, date_time, journey] = key.clone();
            Recorded { transaction_id, event_type, date_time, journey, at: *at }
        };
        self.first.iter().map(recorded).collect()
    }

    /// One of the items that batches named lately.
    pub(super) fn recent(&self, choice: u64) -> Option<Item> {
        let place = choice.checked_rem(self.recent.len() as u64)?;
        self.recent.get(usize::try_from(place).ok()?).cloned()
    }

    fn note(&mut self, document: &Value, at: DateTime<Utc>) {
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(transaction), Some(event_type), Some(date_time), Some(journeys)) = (
            text("EventTransactionId"),
            text("EventType"),
            text("EventDateTime"),
            document.get("journeys").and_then(Value::as_object),
        ) else {
            return;
        };
        for (journey, _) in journeys.iter().filter(|(_, outcome)| outcome["state"] == "started") {
            let key = [transaction.clone(), event_type.clone(), date_time.clone(), journey.clone()];
            self.first.entry(key).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
    }

    fn remember(&mut self, item: Item) {
        self.recent.retain(|known| *known != item);
        self.recent.push_back(item);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    fn batch(&mut self, operations: &[Operation], partition_key: &str, at: DateTime<Utc>) {
        for Operation { id, resource_body } in operations {
            if let Some(document) = resource_body {
                self.note(document, at);
            }
            let own = || resource_body.as_ref()?.get("id")?.as_str().map(str::to_owned);
            if let Some(id) = id.clone().or_else(own) {
                self.remember(Item { id, partition_key: partition_key.to_owned() });
            }
        }
    }
}

/// One operation of a batch, which travels as JSON text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    id: Option<String>,
    resource_body: Option<Value>,
}

impl Account {
    /// Enters an accepted request in the journal. Anything but a batch may have come in the SDK's binary form of JSON;
    /// then the item is looked at as it is stored.
    pub(super) async fn note(
        &self,
        kind: &str,
        request: &Parts,
        body: &Bytes,
        (headers, reply): (&HeaderMap, &Bytes),
        at: DateTime<Utc>,
    ) {
        let document = match kind {
            "batch" => {
                let operations: Vec<Operation> = serde_json::from_slice(body).unwrap_or_default();
                self.journal().batch(&operations, &partition_key(&request.headers), at);
                operations.into_iter().filter_map(|operation| operation.resource_body).for_each(|it| self.tell(it, at));
                return;
            }
            "create" | "upsert" => match serde_json::from_slice(body).or_else(|_| serde_json::from_slice(reply)) {
                Ok(document) => Some(document),
                Err(_) => self.with_etag(text(headers, "etag")).await,
            },
            "replace" | "patch" => self.stored(request.uri.path(), &partition_key(&request.headers)).await,
            _ => None,
        };
        if let Some(document) = document {
            self.journal().note(&document, at);
            self.tell(document, at);
        }
    }

    fn tell(&self, item: Value, at: DateTime<Utc>) {
        // Nobody need be watching.
        let _ = self.changes.send(Arc::new(Change { at, item }));
    }

    /// An item by its path, as text.
    pub(super) async fn stored(&self, path: &str, partition_key: &str) -> Option<Value> {
        let mut headers = HeaderMap::new();
        headers.insert(PARTITION_KEY, partition_key.parse().ok()?);
        let (status, _, body) = self.execute("GET", path, &headers, Bytes::new()).await.ok()?;
        serde_json::from_slice(&body).ok().filter(|_| status.is_success())
    }

    async fn with_etag(&self, etag: &str) -> Option<Value> {
        let documents = self.documents().await.ok()?;
        documents.into_iter().find(|document| document["_etag"] == etag)
    }
}

pub(super) const PARTITION_KEY: &str = "x-ms-documentdb-partitionkey";

fn partition_key(headers: &HeaderMap) -> String {
    text(headers, PARTITION_KEY).to_owned()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
