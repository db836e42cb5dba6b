//! A Cosmos DB account on a loopback port, with real keys: an account of the sandbox's own, in memory.
//!
//! It does what the product, its runbooks and ordinary clients ask of an account, at a cost that does not depend on how
//! many items there are. What it does not do, it refuses with 501 or 400 and a sentence. It has no change feed, no
//! stored procedures, no hierarchical partition keys, no bulk requests, and does not read the binary batches of the SDK
//! for .NET.

mod account;
mod address;
mod administration;
mod authorization;
mod batch;
mod charges;
mod concurrent_writer;
mod feed;
mod headers;
mod item_requests;
mod items;
mod journal;
mod metadata;
mod partition_key;
mod patch;
mod query;
mod reply;
mod resource_id;
mod server;
mod store;
mod ttl;
mod usage;

use std::io;
use std::sync::{Arc, PoisonError};

use axum::Router;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::auth::{AnyToken, TokenCheck};
use crate::clock::Clock;
use crate::network::{Dependency, Network, Served};

use account::Account;
pub use concurrent_writer::ConcurrentWriter;
use items::{Operation, Preconditions};
pub use journal::{Change, Recorded};
pub use usage::Usage;

/// The account's only region.
pub const REGION: &str = "West Europe";

/// The key of the account unless another is given (base64, as all account keys are).
pub const KEY: &str = "c2FuZGJveC1jb3Ntb3MtYWNjb3VudC1rZXktb2YtdGhlLWRlbW8tc2hvcC1ub3QtYS1zZWNyZXQhIQ==";

/// How the account is set up.
#[derive(Clone)]
pub struct CosmosOptions {
    /// The database that exists from the start.
    pub database: String,
    /// The container in it.
    pub container: String,
    /// The container's partition key path.
    pub partition_key: String,
    /// The account key, base64.
    pub key: String,
    /// Into how many physical partitions the container is split.
    pub partition_count: u32,
    /// Whether items can set a time to live.
    pub time_to_live: bool,
    /// Checks Entra tokens (`type=aad`).
    pub tokens: Arc<dyn TokenCheck>,
    /// The time of the account: items are stamped and expire by it.
    pub clock: Clock,
}

impl Default for CosmosOptions {
    fn default() -> Self {
        Self {
            database: "EventTrackingDB".to_owned(),
            container: "ProcessedEvents".to_owned(),
            partition_key: "/EventChannelId".to_owned(),
            key: KEY.to_owned(),
            partition_count: 2,
            time_to_live: true,
            tokens: Arc::new(AnyToken),
            clock: Clock::real(),
        }
    }
}

/// The account, served until dropped.
pub struct CosmosAccount {
    served: Served,
    account: Arc<Account>,
}

/// What callers with an Entra token may do with the data: the built-in roles, by their last words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Read and write.
    #[default]
    Contributor,
    /// Read.
    Reader,
    /// Nothing.
    None,
}

impl CosmosAccount {
    /// Opens the account on a loopback port (any free one, unless given).
    ///
    /// # Errors
    ///
    /// When the port is taken, the key is not base64, or the account's shape is not allowed.
    pub async fn start(network: &Network, port: Option<u16>, options: CosmosOptions) -> io::Result<Self> {
        let listener = Network::bind(port).await?;
        // Clients are told this address when they ask the account for its regions, so it must exist beforehand.
        let url = format!("http://{}/", listener.local_addr()?);
        let account = Arc::new(Account::new(url, options)?);
        let router = Router::new().fallback(server::serve).with_state(account.clone());
        let served = network.serve_on(Dependency::Cosmos, router, listener)?;
        Ok(Self { served, account })
    }

    /// Where the account listens, and its switch.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> String {
        self.served.url()
    }

    /// The account key, base64.
    pub fn key(&self) -> &str {
        &self.account.options.key
    }

    /// All items of the container with their system properties, read past the network.
    ///
    /// # Errors
    ///
    /// When the container is gone.
    pub async fn documents(&self) -> io::Result<Vec<Value>> {
        self.account.in_container(|container, _| {
            Ok(container.scan(partition_key::ALL, None).map(|candidate| candidate.value).collect())
        })
    }

    /// Removes the items that `which` selects, past the network, as their time to live would; returns how many.
    ///
    /// # Errors
    ///
    /// As [`CosmosAccount::documents`].
    pub async fn expire(&self, which: impl Fn(&Value) -> bool) -> io::Result<usize> {
        self.account.in_container(|container, _| {
            let all = container.scan(partition_key::ALL, None);
            let selected: Vec<_> = all.filter(|candidate| which(&candidate.value)).map(|it| it.key).collect();
            Ok(selected.iter().filter_map(|key| container.set(key, None)).count())
        })
    }

    /// Writes an item past the network, over one with the same key if there is any.
    ///
    /// # Errors
    ///
    /// As [`CosmosAccount::documents`], and when it is no valid item.
    pub async fn put(&self, item: &Value) -> io::Result<()> {
        self.account.in_container(|container, now| {
            let key = partition_key::of_item(item, &container.definition.partition_key)?;
            let upsert = Operation::Upsert(item.clone());
            container.execute(upsert, &key, &Preconditions::default(), now).map(|_| ())
        })
    }

    /// Gives callers with an Entra token another role.
    pub fn set_role(&self, role: Role) {
        *self.account.role.lock().unwrap_or_else(PoisonError::into_inner) = role;
    }

    /// Which journeys the accepted writes record as started, each as of the first such write.
    pub fn journal(&self) -> Vec<Recorded> {
        self.account.journal().recorded()
    }

    /// The items of every accepted write from now on, in order. A slow receiver misses some:
    /// [`CosmosAccount::documents`] has them all.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.account.changes.subscribe()
    }

    /// Somebody else who writes to the same container.
    pub fn concurrent_writer(&self) -> ConcurrentWriter {
        ConcurrentWriter::new(self.account.clone())
    }

    /// What has been done with the account so far.
    pub fn usage(&self) -> Usage {
        self.account.usage().clone()
    }
}

#[cfg(test)]
mod tests;
