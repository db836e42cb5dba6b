//! Somebody else who writes to the same container: another instance, or a person with the Data Explorer.

use std::io;
use std::sync::Arc;

use super::account::Account;
use super::items::{Operation, Preconditions};
use super::partition_key;

/// Writes items again without changing them: their versions are different afterwards.
#[derive(Clone)]
pub struct ConcurrentWriter(Arc<Account>);

impl ConcurrentWriter {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self(account)
    }

    /// Rewrites one of the items that recent batches named, `choice` deciding which; returns whether it did. Only items
    /// with a `status` are rewritten: all others have one writer at a time by design.
    ///
    /// # Errors
    ///
    /// When the container is gone.
    pub async fn rewrite_some(&self, choice: u64) -> io::Result<bool> {
        let Some(place) = self.0.journal().recent(choice) else { return Ok(false) };
        self.0.in_container(|container, now| {
            let Some(mut document) = container.get(&place).map(|item| item.parse()) else { return Ok(false) };
            if document.get("status").is_none() {
                return Ok(false);
            }
            if let Some(fields) = document.as_object_mut() {
                fields.retain(|name, _| !name.starts_with('_'));
            }
            let key = partition_key::of_item(&document, &container.definition.partition_key)?;
            let replace = Operation::Replace(place.id.to_string(), document);
            container.execute(replace, &key, &Preconditions::default(), now).map(|_| true)
        })
    }
}
