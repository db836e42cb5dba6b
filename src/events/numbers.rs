//! The numbers by which an operator finds an event: those that a customer has in hand.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Longest number that is kept, in bytes. Commerce's own have at most 50 characters.
const LONGEST: usize = 128;

/// The numbers of an order or a cart. They identify a purchase, not a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// The order number, `SalesId`.
    #[serde(rename = "salesId", default, skip_serializing_if = "Option::is_none")]
    pub sales_id: Option<String>,
    /// The confirmation number of an online order, `ChannelReferenceId`.
    #[serde(rename = "channelReferenceId", default, skip_serializing_if = "Option::is_none")]
    pub channel_reference_id: Option<String>,
    /// The number on a store's receipt, `ReceiptId`.
    #[serde(rename = "receiptId", default, skip_serializing_if = "Option::is_none")]
    pub receipt_id: Option<String>,
    /// The customer's account number, `CustomerId`.
    #[serde(rename = "customerNumber", default, skip_serializing_if = "Option::is_none")]
    pub customer_number: Option<String>,
}

/// The fields of `SalesOrder` and `Cart` in the Retail Server API that contain them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Order {
    #[serde(deserialize_with = "number")]
    sales_id: Option<String>,
    #[serde(deserialize_with = "number")]
    channel_reference_id: Option<String>,
    #[serde(deserialize_with = "number")]
    receipt_id: Option<String>,
    #[serde(deserialize_with = "number")]
    customer_id: Option<String>,
}

impl Numbers {
    /// The numbers in an order or a cart, and the account number of the event. What is missing or no number is left out.
    pub fn of(order: Option<&RawValue>, customer_id: &str) -> Self {
        let Order { sales_id, channel_reference_id, receipt_id, customer_id: of_order } =
            order.and_then(|order| serde_json::from_str(order.get()).ok()).unwrap_or_default();
        let customer_number = usable(customer_id.to_owned()).or(of_order);
        Self { sales_id, channel_reference_id, receipt_id, customer_number }
    }

    /// These, and from `earlier` what is missing in them.
    pub fn or(self, earlier: Self) -> Self {
        Self {
            sales_id: self.sales_id.or(earlier.sales_id),
            channel_reference_id: self.channel_reference_id.or(earlier.channel_reference_id),
            receipt_id: self.receipt_id.or(earlier.receipt_id),
            customer_number: self.customer_number.or(earlier.customer_number),
        }
    }
}

fn usable(text: String) -> Option<String> {
    Some(text).filter(|text| !text.trim().is_empty() && text.len() <= LONGEST)
}

/// A text. Anything else counts as missing, so that one odd field does not hide the others.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(usable(text)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(order: &str, customer_id: &str) -> Numbers {
        Numbers::of(Some(&RawValue::from_string(order.to_owned()).unwrap()), customer_id)
    }

    #[test]
    fn the_numbers_of_an_order_are_kept_and_nothing_else() {
        let order = r#"{"SalesId":"012","ChannelReferenceId":"ABC","ReceiptId":"R1","CustomerId":"C1","ReceiptEmail":"ann@example.org"}"#;
        let numbers = serde_json::to_value(of(order, "")).unwrap();
        let expected = serde_json::json!({
            "salesId": "012", "channelReferenceId": "ABC", "receiptId": "R1", "customerNumber": "C1"});
        assert_eq!(numbers, expected);
    }

    #[test]
    fn an_odd_or_missing_number_does_not_hide_the_others() {
        assert_eq!(
            of(r#"{"SalesId":12,"ChannelReferenceId":"ABC","CustomerId":null}"#, "C2"),
            Numbers {
                channel_reference_id: Some("ABC".to_owned()),
                customer_number: Some("C2".to_owned()),
                ..Numbers::default()
            }
        );
        assert_eq!(of(r#"{"SalesId":" "}"#, ""), Numbers::default());
        assert_eq!(of("[]", ""), Numbers::default());
        assert_eq!(of(&format!(r#"{{"SalesId":"{}"}}"#, "9".repeat(200)), ""), Numbers::default());
    }
}
