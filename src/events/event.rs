//! An event as the event framework of the Commerce Scale Unit stores it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::EventId;
use super::id::parse_timestamp;
use crate::json::{JsonError, RawObject, read_json};

/// One row of the event store. The field names are those of the CSU (`CommerceEventEntity` of the CSU extension).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommerceEvent {
    /// Id of the cart. The order keeps it, so the `AddCartLines` and the `Checkout` of one cart share it.
    #[serde(rename = "EventTransactionId", deserialize_with = "text")]
    pub transaction_id: String,
    /// When it happened, as the CSU wrote it. Rows can become visible in another order.
    #[serde(rename = "EventDateTime", deserialize_with = "text")]
    pub date_time: String,
    /// `Checkout`, `AddCartLines`, or another type that a retailer's extension records.
    #[serde(rename = "EventType", deserialize_with = "text")]
    pub event_type: String,
    /// The legal entity.
    #[serde(rename = "EventDataAreaId", default, deserialize_with = "text")]
    pub data_area_id: String,
    /// What the extension stored. The CSU cuts it to 64 characters, so it may be invalid JSON.
    #[serde(rename = "EventData", default, deserialize_with = "text_of_any")]
    pub data: String,
    /// The channel's record id. A number in the CSU's response. Text here, because it is the container's partition key.
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
    /// Passed through unchanged.
    #[serde(rename = "ExtensionProperties", default)]
    pub extension_properties: Value,
}

/// The partition of events without a channel.
const UNKNOWN_CHANNEL: &str = "unknown";

/// Maximum length of all key fields together, in bytes. Partition keys of Cosmos DB have up to 2 KB.
const LONGEST_KEY: usize = 1_024;

/// Why a row of the event store cannot be processed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedEvent {
    /// It does not have the shape of an event.
    #[error("not an event: {0}")]
    Shape(String),
    /// A key field is missing or unreadable.
    #[error("the field {0} is empty or unreadable")]
    Key(&'static str),
    /// The key fields are longer than any real ones.
    #[error("the key fields are longer than {LONGEST_KEY} bytes together")]
    LongKey,
}

impl CommerceEvent {
    /// The placeholder for a row that cannot be read. Its key fields are empty, so [`CommerceEvent::validate`] fails.
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

    /// Reads a row. Data that is an object instead of its text keeps all digits.
    pub fn of_row(row: &RawValue) -> Result<Self, JsonError> {
        let mut event: Self = read_json(row.get().as_bytes())?;
        let fields = if event.data.starts_with(['{', '[']) { RawObject::split(row) } else { None };
        if let Some(data) = fields.as_ref().and_then(|fields| fields.get("EventData"))
            && data.get().starts_with(['{', '['])
        {
            data.get().clone_into(&mut event.data);
        }
        Ok(event)
    }

    /// Only the key fields, for an event that is too large for its record. Key fields that are too long are left out too.
    pub(super) fn key_only(&self) -> Self {
        if self.key_bytes() > LONGEST_KEY {
            return Self::unreadable();
        }
        Self {
            transaction_id: self.transaction_id.clone(),
            date_time: self.date_time.clone(),
            event_type: self.event_type.clone(),
            data_area_id: self.data_area_id.clone(),
            channel_id: self.channel_id.clone(),
            ..Self::unreadable()
        }
    }

    fn key_bytes(&self) -> usize {
        let key = [&self.transaction_id, &self.date_time, &self.event_type, &self.data_area_id, &self.channel_id];
        key.into_iter().map(String::len).sum()
    }

    /// Sets a default partition if the event has no channel.
    pub fn with_default_partition(mut self) -> Self {
        if self.channel_id.is_empty() {
            UNKNOWN_CHANNEL.clone_into(&mut self.channel_id);
        }
        self
    }

    /// The id of this event's record.
    pub fn id(&self) -> EventId {
        EventId::new(&self.transaction_id, &self.event_type, &self.date_time, &self.data_area_id)
    }

    /// When it happened, if the CSU's text is readable.
    pub fn occurred_at(&self) -> Option<DateTime<Utc>> {
        parse_timestamp(&self.date_time)
    }

    /// The application properties of every message of this event.
    pub(super) fn properties(&self) -> Vec<(&'static str, String)> {
        vec![
            ("EventType", self.event_type.clone()),
            ("EventChannelId", self.channel_id.clone()),
            ("EventDataAreaId", self.data_area_id.clone()),
        ]
    }

    /// Checks that the required fields are present and not too long.
    pub fn validate(&self) -> Result<(), MalformedEvent> {
        if self.key_bytes() > LONGEST_KEY {
            return Err(MalformedEvent::LongKey);
        }
        let required = [
            ("EventTransactionId", &self.transaction_id),
            ("EventType", &self.event_type),
            ("EventChannelId", &self.channel_id),
        ];
        if let Some((name, _)) = required.into_iter().find(|(_, value)| value.is_empty()) {
            return Err(MalformedEvent::Key(name));
        }
        self.occurred_at().map(drop).ok_or(MalformedEvent::Key("EventDateTime"))
    }
}

/// The CSU writes ids as text or as numbers, and absent text as `null`.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        other => Err(serde::de::Error::custom(format_args!("expected text, found {}", kind(&other)))),
    }
}

/// Text, or any other JSON value as its text.
fn text_of_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
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
        assert_eq!(event.validate(), Ok(()));
    }

    #[test]
    fn data_may_be_an_object_and_keeps_its_digits() {
        let read = |data: &str| {
            let row = format!(
                r#"{{"EventTransactionId":"T","EventDateTime":"2024-07-24T14:17:02Z","EventType":"T","EventData":{data}}}"#
            );
            CommerceEvent::of_row(&RawValue::from_string(row).unwrap()).unwrap().data
        };
        for (data, expected) in [
            (r#"{"Refund":184.2200000000000000}"#, r#"{"Refund":184.2200000000000000}"#),
            (r#"["1"]"#, r#"["1"]"#),
            (r#""{\"a\":1.0}""#, r#"{"a":1.0}"#),
            ("null", ""),
            ("true", "true"),
        ] {
            assert_eq!(read(data), expected);
        }
    }

    #[test]
    fn an_error_contains_the_malformed_field() {
        let row = r#"{"EventTransactionId":"T","EventDateTime":"soon","EventType":"Checkout","EventChannelId":1}"#;
        let event: CommerceEvent = serde_json::from_str(row).unwrap();
        assert_eq!(event.validate(), Err(MalformedEvent::Key("EventDateTime")));
    }
}
