//! What the page keeps of an event's record in Cosmos DB.

use serde_json::Value;

use crate::audit::Journey;

/// The fields whose changes the page shows.
const RELEVANT: [&str; 8] =
    ["status", "retryCount", "publications", "reason", "journeys", "contactId", "publishedAt", "due"];

/// A record as it was last written. Most of it is only shown on request, so it is kept as text, which needs less memory.
pub(super) struct Record {
    text: Box<str>,
    pub(super) status: String,
    /// The code of the last error.
    pub(super) reason: Option<String>,
    /// The journeys and their states.
    journeys: Vec<(String, String)>,
}

impl Record {
    pub(super) fn new(item: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let journeys = item["journeys"].as_object().into_iter().flatten();
        Self {
            text: item.to_string().into_boxed_str(),
            status: text(&item["status"]).unwrap_or_default(),
            reason: text(&item["reason"]["code"]),
            journeys: journeys.filter_map(|(name, its)| Some((name.clone(), text(&its["state"])?))).collect(),
        }
    }

    /// The whole item.
    pub(super) fn item(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Whether the item has changes that the page shows.
    pub(super) fn differs_from(&self, item: &Value) -> bool {
        let known = self.item();
        RELEVANT.iter().any(|field| known[*field] != item[*field])
    }

    /// The recorded state of a journey.
    pub(super) fn state_of(&self, journey: Journey) -> Option<&str> {
        self.journeys.iter().find(|(name, _)| name == journey.name()).map(|(_, state)| state.as_str())
    }
}
