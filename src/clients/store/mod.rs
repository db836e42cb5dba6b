//! Cosmos DB: one record for each event, the cursors of the poller, and the claims of deliveries.
//!
//! All three are in one container, partitioned by channel. Correctness depends only on creates and on conditional writes
//! (etag). It never depends on a fresh read, because with session consistency a read may be stale.

mod batch;
mod claims;
mod cursors;
mod customers;
mod find;
mod markers;
mod probe;
mod published;
mod related;

use std::time::Duration;

use azure_core::credentials::TokenCredential;
use azure_core::http::Etag;
use azure_data_cosmos::feed::FeedScope;
use azure_data_cosmos::options::{
    ItemWriteOptions, OperationOptions, OperationOptionsBuilder, Precondition, Region, ThrottlingRetryOptionsBuilder,
};
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, ContainerClient, CosmosClient, CosmosError, CosmosRuntime, PartitionKey, Query,
    RoutingStrategy,
};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::http::milliseconds;
use super::single_flight::SingleFlight;
use crate::dependency::Dependency;
use crate::events::{EventId, Record};
use crate::settings::StoreSettings;
use crate::telemetry::{LogEvent, invocation, traces};
pub(crate) use batch::shortened;
pub use batch::{Added, Saved};
pub use claims::{Claim, Claimed};
pub use find::{Criterion, Page};
pub use markers::MarkerId;
pub(crate) use probe::{ContainerState, ProbeError, ProbeStep};

/// A client of the container. It connects with the first request.
pub struct Store {
    settings: StoreSettings,
    managed: Arc<dyn TokenCredential>,
    timeout: Duration,
    container: SingleFlight<ContainerClient, StoreError>,
}

/// Why a request to Cosmos DB failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not respond, or it throttles. A write may have been applied.
    #[error("Cosmos DB is not available: {cause}")]
    Unavailable {
        /// Status and sub-status.
        cause: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The item has changed since it was read, or it exists already.
    #[error("a Cosmos DB item has changed or exists already ({0})")]
    Conflict(String),
    /// It rejects our identity, or the database or the container does not exist.
    #[error("Cosmos DB denies access ({0}); check endpoint, database, container and the data-plane role assignment")]
    Denied(String),
    /// It rejects the request.
    #[error("Cosmos DB rejects the request ({0})")]
    Refused(String),
}

impl StoreError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Conflict(_) => "conflict",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
        }
    }

    fn log_throttling(&self) {
        if let Self::Unavailable { cause, retry_after } = self
            && cause.starts_with("429")
        {
            let retry_after_ms = retry_after.map(milliseconds);
            LogEvent::Throttled { dependency: Dependency::CosmosDb, status: 429, retry_after_ms }.log();
        }
    }

    /// The error for a status of a response or of one operation in a batch.
    fn from_status(status: u16, sub_status: Option<u32>, retry_after: Option<Duration>) -> Self {
        let cause = match sub_status {
            Some(sub) if sub != 0 => format!("{status}/{sub}"),
            _ => status.to_string(),
        };
        match status {
            409 | 412 => Self::Conflict(cause),
            401 | 403 | 404 => Self::Denied(cause),
            408 | 410 | 429 | 449 | 500.. => Self::Unavailable { cause, retry_after },
            _ => Self::Refused(cause),
        }
    }
}

impl From<CosmosError> for StoreError {
    fn from(error: CosmosError) -> Self {
        let status = error.status();
        let sub_status = status.sub_status().map(|sub| u32::from(sub.value()));
        let retry_after =
            error.response().and_then(|response| response.headers().retry_after_ms).map(Duration::from_millis);
        Self::from_status(status.status_code().into(), sub_status, retry_after)
    }
}

/// The position up to which the events of a type have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The time of the latest event, or the time of the read if that is earlier.
    pub position: DateTime<Utc>,
    /// The version. Absent if the cursor has not been stored yet.
    pub etag: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct CursorItem {
    id: String,
    #[serde(rename = "EventChannelId")]
    partition: String,
    position: DateTime<Utc>,
    #[serde(rename = "_etag", default, skip_serializing)]
    etag: Option<String>,
}

/// The partition of the cursors. Channel ids are numbers, so there is no conflict.
const CURSORS: &str = "cursors";

impl Store {
    /// A client with these settings. `managed` is used if there is no key.
    pub fn new(settings: &StoreSettings, managed: Arc<dyn TokenCredential>, timeout: Duration) -> Self {
        Self { settings: settings.clone(), managed, timeout, container: SingleFlight::default() }
    }

    async fn container(&self) -> Result<ContainerClient, StoreError> {
        self.container.get_once(async || self.with_timeout(self.connect()).await).await
    }

    /// On the heap, because every operation contains it and only the first one needs it.
    fn connect(&self) -> BoxFuture<'_, Result<ContainerClient, StoreError>> {
        let connected = async {
            let client = self.client().await?;
            Ok(client.database_client(&self.settings.database).container_client(&self.settings.container, None).await?)
        };
        connected.boxed()
    }

    async fn client(&self) -> Result<CosmosClient, CosmosError> {
        let settings = &self.settings;
        let endpoint = AccountEndpoint::from(settings.endpoint.clone());
        let account = match &settings.key {
            Some(key) => AccountReference::with_authentication_key(endpoint, key.clone()),
            None => AccountReference::with_credential(endpoint, self.managed.clone()),
        };
        let nearest = RoutingStrategy::ProximityTo(Region::from(settings.region.clone()));
        // The SDK's shared runtime would outlive the Tokio runtime that first used it, so this client has its own.
        let runtime = CosmosRuntime::builder().with_default_operation_options(self.retry_options()).build().await?;
        CosmosClient::builder().with_runtime(runtime).build(account, nearest).await
    }

    /// Limits the SDK's own retries. Its default against throttling is two minutes, which is longer than a lease.
    fn retry_options(&self) -> OperationOptions {
        let throttling = ThrottlingRetryOptionsBuilder::new()
            .with_max_retry_count(3)
            .with_max_retry_wait_time(self.timeout / 3)
            .build();
        OperationOptionsBuilder::new()
            .with_throttling_retry_options(throttling)
            .with_max_failover_retry_count(1)
            .build()
    }

    /// Runs an operation with a time-out, because the SDK may retry for longer than a caller can wait.
    async fn with_timeout<T>(&self, operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let timed_out = || StoreError::Unavailable { cause: "no response in time".to_owned(), retry_after: None };
        invocation::count_call(Dependency::CosmosDb);
        let span = traces::request(Dependency::CosmosDb, None, self.settings.endpoint.host_str(), 0);
        let result = tokio::time::timeout(self.timeout, operation).await.unwrap_or_else(|_| Err(timed_out()));
        span.end_request(result.as_ref().map(|_| None).map_err(StoreError::kind));
        result.inspect_err(StoreError::log_throttling)
    }

    /// The cursor of an event type, if the type was polled before.
    pub async fn cursor(&self, event_type: &str) -> Result<Option<Cursor>, StoreError> {
        let item: Option<CursorItem> = self.read(CURSORS, &cursor_id(event_type)).await?;
        Ok(item.map(|item| Cursor { position: item.position, etag: item.etag }))
    }

    /// Moves a cursor if it still has the version that was read. Returns its new version.
    pub async fn move_cursor(
        &self,
        event_type: &str,
        position: DateTime<Utc>,
        etag: Option<&str>,
    ) -> Result<Cursor, StoreError> {
        let container = self.container().await?;
        let item = CursorItem { id: cursor_id(event_type), partition: CURSORS.to_owned(), position, etag: None };
        let written = self
            .with_timeout(async {
                let response = match etag {
                    None => container.create_item(CURSORS, &item.id, &item, None).await?,
                    Some(etag) => container.replace_item(CURSORS, &item.id, &item, Some(if_match(etag))).await?,
                };
                Ok(response.headers().etag().map(ToString::to_string))
            })
            .await?;
        Ok(Cursor { position, etag: written })
    }

    /// The record of an event.
    pub async fn record(&self, channel_id: &str, id: &EventId) -> Result<Option<Record>, StoreError> {
        self.read(channel_id, id.as_str()).await
    }

    /// Unfinished records whose next attempt is due, oldest event first, at most `limit`.
    pub async fn due_records(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Record>, StoreError> {
        let text = "SELECT TOP @limit * FROM c WHERE c.due <= @now AND c.status IN ('new', 'retrying', 'processing') ORDER BY c.EventDateTime";
        let query = Query::from(text).with_parameter("@limit", limit)?.with_parameter("@now", now)?;
        self.query(query, FeedScope::full_container()).await
    }

    async fn query<T: DeserializeOwned + Send + 'static>(
        &self,
        query: Query,
        scope: FeedScope,
    ) -> Result<Vec<T>, StoreError> {
        let container = self.container().await?;
        self.with_timeout(async { Ok(container.query_items::<T>(query, scope, None).await?.try_collect().await?) })
            .await
    }

    async fn read<T: DeserializeOwned>(&self, partition: &str, id: &str) -> Result<Option<T>, StoreError> {
        let container = self.container().await?;
        self.with_timeout(async {
            match container.read_item(partition.to_owned(), id, None).await {
                Ok(response) => Ok(Some(response.into_model()?)),
                Err(error) if error.status().is_not_found() => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Deletes an item. It may be gone already.
    async fn delete(&self, partition: &str, id: &str, options: Option<ItemWriteOptions>) -> Result<(), StoreError> {
        let container = self.container().await?;
        self.with_timeout(async {
            match container.delete_item(partition.to_owned(), id, options).await {
                Err(error) if !error.status().is_not_found() => Err(error.into()),
                _ => Ok(()),
            }
        })
        .await
    }
}

fn cursor_id(event_type: &str) -> String {
    EventId::new("cursor", event_type, "", "").to_string()
}

fn if_match(etag: &str) -> ItemWriteOptions {
    ItemWriteOptions::default().with_precondition(Precondition::IfMatch(Etag::from(etag.to_owned())))
}

fn partition(channel_id: &str) -> PartitionKey {
    PartitionKey::from(channel_id.to_owned())
}
