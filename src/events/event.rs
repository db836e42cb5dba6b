//! An event as the event framework of the Commerce Scale Unit stores it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::EventId;
use super::id::parse_moment;

/// One row of the event store, field names as the CSU has them (`CommerceEventEntity` of the CSU extension).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommerceEvent {
    /// The cart's id, which the order keeps: an `AddCartLines` and the `Checkout` of one cart share it.
    #[serde(rename = "EventTransactionId", deserialize_with = "text")]
    pub transaction_id: String,
    /// When it happened, by the CSU's clock and as the CSU wrote it. Rows can become visible out of this order.
    #[serde(rename = "EventDateTime", deserialize_with = "text")]
    pub date_time: String,
    /// `Checkout`, `AddCartLines`, or whatever else a retailer's extension records.
    #[serde(rename = "EventType", deserialize_with = "text")]
    pub event_type: String,
    /// The legal entity.
    #[serde(rename = "EventDataAreaId", default, deserialize_with = "text")]
    pub data_area_id: String,
    /// Whatever the extension stored, cut to 64 characters: not to be trusted to be JSON.
    #[serde(rename = "EventData", default, deserialize_with = "text")]
    pub data: String,
    /// The channel's record id. A number in the CSU's reply; text here, because it is the container's partition key.
    #[serde(rename = "EventChannelId", default, deserialize_with = "text")]
    pub channel_id: String,
    /// The register.
    #[serde(rename = "EventTerminalId", default, deserialize_with = "text")]
    pub terminal_id: String,
    /// The worker.
    #[serde(rename = "EventStaffId", default, deserialize_with = "text")]
    pub staff_id: String,
    /// The customer's account number; empty for guests.
    #[serde(rename = "EventCustomerId", default, deserialize_with = "text")]
    pub customer_id: String,
    /// Passed through.
    #[serde(rename = "ExtensionProperties", default)]
    pub extension_properties: Value,
}

/// The partition of events without channel.
const UNKNOWN_CHANNEL: &str = "unknown";

/// Why an entry of the event store is not an event that can be worked on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// It has not the shape of an event.
    #[error("not an event: {0}")]
    Shape(String),
    /// A field of its key is missing or unreadable.
    #[error("the field {0} is empty or unreadable")]
    Key(&'static str),
}

impl CommerceEvent {
    /// Stands for an entry of the event store that cannot be read: its key fields are empty, so that it never passes
    /// [`CommerceEvent::check`].
    pub(super) fn unreadable() -> Self {
        let empty = String::new;
        Self {
            transaction_id: empty(),
            date_time: empty(),
            event_type: empty(),
            data_area_id: empty(),
            data: empty(),
            channel_id: UNKNOWN_CHANNEL.to_owned(),
            terminal_id: empty(),
            staff_id: empty(),
            customer_id: empty(),
            extension_properties: Value::Null,
        }
    }

    /// Gives an event without channel a partition to be recorded in.
    pub fn in_some_partition(mut self) -> Self {
        if self.channel_id.is_empty() {
            UNKNOWN_CHANNEL.clone_into(&mut self.channel_id);
        }
        self
    }

    /// The id of this event's record.
    pub fn id(&self) -> EventId {
        EventId::new(&self.transaction_id, &self.event_type, &self.date_time, &self.data_area_id)
    }

    /// When it happened, if the CSU's text can be read.
    pub fn moment(&self) -> Option<DateTime<Utc>> {
        parse_moment(&self.date_time)
    }

    /// Whether the fields without which nothing can be done are there.
    pub fn check(&self) -> Result<(), MalformedEvent> {
        let required = [
            ("EventTransactionId", &self.transaction_id),
            ("EventType", &self.event_type),
            ("EventChannelId", &self.channel_id),
        ];
        if let Some((name, _)) = required.into_iter().find(|(_, value)| value.is_empty()) {
            return Err(MalformedEvent::Key(name));
        }
        self.moment().map(drop).ok_or(MalformedEvent::Key("EventDateTime"))
    }
}

/// Ids come as text or as numbers, and absent text as `null`.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        other => Err(serde::de::Error::custom(format_args!("expected text, found {}", kind(&other)))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "an object",
        Value::Array(_) => "an array",
        _ => "a boolean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_row_as_the_csu_writes_it() {
        let row = r#"{"EventTransactionId":"HOUSTON-17-1","EventDateTime":"2024-07-24T14:17:02.16Z","EventType":"Checkout",
            "EventDataAreaId":"usrt","EventData":"{}","EventChannelId":5637144592,"EventTerminalId":"HOUSTON-17",
            "EventStaffId":"000168","EventCustomerId":null,"ExtensionProperties":[],"AddedInANewerCsu":1}"#;
        let event: CommerceEvent = serde_json::from_str(row).unwrap();
        assert_eq!(event.channel_id, "5637144592");
        assert_eq!(event.customer_id, "");
        assert_eq!(event.check(), Ok(()));
    }

    #[test]
    fn names_the_field_that_makes_it_useless() {
        let row = r#"{"EventTransactionId":"T","EventDateTime":"soon","EventType":"Checkout","EventChannelId":1}"#;
        let event: CommerceEvent = serde_json::from_str(row).unwrap();
        assert_eq!(event.check(), Err(MalformedEvent::Key("EventDateTime")));
    }
}
