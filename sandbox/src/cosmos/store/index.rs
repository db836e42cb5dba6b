//! An ordered index over the values that items have at one path.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde_json::Value;

use super::ItemKey;
use crate::cosmos::query::{KeyRange, order};

/// Items by the value at a path. Arrays and objects are not indexed.
#[derive(Default)]
pub(super) struct Index {
    by_value: BTreeMap<Key, Items>,
    values: BTreeMap<ItemKey, Key>,
}

/// A value in the order of `ORDER BY`.
#[derive(Clone, Debug)]
struct Key(Value);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        order(Some(&self.0), Some(&other.0))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

/// The items with one value. Most values of most paths belong to one item, for which a set would be large.
enum Items {
    One(ItemKey),
    Several(BTreeSet<ItemKey>),
}

impl Items {
    fn add(&mut self, item: &ItemKey) {
        match self {
            Self::Several(items) => {
                items.insert(item.clone());
            }
            Self::One(other) => *self = Self::Several(BTreeSet::from([other.clone(), item.clone()])),
        }
    }

    /// Returns whether an item is left.
    fn remove(&mut self, item: &ItemKey) -> bool {
        match self {
            Self::Several(items) => {
                items.remove(item);
                !items.is_empty()
            }
            Self::One(other) => other != item,
        }
    }

    fn iter(&self) -> impl Iterator<Item = &ItemKey> {
        let (one, several) = match self {
            Self::One(item) => (Some(item), None),
            Self::Several(items) => (None, Some(items)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

impl Index {
    /// Enters an item with its value, or takes it out if it has none.
    pub(super) fn set(&mut self, item: &ItemKey, value: Option<&Value>) {
        let key = value.filter(|value| !value.is_array() && !value.is_object()).map(|value| Key(value.clone()));
        if self.values.get(item) == key.as_ref() {
            return;
        }
        if let Some(old) = self.values.remove(item)
            && let Some(items) = self.by_value.get_mut(&old)
            && !items.remove(item)
        {
            self.by_value.remove(&old);
        }
        if let Some(key) = key {
            let items = self.by_value.entry(key.clone());
            items.and_modify(|items| items.add(item)).or_insert_with(|| Items::One(item.clone()));
            self.values.insert(item.clone(), key);
        }
    }

    /// The items whose value lies in one of the ranges. Bounds are inclusive: the filter is checked again anyway.
    pub(super) fn within<'a>(&'a self, ranges: &'a [KeyRange]) -> impl Iterator<Item = &'a ItemKey> {
        let bounds = ranges.iter().filter_map(bounds);
        bounds.flat_map(|bounds| self.by_value.range(bounds)).flat_map(|(_, items)| items.iter())
    }
}

/// A range holds values of one type only: that of its bounds.
fn bounds((low, high): &KeyRange) -> Option<(Bound<Key>, Bound<Key>)> {
    let value = |bound: &Bound<Value>| match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value.clone()),
        Bound::Unbounded => None,
    };
    let (low, high) = match (value(low), value(high)) {
        (Some(low), Some(high)) => (low, Bound::Included(Key(high))),
        (Some(low), None) => {
            let high = highest(&low);
            (low, high)
        }
        (None, Some(high)) => (lowest(&high), Bound::Included(Key(high))),
        (None, None) => return None,
    };
    let low = Key(low);
    let is_empty = matches!(&high, Bound::Included(high) | Bound::Excluded(high) if *high < low);
    (!is_empty).then_some((Bound::Included(low), high))
}

fn lowest(value: &Value) -> Value {
    match value {
        Value::Bool(_) => false.into(),
        Value::Number(_) => f64::MIN.into(),
        Value::String(_) => "".into(),
        other => other.clone(),
    }
}

fn highest(value: &Value) -> Bound<Key> {
    match value {
        Value::Bool(_) => Bound::Included(Key(true.into())),
        Value::Number(_) => Bound::Excluded(Key("".into())),
        // Strings are the last type that is indexed.
        Value::String(_) => Bound::Unbounded,
        other => Bound::Included(Key(other.clone())),
    }
}
