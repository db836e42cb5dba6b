//! Where an event contains the key of its order or cart.

use jsonptr::PointerBuf;
use serde_json::value::RawValue;

use crate::events::CommerceEvent;
use crate::journeys::pointer::scalar;
use crate::json::value_at;

/// Where the key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderKey {
    /// `EventTransactionId`.
    TransactionId,
    /// At this JSON pointer in `EventData`. The empty pointer is `EventData` itself.
    EventData(PointerBuf),
}

/// Maximum length of a key, in bytes. Transaction ids have 44 characters.
const LONGEST_KEY: usize = 512;

/// Why an event has no key of an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no value.
    #[error(
        "EventData has no text or number at {0:?}, where eventTypes of journeys.json says that the key of the order is; the \
         Scale Unit's extension may have cut EventData after 64 characters"
    )]
    Missing(String),
    /// The value is longer than any key.
    #[error("the value at {0:?} of EventData is longer than {LONGEST_KEY} bytes, so it is not the key of an order")]
    TooLong(String),
}

impl OrderKey {
    /// Reads `transactionId` or a JSON pointer.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "transactionId" {
            return Ok(Self::TransactionId);
        }
        let pointer = PointerBuf::parse(text);
        pointer.map(Self::EventData).map_err(|error| {
            format!(
                "must be \"transactionId\" or a JSON pointer (RFC 6901) into EventData, such as \"/OrderId\": {error}"
            )
        })
    }

    pub(super) fn of(&self, event: &CommerceEvent) -> Result<String, KeyError> {
        let Self::EventData(pointer) = self else { return Ok(event.transaction_id.clone()) };
        let key = key_in(&event.data, pointer).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| KeyError::Missing(pointer.to_string()))?;
        if key.len() > LONGEST_KEY { Err(KeyError::TooLong(pointer.to_string())) } else { Ok(key) }
    }
}

/// The text or number at the pointer. Data that is not JSON is a text itself.
fn key_in(data: &str, pointer: &PointerBuf) -> Option<String> {
    let tokens: Vec<String> = pointer.tokens().map(|token| token.decoded().into_owned()).collect();
    let is_json = serde_json::from_str::<&RawValue>(data).is_ok();
    if tokens.is_empty() && !is_json {
        return Some(data.to_owned());
    }
    let value = value_at(data, &tokens)?;
    let is_key = value.get().starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit());
    if is_key { scalar(&value) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pointer: &str, data: &str) -> Option<String> {
        let row = serde_json::json!({"EventTransactionId": "T1", "EventDateTime": "2024-07-24T14:17:02Z",
            "EventType": "OrderShipped", "EventChannelId": 1, "EventData": data});
        let event: CommerceEvent = serde_json::from_value(row).unwrap();
        OrderKey::parse(pointer).unwrap().of(&event).ok()
    }

    #[test]
    fn a_key_is_the_transaction_id_or_a_text_or_number_of_the_data() {
        for (pointer, data, expected) in [
            ("transactionId", "{}", Some("T1")),
            ("/OrderId", r#"{"OrderId":"HOUSTON-17-1"}"#, Some("HOUSTON-17-1")),
            ("/OrderId", r#"{"OrderId":184}"#, Some("184")),
            ("/0/a~1b", r#"[{"a/b":" x "}]"#, Some("x")),
            ("", r#""HOUSTON-17-1""#, Some("HOUSTON-17-1")),
            ("", "HOUSTON-17-1", Some("HOUSTON-17-1")),
            ("/OrderId", "{}", None),
            ("/OrderId", "", None),
            ("", "  ", None),
            ("", "{}", None),
            ("/OrderId", r#"{"OrderId":null}"#, None),
            ("/OrderId", r#"{"OrderId":""}"#, None),
            ("/OrderId", r#"{"OrderId":["1"]}"#, None),
            ("/OrderId", r#"{"OrderId":true}"#, None),
        ] {
            assert_eq!(key(pointer, data).as_deref(), expected, "{pointer} of {data}");
        }
        assert_eq!(key("/a", &format!(r#"{{"a":"{}"}}"#, "x".repeat(600))), None);
    }

    #[test]
    fn a_key_is_found_in_data_that_was_cut_behind_it_and_never_cut_itself() {
        assert_eq!(key("/OrderId", r#"{"OrderId":"HOUSTON-17-1","Lines":[{"It"#).as_deref(), Some("HOUSTON-17-1"));
        assert_eq!(key("/OrderId", r#"{"OrderId":184,"L"#).as_deref(), Some("184"));
        for cut in [r#"{"OrderId":"HOUSTON-17"#, r#"{"OrderId":18"#, r#"{"OrderId":"#, r#"{"OrderI"#] {
            assert_eq!(key("/OrderId", cut), None, "{cut}");
        }
    }
}
