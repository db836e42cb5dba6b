//! The event types of `journeys.json`.

use serde_json::value::RawValue;

use super::fields::{Fields, Mistakes, list, one_of, text};
use crate::journeys::event_types::{Details, EventType, EventTypes, OrderKey};

/// Reads the object of event types.
pub(super) fn event_types(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<EventTypes> {
    let mut types = EventTypes::default();
    for (name, value) in Fields::split(value, path, mistakes)?.into_values() {
        let path = format!("{path}.{name}");
        if name.trim().is_empty() {
            mistakes.add(&path, "the name of an event type must not be empty");
        }
        let Some(event_type) = event_type(&name, &value, &path, mistakes) else { continue };
        if !types.define(&name, event_type) {
            mistakes.add(&path, "occurs twice; names differ by more than upper and lower case");
        }
    }
    Some(types)
}

/// A part that events are enriched with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Order,
    Cart,
    Customer,
}

const PARTS: [(&str, Part); 3] = [("order", Part::Order), ("cart", Part::Cart), ("customer", Part::Customer)];

fn event_type(name: &str, value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<EventType> {
    let mut fields = Fields::split(value, path, mistakes)?;
    fields.optional("description", text, mistakes);
    let mut read = EventType::by_default(name);
    if let Some(parts) = fields.optional("enrichWith", parts, mistakes) {
        read.details = details(&parts, &fields.path("enrichWith"), mistakes);
        read.details_optional = read.details != Some(Details::Order);
        read.has_customer = parts.contains(&Part::Customer);
    }
    if let Some(parts) = fields.optional("optional", parts, mistakes) {
        read.details_optional = match read.details {
            Some(Details::Order) => parts.contains(&Part::Order),
            Some(Details::Cart) => parts.contains(&Part::Cart),
            None => true,
        };
        read.customer_optional = parts.contains(&Part::Customer);
    }
    if let Some(key) = fields.optional("orderKey", order_key, mistakes) {
        read.key = key;
        if read.details.is_none() {
            mistakes.add(&fields.path("orderKey"), "has no effect: enrichWith has neither order nor cart");
        }
    }
    fields.finish(mistakes);
    Some(read)
}

fn parts(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for (path, item) in list(value, path, mistakes)? {
        let Some(part) = one_of(&PARTS)(&item, &path, mistakes) else { continue };
        if parts.contains(&part) {
            mistakes.add(&path, "occurs twice");
        }
        parts.push(part);
    }
    Some(parts)
}

fn details(parts: &[Part], path: &str, mistakes: &mut Mistakes) -> Option<Details> {
    match (parts.contains(&Part::Order), parts.contains(&Part::Cart)) {
        (true, true) => {
            mistakes.add(path, "must not have both order and cart: a message has one OrderDetails");
            None
        }
        (true, false) => Some(Details::Order),
        (false, true) => Some(Details::Cart),
        (false, false) => None,
    }
}

fn order_key(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<OrderKey> {
    let text = text(value, path, mistakes)?;
    OrderKey::parse(&text).map_err(|error| mistakes.add(path, error)).ok()
}
