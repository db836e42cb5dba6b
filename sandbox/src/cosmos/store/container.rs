//! A container: items by effective partition key and id, and what finds them otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::index::Index;
use crate::cosmos::partition_key::{self, Epk, EpkRange};
use crate::cosmos::query::{Candidate, Condition};
use crate::cosmos::reply::{ServiceError, ServiceResult};
use crate::cosmos::{resource_id, ttl};

/// Paths for which there is an index at most; what is queried by others reads all items.
const MOST_INDEXES: usize = 16;

/// An item's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::cosmos) struct ItemKey {
    pub(in crate::cosmos) epk: Epk,
    pub(in crate::cosmos) id: Arc<str>,
}

/// One version of an item.
#[derive(Clone, Debug)]
pub(in crate::cosmos) struct Item {
    /// JSON with the system properties.
    pub(in crate::cosmos) body: Bytes,
    pub(in crate::cosmos) etag: String,
    /// Grows with every item that is created, and stays the same when it is replaced.
    pub(in crate::cosmos) ordinal: u64,
    /// The second from which on the item no longer exists.
    pub(in crate::cosmos) expires_at: Option<i64>,
}

/// How a container is set up.
#[derive(Clone, Debug)]
pub(in crate::cosmos) struct Definition {
    pub(in crate::cosmos) id: String,
    /// The property names that lead to the partition key.
    pub(in crate::cosmos) partition_key: Vec<String>,
    /// Seconds that items live; -1 for ever; absent if items cannot expire.
    pub(in crate::cosmos) default_ttl: Option<i64>,
    /// The rest of what was given when the container was created.
    pub(in crate::cosmos) properties: Map<String, Value>,
}

/// A part of the container with its own sequence of writes.
pub(in crate::cosmos) struct Partition {
    pub(in crate::cosmos) range: EpkRange,
    /// The number of the last write.
    pub(in crate::cosmos) lsn: u64,
}

pub(in crate::cosmos) struct Container {
    pub(in crate::cosmos) definition: Definition,
    /// The numbers of the database and of the container in it.
    pub(in crate::cosmos) numbers: (u32, u32),
    pub(in crate::cosmos) etag: String,
    pub(in crate::cosmos) changed_at: i64,
    pub(in crate::cosmos) partitions: Vec<Partition>,
    items: BTreeMap<ItemKey, Arc<Item>>,
    indexes: BTreeMap<Vec<String>, Index>,
    expiry: BTreeSet<(i64, ItemKey)>,
    created: u64,
}

pub(in crate::cosmos) fn new_etag() -> String {
    format!("\"{}\"", Uuid::new_v4())
}

impl Container {
    pub(super) fn new(definition: Definition, numbers: (u32, u32), partitions: u32, now: i64) -> Self {
        let partitions = partition_key::split(partitions).into_iter().map(|range| Partition { range, lsn: 1 });
        Self {
            definition,
            numbers,
            etag: new_etag(),
            changed_at: now,
            partitions: partitions.collect(),
            items: BTreeMap::new(),
            indexes: BTreeMap::new(),
            expiry: BTreeSet::new(),
            created: 0,
        }
    }

    pub(in crate::cosmos) fn resource_id(&self) -> String {
        resource_id::container(self.numbers.0, self.numbers.1)
    }

    /// Gives the container another definition; only the partition key has to stay. Items expire by the new one.
    pub(in crate::cosmos) fn redefine(&mut self, definition: Definition, now: i64) -> ServiceResult<()> {
        if definition.id != self.definition.id || definition.partition_key != self.definition.partition_key {
            return Err(ServiceError::bad_request("Neither the id nor the partition key of a container can change."));
        }
        (self.definition, self.etag, self.changed_at) = (definition, new_etag(), now);
        for (key, item) in self.items.clone() {
            let value = item.parse();
            let written = value["_ts"].as_i64().unwrap_or(now);
            let expires_at = ttl::expires_at(&value, self.definition.default_ttl, written)?;
            self.set(&key, Some((Arc::new(Item { expires_at, ..(*item).clone() }), &value)));
        }
        Ok(())
    }

    /// The id of the item with this resource id.
    pub(in crate::cosmos) fn id_of_resource(&mut self, resource_id: &str) -> Option<String> {
        let (database, container) = self.numbers;
        if !resource_id::is_item_of(resource_id, database, container) {
            return None;
        }
        let wanted = Bound::Included(Value::from(resource_id));
        let conditions = [Condition { path: vec!["_rid".to_owned()], ranges: vec![(wanted.clone(), wanted)] }];
        let mut found = self.candidates(&conditions, partition_key::ALL, None);
        let item = found.find(|candidate| candidate.value["_rid"] == resource_id)?;
        Some(item.key.id.to_string())
    }

    /// The index of the partition that holds a partition key.
    pub(in crate::cosmos) fn partition_of(&self, epk: Epk) -> usize {
        self.partitions.partition_point(|partition| partition.range.1 <= epk)
    }

    /// Removes what has expired.
    pub(in crate::cosmos) fn expire(&mut self, now: i64) {
        while let Some((_, key)) = self.expiry.first().filter(|(at, _)| *at <= now).cloned() {
            self.set(&key, None);
        }
    }

    pub(in crate::cosmos) fn next_ordinal(&mut self) -> u64 {
        self.created += 1;
        self.created
    }

    pub(in crate::cosmos) fn get(&self, key: &ItemKey) -> Option<&Arc<Item>> {
        self.items.get(key)
    }

    /// Puts an item (and its parsed body) in a place, or empties it; returns what was there.
    pub(in crate::cosmos) fn set(&mut self, key: &ItemKey, item: Option<(Arc<Item>, &Value)>) -> Option<Arc<Item>> {
        for (path, index) in &mut self.indexes {
            index.set(key, item.as_ref().and_then(|(_, value)| at(value, path)));
        }
        let expires_at = item.as_ref().and_then(|(item, _)| item.expires_at);
        let old = match item {
            Some((item, _)) => self.items.insert(key.clone(), item),
            None => self.items.remove(key),
        };
        if let Some(at) = old.as_ref().and_then(|old| old.expires_at) {
            self.expiry.remove(&(at, key.clone()));
        }
        if let Some(at) = expires_at {
            self.expiry.insert((at, key.clone()));
        }
        old
    }

    /// The items of a range in the order of their keys, after one of them.
    pub(in crate::cosmos) fn scan(
        &self,
        range: EpkRange,
        after: Option<&ItemKey>,
    ) -> impl Iterator<Item = Candidate> + use<'_> {
        self.stored(range, after).map(|(key, item)| candidate(key, item))
    }

    fn stored(
        &self,
        range: EpkRange,
        after: Option<&ItemKey>,
    ) -> impl Iterator<Item = (&ItemKey, &Arc<Item>)> + use<'_> {
        let place = |epk| ItemKey { epk, id: "".into() };
        let (start, end) = (place(range.0), place(range.1));
        let start = match after {
            Some(after) if *after >= start => Bound::Excluded(after.clone()),
            _ => Bound::Included(start),
        };
        let is_empty = matches!(&start, Bound::Included(key) | Bound::Excluded(key) if *key >= end);
        (!is_empty).then(|| self.items.range((start, Bound::Excluded(end)))).into_iter().flatten()
    }

    /// The items of a range that may meet all conditions, in the order of their keys. Reads what the most selective
    /// condition selects, or the range if that is less.
    pub(in crate::cosmos) fn candidates<'a>(
        &'a mut self,
        conditions: &'a [Condition],
        range: EpkRange,
        after: Option<&ItemKey>,
    ) -> Box<dyn Iterator<Item = Candidate> + 'a> {
        for condition in conditions {
            self.index(&condition.path);
        }
        let Some(index) = self.most_selective(conditions, range, after) else {
            return Box::new(self.scan(range, after));
        };
        let is_wanted = |key: &&ItemKey| range.0 <= key.epk && key.epk < range.1 && after.is_none_or(|it| *key > it);
        let keys: BTreeSet<ItemKey> = index.filter(is_wanted).cloned().collect();
        Box::new(keys.into_iter().filter_map(|key| Some(candidate(&key, self.items.get(&key)?))))
    }

    /// What the index selects that selects fewer items than all others and than the range. All are read step by step
    /// together, so that finding out costs no more than reading the smallest.
    fn most_selective<'a>(
        &'a self,
        conditions: &'a [Condition],
        range: EpkRange,
        after: Option<&ItemKey>,
    ) -> Option<impl Iterator<Item = &'a ItemKey>> {
        let indexed = |condition: &'a Condition| Some((self.indexes.get(&condition.path)?, &condition.ranges));
        let indexed: Vec<_> = conditions.iter().filter_map(indexed).collect();
        let mut selections: Vec<_> = indexed.iter().map(|(index, ranges)| index.within(ranges)).collect();
        let mut all = self.stored(range, after);
        loop {
            all.next()?;
            if let Some(smallest) = selections.iter_mut().position(|keys| keys.next().is_none()) {
                let (index, ranges) = indexed[smallest];
                return Some(index.within(ranges));
            }
        }
    }

    /// Builds the index over a path if there is none.
    fn index(&mut self, path: &[String]) {
        if self.indexes.contains_key(path) || self.indexes.len() >= MOST_INDEXES {
            return;
        }
        let mut index = Index::default();
        for (key, item) in &self.items {
            index.set(key, at(&item.parse(), path));
        }
        self.indexes.insert(path.to_vec(), index);
    }
}

impl Item {
    pub(in crate::cosmos) fn parse(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn candidate(key: &ItemKey, item: &Item) -> Candidate {
    Candidate { key: key.clone(), ordinal: item.ordinal, value: item.parse() }
}

fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}
