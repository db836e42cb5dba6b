//! What the page keeps of an event's record in Cosmos DB.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::event_timeline::Retry;
use crate::audit::Journey;

/// The fields whose changes the page shows.
const RELEVANT: [&str; 9] =
    ["status", "retryCount", "publications", "reason", "journeys", "contactId", "publishedAt", "due", "scheduledFor"];

/// A record as it was last written. Most of it is only shown on request, so it is kept as text, which needs less memory.
pub(super) struct Record {
    text: Box<str>,
    pub(super) status: String,
    /// The code of the last error.
    pub(super) reason: Option<String>,
    /// When a journey that waits is due.
    pub(super) scheduled_for: Option<DateTime<Utc>>,
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
            scheduled_for: item["scheduledFor"].as_str().and_then(|at| at.parse().ok()),
            journeys: journeys.filter_map(|(name, its)| Some((name.clone(), state(its)?))).collect(),
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

    /// Whether the reason or a journey's state contains a text, which is in lower case.
    pub(super) fn has_word(&self, text: &str) -> bool {
        let reason = self.reason.as_deref().is_some_and(|reason| reason.to_lowercase().contains(text));
        reason || self.journeys.iter().any(|(name, state)| name.contains(text) || state.to_lowercase().contains(text))
    }

    /// When the poller publishes the event again. `None` if its message is scheduled instead.
    pub(super) fn retry_by_poller(&self) -> Option<Retry> {
        let item = self.item();
        let is_published = item["publications"].as_u64().is_some_and(|publications| publications > 0);
        let at = item["due"].as_str().filter(|_| !is_published)?.parse().ok()?;
        let attempt = item["retryCount"].as_u64().and_then(|count| u32::try_from(count).ok());
        Some(Retry { at, attempt: attempt.map(|count| count + 1) })
    }

    /// The recorded state of a journey.
    pub(super) fn state_of(&self, journey: Journey) -> Option<&str> {
        self.journeys.iter().find(|(name, _)| name == journey.name()).map(|(_, state)| state.as_str())
    }
}

/// The state of a journey. One that is held has failed, but only a person can decide about it.
fn state(outcome: &Value) -> Option<String> {
    let is_held = outcome["state"] == "failed" && outcome["reason"]["code"] == "held";
    if is_held { Some("held".to_owned()) } else { outcome["state"].as_str().map(str::to_owned) }
}
