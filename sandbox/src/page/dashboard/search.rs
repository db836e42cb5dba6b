//! Searches the events for the list of the page.

use serde::{Deserialize, Serialize};

use super::{Dashboard, LISTED};
use crate::page::event_timeline::{EventTimeline, Row};

/// Which events are shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::page) struct EventFilter {
    #[serde(default)]
    show: Show,
    /// A part of the customer's name, the place or the transaction id.
    #[serde(default)]
    text: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Show {
    #[default]
    All,
    /// Events that do not have a final state.
    Open,
    /// Events with errors.
    Problems,
}

/// The newest events that match, oldest first.
#[derive(Serialize)]
pub(in crate::page) struct FoundEvents<'a> {
    /// The number of all events that match.
    total: usize,
    events: Vec<Row<'a>>,
}

impl Dashboard {
    /// The newest events that match a filter.
    pub(in crate::page) fn search(&self, filter: &EventFilter) -> FoundEvents<'_> {
        let text = filter.text.trim().to_lowercase();
        let matches = |event: &&EventTimeline| filter.show.includes(event) && event.contains(&text);
        let mut found = self.events.iter().rev().filter(matches);
        let mut events: Vec<_> = found.by_ref().take(LISTED).map(|event| event.row(self.enabled)).collect();
        events.reverse();
        FoundEvents { total: events.len() + found.count(), events }
    }
}

impl Show {
    fn includes(self, event: &EventTimeline) -> bool {
        match (self, event.status()) {
            (Self::All, _) | (Self::Open, None) => true,
            (Self::Open, Some(status)) => ["new", "processing", "retrying"].contains(&status),
            (Self::Problems, status) => status.is_some_and(|status| ["retrying", "failed"].contains(&status)),
        }
    }
}
