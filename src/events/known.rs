//! What is known of another event: its key, its state, and the outcomes of its journeys.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::id::parse_timestamp;
use super::{CommerceEvent, EventId, JourneyOutcome, Status};

/// An event that has a record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct KnownEvent {
    /// The id of its record.
    pub id: EventId,
    /// Its type.
    #[serde(rename = "EventType")]
    pub event_type: String,
    /// Its transaction.
    #[serde(rename = "EventTransactionId")]
    pub transaction_id: String,
    /// The legal entity.
    #[serde(rename = "EventDataAreaId", default)]
    pub data_area_id: String,
    #[serde(rename = "EventDateTime")]
    date_time: String,
    /// The status of its record.
    pub status: Status,
    /// The outcomes of its journeys.
    #[serde(default)]
    pub journeys: BTreeMap<String, JourneyOutcome>,
}

impl KnownEvent {
    /// An event whose record is not known yet.
    pub fn new(event: &CommerceEvent) -> Self {
        Self {
            id: event.id(),
            event_type: event.event_type.clone(),
            transaction_id: event.transaction_id.clone(),
            data_area_id: event.data_area_id.clone(),
            date_time: event.date_time.clone(),
            status: Status::New,
            journeys: BTreeMap::new(),
        }
    }

    /// When it happened, if that is readable.
    pub fn occurred_at(&self) -> Option<DateTime<Utc>> {
        parse_timestamp(&self.date_time)
    }

    /// Whether it happened later. Events of the same time are ordered by their ids.
    pub fn is_later_than(&self, other: &Self) -> bool {
        (self.occurred_at(), &self.id) > (other.occurred_at(), &other.id)
    }
}
