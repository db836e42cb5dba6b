//! Operations on one item.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::Value;

use super::charges;
use super::headers::{IF_MATCH, IF_NONE_MATCH, text};
use super::partition_key::{self, PartitionKey};
use super::patch::Patch;
use super::reply::{ServiceError, ServiceResult};
use super::resource_id;
use super::store::{Container, Item, ItemKey, new_etag};
use super::ttl;

/// The largest item, in bytes of JSON.
const LARGEST_ITEM: usize = 2 * 1024 * 1024;

/// Longest id, in characters.
const LONGEST_ID: usize = 255;

/// What is done to an item.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Create(Value),
    Upsert(Value),
    Replace(String, Value),
    Patch(String, Patch),
    Read(String),
    Delete(String),
}

/// Versions that an operation depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct Preconditions {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
}

/// What came of an operation.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) charge: f64,
    pub(super) etag: String,
    /// The item as it was read or written.
    pub(super) body: Option<Bytes>,
    /// The item that was written.
    pub(super) written: Option<Value>,
    /// What was at the place before, if it was written to.
    pub(super) undo: Option<(ItemKey, Option<Arc<Item>>)>,
}

impl Operation {
    /// The operation by the names of [`super::Usage::requests`].
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Upsert(_) => "upsert",
            Self::Replace(..) => "replace",
            Self::Patch(..) => "patch",
            Self::Read(_) => "read",
            Self::Delete(_) => "delete",
        }
    }

    /// The item's id.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Create(body) | Self::Upsert(body) => body.get("id").and_then(Value::as_str),
            Self::Replace(id, _) | Self::Patch(id, _) | Self::Read(id) | Self::Delete(id) => Some(id),
        }
    }
}

impl Preconditions {
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let header = |name| text(headers, name).map(str::to_owned);
        Self { if_match: header(IF_MATCH), if_none_match: header(IF_NONE_MATCH) }
    }

    /// Checks the version before a write.
    fn check(&self, item: &Item) -> ServiceResult<()> {
        let matches = |wanted: &String| wanted == "*" || *wanted == item.etag;
        let is_met = self.if_match.as_ref().is_none_or(matches) && !self.if_none_match.as_ref().is_some_and(matches);
        if is_met { Ok(()) } else { Err(ServiceError::precondition_failed()) }
    }

    /// Whether the caller of a read has this version already.
    fn is_unchanged(&self, item: &Item) -> bool {
        self.if_none_match.as_ref().is_some_and(|etag| etag == "*" || *etag == item.etag)
    }
}

impl Container {
    /// Carries out one operation on the logical partition of `key` (for items, if absent, that of the item itself).
    pub(super) fn execute(
        &mut self,
        operation: Operation,
        key: &PartitionKey,
        conditions: &Preconditions,
        now: i64,
    ) -> ServiceResult<Outcome> {
        let epk = partition_key::effective(key);
        let place = |id: &str| ItemKey { epk, id: id.into() };
        match operation {
            Operation::Read(id) => self.read(&place(&id), conditions),
            Operation::Delete(id) => self.delete(&place(&id), conditions),
            Operation::Create(body) => {
                let place = place(&self.check_item(&body, key)?);
                if self.get(&place).is_some() { Err(ServiceError::conflict()) } else { self.write(place, body, now) }
            }
            Operation::Upsert(body) => {
                let place = place(&self.check_item(&body, key)?);
                self.get(&place).map_or(Ok(()), |item| conditions.check(item))?;
                self.write(place, body, now)
            }
            Operation::Replace(id, body) => {
                let own_id = self.check_item(&body, key)?;
                conditions.check(self.get(&place(&id)).ok_or_else(ServiceError::not_found)?)?;
                if own_id != id {
                    return Err(ServiceError::bad_request("The id of an item cannot be changed."));
                }
                self.write(place(&id), body, now)
            }
            Operation::Patch(id, patch) => {
                let place = place(&id);
                let item = self.get(&place).ok_or_else(ServiceError::not_found)?;
                conditions.check(item)?;
                let body = patch.apply(item.parse(), &self.definition.partition_key)?;
                self.write(place, body, now)
            }
        }
    }

    fn read(&self, place: &ItemKey, conditions: &Preconditions) -> ServiceResult<Outcome> {
        let item = self.get(place).ok_or_else(ServiceError::not_found)?;
        let is_unchanged = conditions.is_unchanged(item);
        Ok(Outcome {
            status: if is_unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK },
            charge: charges::read(item.body.len()),
            etag: item.etag.clone(),
            body: (!is_unchanged).then(|| item.body.clone()),
            written: None,
            undo: None,
        })
    }

    fn delete(&mut self, place: &ItemKey, conditions: &Preconditions) -> ServiceResult<Outcome> {
        let item = self.get(place).ok_or_else(ServiceError::not_found)?;
        conditions.check(item)?;
        let (charge, etag) = (charges::write(item.body.len()), item.etag.clone());
        let undo = Some((place.clone(), self.set(place, None)));
        Ok(Outcome { status: StatusCode::NO_CONTENT, charge, etag, body: None, written: None, undo })
    }

    /// The id of an item that may be written to this logical partition.
    fn check_item(&self, item: &Value, key: &PartitionKey) -> ServiceResult<String> {
        if !item.is_object() {
            return Err(ServiceError::bad_request("The request payload is invalid. Ensure to provide a JSON object."));
        }
        let Some(id) = item.get("id").and_then(Value::as_str) else {
            let message = "The input content is invalid because the required properties - 'id; ' - are missing.";
            return Err(ServiceError::bad_request(message));
        };
        check_id(id)?;
        let own = partition_key::of_item(item, &self.definition.partition_key)?;
        if partition_key::effective(&own) != partition_key::effective(key) {
            let message = "PartitionKey extracted from document doesn't match the one specified in the header.";
            return Err(ServiceError::bad_request(message).with_sub_status(1001));
        }
        Ok(id.to_owned())
    }

    fn write(&mut self, place: ItemKey, mut body: Value, now: i64) -> ServiceResult<Outcome> {
        without_fractions(&mut body);
        let expires_at = ttl::expires_at(&body, self.definition.default_ttl, now)?;
        let old = self.get(&place).map(|item| item.ordinal);
        let (status, ordinal) = match old {
            Some(ordinal) => (StatusCode::OK, ordinal),
            None => (StatusCode::CREATED, self.next_ordinal()),
        };
        let etag = new_etag();
        self.stamp(&mut body, ordinal, &etag, now);
        let text = Bytes::from(body.to_string());
        if text.len() > LARGEST_ITEM {
            return Err(ServiceError::too_large());
        }
        let item = Item { body: text.clone(), etag: etag.clone(), ordinal, expires_at };
        let before = self.set(&place, Some((Arc::new(item), &body)));
        let charge = charges::write(text.len());
        Ok(Outcome { status, charge, etag, body: Some(text), written: Some(body), undo: Some((place, before)) })
    }

    /// Adds the system properties.
    fn stamp(&self, body: &mut Value, ordinal: u64, etag: &str, now: i64) {
        let (database, container) = self.numbers;
        let id = resource_id::item(database, container, ordinal);
        body["_self"] = format!("{}docs/{id}/", self.self_link()).into();
        body["_rid"] = id.into();
        body["_etag"] = etag.into();
        body["_attachments"] = "attachments/".into();
        body["_ts"] = now.into();
    }

    pub(super) fn self_link(&self) -> String {
        format!("dbs/{}/colls/{}/", resource_id::database(self.numbers.0), self.resource_id())
    }

    /// Takes back what an operation wrote.
    pub(super) fn undo(&mut self, place: &ItemKey, before: Option<Arc<Item>>) {
        let value = before.as_ref().map(|item| item.parse());
        self.set(place, before.zip(value.as_ref()));
    }
}

/// Numbers are stored as JavaScript has them: 3.0 is 3.
fn without_fractions(value: &mut Value) {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Array(list) => list.iter_mut().for_each(without_fractions),
        Value::Object(fields) => fields.values_mut().for_each(without_fractions),
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
            if let Some(float) = float.filter(|float| float.abs() <= LARGEST_EXACT) {
                #[allow(clippy::cast_possible_truncation, reason = "the number is an integer that fits")]
                let integer = float as i64;
                *value = integer.into();
            }
        }
        _ => {}
    }
}

/// Ids must not be empty, too long, or contain `/`, `\`, `?` or `#`.
pub(super) fn check_id(id: &str) -> ServiceResult<()> {
    if id.is_empty() {
        return Err(ServiceError::bad_request("The resource id must not be empty."));
    }
    if id.chars().count() > LONGEST_ID {
        return Err(ServiceError::bad_request(format!("The resource id is longer than {LONGEST_ID} characters.")));
    }
    match id.chars().find(|char| ['/', '\\', '?', '#'].contains(char)) {
        Some(char) => Err(ServiceError::bad_request(format!("The resource id contains the character '{char}'."))),
        None => Ok(()),
    }
}
