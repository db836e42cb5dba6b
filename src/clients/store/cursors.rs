//! The cursors of event types that are not polled any more.

use azure_data_cosmos::Query;
use azure_data_cosmos::feed::FeedScope;
use serde::Deserialize;

use super::{CURSORS, Store, StoreError, cursor_id, partition};

#[derive(Deserialize)]
struct FoundCursor {
    id: String,
}

impl Store {
    /// The ids of the cursors of all types except these.
    pub async fn other_cursors(&self, event_types: &[String]) -> Result<Vec<String>, StoreError> {
        let query = Query::from("SELECT c.id FROM c");
        let found: Vec<FoundCursor> = self.query(query, FeedScope::partition(partition(CURSORS))).await?;
        let known: Vec<String> = event_types.iter().map(|event_type| cursor_id(event_type)).collect();
        Ok(found.into_iter().map(|cursor| cursor.id).filter(|id| !known.contains(id)).collect())
    }

    /// Deletes a cursor. It may be gone already.
    pub async fn delete_cursor(&self, id: &str) -> Result<(), StoreError> {
        self.delete(CURSORS, id, None).await
    }
}
