//! The account: what it holds, and what requests do to it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::sync::broadcast;

use super::address::{ContainerPath, Resource};
use super::authorization::Keys;
use super::item_requests::partition_key_of;
use super::journal::{Change, Journal};
use super::partition_key;
use super::reply::{Reply, ServiceError, ServiceResult};
use super::store::{Container, Definition, ItemKey, Store};
use super::usage::{self, Usage};
use super::{CosmosOptions, Role, charges};

/// Writes that a slow receiver may leave unread before it misses some.
const UNREAD_CHANGES: usize = 4096;

pub(super) struct Account {
    pub(super) url: String,
    pub(super) options: CosmosOptions,
    pub(super) keys: Keys,
    pub(super) role: Mutex<Role>,
    pub(super) changes: broadcast::Sender<Arc<Change>>,
    store: Mutex<Store>,
    usage: Mutex<Usage>,
    journal: Mutex<Journal>,
}

/// A request after its authorization.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) resource: &'a Resource,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
}

/// What came of a request.
#[derive(Default)]
pub(super) struct Handled {
    pub(super) reply: Reply,
    /// The items that were written.
    pub(super) written: Vec<Value>,
    /// The operations of a batch, by the names of [`Usage::requests`], and the ids that they named.
    pub(super) inside: Vec<&'static str>,
    pub(super) named: Vec<String>,
}

impl From<Reply> for Handled {
    fn from(reply: Reply) -> Self {
        Self { reply, ..Self::default() }
    }
}

impl Account {
    pub(super) fn new(url: String, options: CosmosOptions) -> io::Result<Self> {
        let default_ttl = options.time_to_live.then_some(-1);
        let definition = Definition::new(options.container.clone(), &options.partition_key, default_ttl, Map::new());
        let definition = definition.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.message))?;
        let mut store = Store::default();
        let now = options.clock.now().timestamp();
        let created = store
            .create_database(&options.database, now)
            .map(|_| ())
            .and_then(|()| store.create_container(&options.database, definition, options.partition_count, now));
        created.map_err(|error| io::Error::other(error.message))?;
        Ok(Self {
            url,
            keys: Keys::new(&options.key, options.tokens.clone())?,
            options,
            role: Mutex::default(),
            changes: broadcast::Sender::new(UNREAD_CHANGES),
            store: Mutex::new(store),
            usage: Mutex::default(),
            journal: Mutex::default(),
        })
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the container of the options, past the network.
    pub(super) fn in_container<T>(
        &self,
        action: impl FnOnce(&mut Container, i64) -> ServiceResult<T>,
    ) -> io::Result<T> {
        let now = self.options.clock.now().timestamp();
        let mut store = self.store();
        let container = store.container_mut(&self.container_path());
        let done = container.and_then(|container| {
            container.expire(now);
            action(container, now)
        });
        done.map_err(|error| io::Error::other(error.message))
    }

    fn container_path(&self) -> ContainerPath {
        ContainerPath { database: self.options.database.clone(), container: self.options.container.clone() }
    }

    /// Answers a request, counts it, and enters what it wrote in the journal.
    pub(super) fn handle(&self, request: &Request<'_>) -> Reply {
        // Held until the writes are reported, so that they are reported in their order.
        let journal = self.journal();
        let at = self.options.clock.now();
        let handled = self.dispatch(request, at.timestamp());
        let handled = handled.unwrap_or_else(|error| error.into_reply(charges::REFUSED).into());
        let kind = usage::kind(request.method, request.resource, request.headers);
        self.usage().add(kind, &handled.inside, handled.reply.charge);
        self.record(journal, request, handled.written, handled.named, at);
        handled.reply
    }

    fn record(
        &self,
        mut journal: MutexGuard<'_, Journal>,
        request: &Request<'_>,
        written: Vec<Value>,
        named: Vec<String>,
        at: DateTime<Utc>,
    ) {
        written.iter().for_each(|item| journal.record(item, at));
        if let Ok(Some(key)) = partition_key_of(request.headers) {
            let epk = partition_key::effective(&key);
            named.into_iter().for_each(|id| journal.remember(ItemKey { epk, id: id.into() }));
        }
        for item in written {
            // There need not be any receiver.
            let _ = self.changes.send(Arc::new(Change { at, item }));
        }
    }

    fn dispatch(&self, request: &Request<'_>, now: i64) -> ServiceResult<Handled> {
        match request.resource {
            Resource::Items(path) => self.in_items(path, now, |container| container.handle(request, now)),
            Resource::Item(path, id) => self.in_items(path, now, |container| {
                let id = container.id_of(id);
                container.handle_item(request, id, now)
            }),
            Resource::PartitionKeyDelete => Err(ServiceError::not_implemented(
                "This account does not delete all items of a partition key at once. Delete them one by one.",
            )),
            _ => self.metadata(request, now).map(Handled::from),
        }
    }

    fn in_items<T>(
        &self,
        path: &ContainerPath,
        now: i64,
        action: impl FnOnce(&mut Container) -> ServiceResult<T>,
    ) -> ServiceResult<T> {
        let mut store = self.store();
        // Sub-status 1003: it is the owner of the items that does not exist.
        let container = store.container_mut(path).map_err(|error| error.with_sub_status(1003))?;
        container.expire(now);
        action(container)
    }
}
