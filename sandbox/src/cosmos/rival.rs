//! Somebody else who writes to the same container: another instance, or a person with the Data Explorer.

use std::io;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Account;
use super::journal::{Item, PARTITION_KEY};

/// Writes items anew without changing them: their versions are others afterwards.
#[derive(Clone)]
pub struct Rival(Arc<Account>);

impl Rival {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self(account)
    }

    /// Rewrites one of the items that batches named lately, `choice` deciding which; says whether it did. Only items
    /// with a `status` are rewritten: all others have one writer at a time by design.
    ///
    /// # Errors
    ///
    /// When the in-memory account breaks down.
    pub async fn rewrite_some(&self, choice: u64) -> io::Result<bool> {
        let Some(item) = self.0.journal().recent(choice) else { return Ok(false) };
        self.rewrite(&item).await
    }

    async fn rewrite(&self, item: &Item) -> io::Result<bool> {
        let id = utf8_percent_encode(&item.id, NON_ALPHANUMERIC);
        let path = format!("{}docs/{id}", self.0.container_path());
        let Some(mut document) = self.0.stored(&path, &item.partition_key).await else { return Ok(false) };
        let (Some(_), Some(etag)) = (document.get("status"), document["_etag"].as_str()) else { return Ok(false) };
        let mut headers = HeaderMap::new();
        for (name, value) in [(PARTITION_KEY, item.partition_key.as_str()), ("if-match", etag)] {
            headers.insert(name, HeaderValue::from_str(value).map_err(io::Error::other)?);
        }
        if let Value::Object(fields) = &mut document {
            fields.retain(|name, _| !name.starts_with('_'));
        }
        let body = Bytes::from(document.to_string());
        let (status, _, _) = self.0.execute("PUT", &path, &headers, body).await?;
        Ok(status == StatusCode::OK)
    }
}
