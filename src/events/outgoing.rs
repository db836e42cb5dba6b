//! A message to publish. Its body contains exactly the three parts of Microsoft's sample, so that a Logic App made for the
//! sample can use the same subscription.

use serde::Serialize;

use super::rescheduled::{failure_property, retry_properties};
use super::truncation::{Truncation, truncate_customer, truncate_order};
use super::{CommerceEvent, Reason, Record, Status};
use crate::json::ObjectText;

/// A message to publish.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// `MessageId`.
    pub id: String,
    /// The body.
    pub body: String,
    /// Application properties.
    pub properties: Vec<(&'static str, String)>,
    /// What was left out to fit the size limit.
    pub truncation: Option<Truncation>,
}

/// The event, with the fields that the sample adds.
#[derive(Serialize)]
struct EventDetails<'a> {
    #[serde(flatten)]
    event: &'a CommerceEvent,
    id: &'a str,
    status: Status,
    #[serde(rename = "retryCount")]
    retry_count: u32,
}

impl OutgoingMessage {
    /// Composes the message of an event, and returns what `pack` makes of it. A message that `pack` does not take is truncated
    /// further and further. `None` if it does not take the shortest one.
    pub fn compose<T>(
        record: &Record,
        order: Option<&ObjectText>,
        customer: Option<&ObjectText>,
        mut pack: impl FnMut(Self) -> Option<T>,
    ) -> Option<T> {
        let whole = Self::build(record, order.map(ObjectText::as_str), customer.map(ObjectText::as_str), None)?;
        if let Some(packed) = pack(whole) {
            return Some(packed);
        }
        Truncation::LEVELS.into_iter().find_map(|level| {
            let order = order.map(|order| truncate_order(order, level));
            let customer = customer.map(|customer| truncate_customer(customer, level));
            pack(Self::build(record, order.as_deref(), customer.as_deref(), Some(level))?)
        })
    }

    /// The message of an event that has failed permanently, without order and customer.
    pub fn of_failure(record: &Record, reason: &Reason) -> Option<Self> {
        let mut message = Self::build(record, None, None, None)?;
        message.properties.extend(failure_property(reason));
        Some(message)
    }

    fn build(
        record: &Record,
        order: Option<&str>,
        customer: Option<&str>,
        truncation: Option<Truncation>,
    ) -> Option<Self> {
        let event = EventDetails {
            event: record.event(),
            id: record.id().as_str(),
            status: Status::Processing,
            retry_count: record.retry_count(),
        };
        // All its keys are texts, so it can be serialised.
        let event = serde_json::to_string(&event).ok()?;
        let (order, customer) = (order.unwrap_or("null"), customer.unwrap_or("null"));
        Some(Self {
            id: record.id().message_id(record.publications()),
            body: format!(r#"{{"OrderDetails":{order},"CustomerDetails":{customer},"EventDetails":{event}}}"#),
            properties: properties(record, truncation),
            truncation,
        })
    }
}

fn properties(record: &Record, truncation: Option<Truncation>) -> Vec<(&'static str, String)> {
    let mut properties = record.event().properties();
    properties.push(("traceparent", record.traceparent()));
    properties.extend(truncation.map(|truncation| ("Slimmed", truncation.name().to_owned())));
    if let (1.., Some(since)) = (record.publications(), record.failing_since()) {
        // Its message wrote its retry into the record. The next one continues the count.
        properties.extend(retry_properties(record.retry_count(), Some(since)));
    }
    properties
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::Message;
    use super::*;

    fn record() -> Record {
        let event: CommerceEvent = serde_json::from_str(
            r#"{"EventTransactionId":"T1","EventDateTime":"2024-07-24T14:17:02.16Z","EventType":"Checkout",
                "EventDataAreaId":"usrt","EventData":"{}","EventChannelId":5637144592,"ExtensionProperties":[]}"#,
        )
        .unwrap();
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        Record::new(event, uuid::Uuid::nil(), now, now)
    }

    fn object(text: &str) -> ObjectText {
        ObjectText::read(text.as_bytes(), |_| ()).unwrap().0
    }

    fn whole(order: Option<&ObjectText>) -> OutgoingMessage {
        OutgoingMessage::compose(&record(), order, None, Some).unwrap()
    }

    #[test]
    fn the_body_has_exactly_three_parts_and_keeps_all_digits() {
        let order = object(r#"{"AmountPaid":184.2200000000000000}"#);
        let message = whole(Some(&order));
        assert!(message.body.starts_with(
            r#"{"OrderDetails":{"AmountPaid":184.2200000000000000},"CustomerDetails":null,"EventDetails":{"#
        ));
        let parsed: serde_json::Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(parsed.as_object().unwrap().len(), 3);
        assert_eq!(parsed["EventDetails"]["EventChannelId"], "5637144592");
        assert_eq!(message.properties[0], ("EventType", "Checkout".to_owned()));
    }

    #[test]
    fn a_large_order_is_truncated_step_by_step() {
        let line = format!(
            r#"{{"ItemId":"1","Comment":"{}","ChargeLines":[{{"Value":"{}"}}]}}"#,
            "c".repeat(100),
            "x".repeat(1000)
        );
        let order = object(&format!(
            r#"{{"Id":"T1","SalesLines":[{}],"TaxLines":["{}"]}}"#,
            vec![line; 10].join(","),
            "t".repeat(500)
        ));
        let compose = |limit| {
            let fits = |message: OutgoingMessage| Some(message).filter(|message| message.body.len() <= limit);
            OutgoingMessage::compose(&record(), Some(&order), None, fits)
        };
        let truncated = |limit| compose(limit).unwrap();
        assert_eq!(truncated(100_000).truncation, None);
        assert_eq!(truncated(5_000).truncation, Some(Truncation::LineDetails));
        assert!(truncated(5_000).body.contains(r#""ChargeLines":[]"#));
        assert_eq!(truncated(1_500).truncation, Some(Truncation::Lines));
        let smallest = truncated(600);
        assert_eq!(smallest.truncation, Some(Truncation::AllArrays));
        assert!(smallest.properties.contains(&("Slimmed", "allArrays".to_owned())));
        assert!(compose(100).is_none());
    }

    #[test]
    fn a_line_that_is_no_object_does_not_keep_others_from_being_truncated() {
        let order = object(r#"{"SalesLines":[null,{"ItemId":"1","ChargeLines":[1,2,3]}]}"#);
        let truncated = |message: OutgoingMessage| message.truncation.map(|_| message.body);
        let body = OutgoingMessage::compose(&record(), Some(&order), None, truncated).unwrap();
        assert!(body.contains(r#""SalesLines":[null,{"ItemId":"1","ChargeLines":[]}]"#), "{body}");
    }

    #[test]
    fn a_composed_message_can_be_decoded() {
        let order = object(r#"{"Id":"T1"}"#);
        let body = whole(Some(&order)).body;
        let message = Message::decode(body.as_bytes()).unwrap();
        assert_eq!(message.event.id(), *record().id());
        assert_eq!(message.order.as_deref().map(serde_json::value::RawValue::get), Some(r#"{"Id":"T1"}"#));
        assert!(message.customer.is_none());
    }
}
