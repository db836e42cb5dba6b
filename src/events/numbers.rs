//! The numbers by which an operator finds an event: those that a customer has in hand.

use serde::{Deserialize, Serialize};

use crate::json::RawObject;

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

impl Numbers {
    /// The numbers in the fields of `SalesOrder` or `Cart` of the Retail Server API. What is missing or no number is left out.
    pub(crate) fn of(purchase: &RawObject<'_>) -> Self {
        let number = |field| purchase.text(field).and_then(usable);
        Self {
            sales_id: number("SalesId"),
            channel_reference_id: number("ChannelReferenceId"),
            receipt_id: number("ReceiptId"),
            customer_number: number("CustomerId"),
        }
    }

    /// These, with the account number of the event, if it has one.
    pub fn with_customer(self, number: &str) -> Self {
        Self { customer_number: usable(number.to_owned()).or(self.customer_number), ..self }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(order: &str, customer_id: &str) -> Numbers {
        Numbers::of(&serde_json::from_str(order).unwrap_or_default()).with_customer(customer_id)
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
        assert_eq!(of(r#"{"SalesId":"1","SalesId":"2"}"#, "").sales_id.as_deref(), Some("2"));
        assert_eq!(of(&format!(r#"{{"SalesId":"{}"}}"#, "9".repeat(200)), ""), Numbers::default());
    }
}
