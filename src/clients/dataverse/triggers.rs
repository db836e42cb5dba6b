//! Which custom triggers are published. Each is a custom API with its name: Microsoft Learn, "CustomAPI table reference".

use std::collections::BTreeSet;

use reqwest::Method;
use serde::Deserialize;

use super::response::expect;
use super::{Dataverse, DataverseError};
use crate::json::{JsonError, read_json};

#[derive(Deserialize)]
struct Found {
    value: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    uniquename: String,
}

impl Dataverse {
    /// Those of these custom triggers that exist, in one request.
    pub async fn published_triggers(&self, names: &[&str]) -> Result<BTreeSet<String>, DataverseError> {
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let conditions: Vec<String> = names.iter().map(|name| format!("uniquename eq '{name}'")).collect();
        let filter = conditions.join(" or ");
        let query = [("$select", "uniquename"), ("$filter", &filter)];
        let reply = self.call(Method::GET, "customapis", |request| request.query(&query)).await?;
        let unreadable = |error: JsonError| DataverseError::Unavailable {
            cause: format!("the list of custom APIs cannot be read: {error}"),
            retry_after: None,
        };
        let Found { value } = read_json(&expect(reply, "custom API table")?).map_err(unreadable)?;
        // The query ignores case, but the names of actions are case-sensitive.
        Ok(value.into_iter().map(|row| row.uniquename).filter(|name| names.contains(&name.as_str())).collect())
    }
}
