//! All that is known of one event.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Board;
use crate::environment::Environment;
use crate::page::track::{Start, Track};
use crate::service_bus::Message;

impl Board {
    /// The event's way from the shop to its journeys; `None` if there is no such event.
    pub(in crate::page) fn story(&self, number: usize, environment: &Environment) -> Option<Value> {
        let track = self.track(number)?;
        let (entry, event) = (&track.entry, &track.entry.event);
        let mut steps: Vec<_> = track.steps.iter().collect();
        steps.sort_by_key(|step| step.at);
        Some(json!({
            "row": track.row(self.enabled),
            "event": {
                "transactionId": event.transaction_id, "type": event.event_type,
                "dateTime": event.date_time.to_string(), "dataArea": event.data_area_id,
                "channel": event.channel_id, "terminal": event.terminal_id, "staff": event.staff_id,
                "customer": event.customer_id, "data": event.data,
            },
            "email": entry.email,
            "loyaltyCard": entry.loyalty_card,
            "due": track.due.iter().map(|occasion| occasion.journey).collect::<Vec<_>>(),
            "record": track.record.as_ref().map(without_system_properties),
            "contact": contact(track, environment),
            "messages": messages(track, environment),
            "started": track.started.iter().map(started).collect::<Vec<_>>(),
            "steps": steps,
        }))
    }
}

/// The item without what Cosmos DB adds.
fn without_system_properties(item: &Value) -> Value {
    let fields = item.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with('_'));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The contact whom the journeys are for, and how it belongs to the customer.
fn contact(track: &Track, environment: &Environment) -> Option<Value> {
    let recorded = track.record.as_ref().and_then(|record| record["contactId"].as_str()?.parse().ok());
    let id: Uuid = recorded.or_else(|| track.started.last()?.call.contact)?;
    let contact = environment.dataverse().contact(id)?;
    let same = |ours: &Option<String>, theirs: &Option<String>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
        _ => false,
    };
    // Dataverse tells times in whole seconds to its callers; here they are exact.
    let created_for_it = contact.created_on >= track.entry.committed && !environment.contacts_before().contains(&id);
    Some(json!({
        "id": id,
        "name": contact.full_name,
        "email": contact.email,
        "number": contact.contact_number,
        "createdOn": contact.created_on,
        "before": environment.contacts_before().contains(&id),
        "createdSince": created_for_it,
        "byNumber": same(&track.entry.account, &contact.contact_number),
        "byEmail": same(&track.entry.email, &contact.email),
    }))
}

/// The event's messages that lie on the subscription at this moment, dead letters among them.
fn messages(track: &Track, environment: &Environment) -> Vec<Value> {
    let Some(id) = track.record.as_ref().and_then(|record| record["id"].as_str()) else { return Vec::new() };
    let of_event =
        |message: &Message| message.message_id.split_once("~~").map_or(&*message.message_id, |it| it.0) == id;
    let entity = environment.subscription();
    let dead_letters = entity.dead_letters();
    let both = [&entity, &dead_letters].map(|entity| environment.broker().peek(entity, usize::MAX).unwrap_or_default());
    both.iter().flatten().filter(|message| of_event(message)).map(message).collect()
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
        "waitMs": start.wait.num_milliseconds(),
        "trigger": start.call.trigger,
        "parameters": start.call.parameters,
    })
}
