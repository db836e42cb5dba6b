//! The details of one event.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Dashboard;
use crate::environment::Environment;
use crate::page::event_timeline::{EventTimeline, Start};
use crate::page::record::Record;
use crate::service_bus::{Message, event_of};

impl Dashboard {
    /// The event from the shop to its journeys. `None` if there is no such event.
    pub(in crate::page) fn details(&self, number: usize, environment: &Environment) -> Option<Value> {
        let timeline = self.event(number)?;
        let (entry, event) = (&timeline.entry, &timeline.entry.event);
        let record = timeline.record.as_ref().map(Record::item);
        let mut steps: Vec<_> = timeline.steps.iter().collect();
        steps.sort_by_key(|step| step.at);
        Some(json!({
            "row": timeline.row(self.enabled),
            "event": {
                "transactionId": event.transaction_id, "type": event.event_type,
                "dateTime": event.date_time.to_string(), "dataArea": event.data_area_id,
                "channel": event.channel_id, "terminal": event.terminal_id, "staff": event.staff_id,
                "customer": event.customer_id, "data": event.data,
            },
            "email": entry.email,
            "loyaltyCard": entry.loyalty_card,
            "due": timeline.due.iter().map(|occasion| occasion.journey).collect::<Vec<_>>(),
            "record": record.as_ref().map(without_system_properties),
            "contact": contact(timeline, record.as_ref(), environment),
            "messages": messages(record.as_ref(), environment),
            "started": timeline.started.iter().map(started).collect::<Vec<_>>(),
            "steps": steps,
        }))
    }
}

/// The item without the system properties of Cosmos DB.
fn without_system_properties(item: &Value) -> Value {
    let fields = item.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with('_'));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The contact of the journeys, and how it was matched to the customer.
fn contact(timeline: &EventTimeline, record: Option<&Value>, environment: &Environment) -> Option<Value> {
    let recorded = record.and_then(|record| record["contactId"].as_str()?.parse().ok());
    let id: Uuid = recorded.or_else(|| timeline.started.last()?.call.contact)?;
    let contact = environment.dataverse().contact(id)?;
    let same = |left: &Option<String>, right: &Option<String>| match (left, right) {
        (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
        _ => false,
    };
    // Times are exact here. Dataverse returns whole seconds to its callers.
    let created_since = contact.created_on >= timeline.entry.committed && !environment.initial_contacts().contains(&id);
    Some(json!({
        "id": id,
        "name": contact.full_name,
        "email": contact.email,
        "number": contact.contact_number,
        "createdOn": contact.created_on,
        "initial": environment.initial_contacts().contains(&id),
        "createdSince": created_since,
        "byNumber": same(&timeline.entry.account, &contact.contact_number),
        "byEmail": same(&timeline.entry.email, &contact.email),
    }))
}

/// The event's messages that are on the subscription now, including dead letters.
fn messages(record: Option<&Value>, environment: &Environment) -> Vec<Value> {
    let Some(id) = record.and_then(|record| record["id"].as_str()) else { return Vec::new() };
    let of_event = |message: &Message| event_of(&message.message_id) == id;
    let entity = environment.subscription();
    let dead_letters = entity.dead_letters();
    let both = [&entity, &dead_letters].map(|entity| environment.broker().find(entity, of_event).unwrap_or_default());
    both.iter().flatten().map(message).collect()
}

fn message(message: &Message) -> Value {
    json!({
        "messageId": message.message_id,
        "enqueued": message.enqueued_time,
        "deliveries": message.delivery_count,
        "deadLetter": message.dead_letter,
    })
}

fn started(start: &Start) -> Value {
    let at: DateTime<Utc> = start.call.at;
    json!({
        "journey": start.journey,
        "call": start.call.number,
        "at": at,
        "latencyMs": start.latency.num_milliseconds(),
        "trigger": start.call.trigger,
        "parameters": start.call.parameters(),
    })
}
