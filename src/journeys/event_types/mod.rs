//! The event types: what the events of each are enriched with, and where the key of their order is.

mod order_key;

use crate::events::CommerceEvent;
use crate::text::similar;
pub use order_key::{KeyError, OrderKey};

/// What `OrderDetails` of a message contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Details {
    /// The order.
    Order,
    /// The cart.
    Cart,
}

/// What the events of a type are enriched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventType {
    /// The content of `OrderDetails`. `None` leaves it empty.
    pub details: Option<Details>,
    /// Whether `CustomerDetails` contains the customer.
    pub has_customer: bool,
    /// Where the key of the order or cart is.
    pub key: OrderKey,
    /// Whether an event continues without the order or cart.
    pub details_optional: bool,
    /// Whether an event continues without its customer.
    pub customer_optional: bool,
}

/// The type of an event after a checkout.
const CHECKOUT: &str = "Checkout";
/// The type of an event after a change of a cart.
const ADD_CART_LINES: &str = "AddCartLines";

impl EventType {
    /// The type with this name, if `journeys.json` says nothing else about it.
    pub fn by_default(name: &str) -> Self {
        let details = match name.trim() {
            name if is_same(name, CHECKOUT) => Some(Details::Order),
            name if is_same(name, ADD_CART_LINES) => Some(Details::Cart),
            _ => None,
        };
        Self {
            details,
            has_customer: true,
            key: OrderKey::TransactionId,
            details_optional: details != Some(Details::Order),
            customer_optional: true,
        }
    }

    /// Whether an event of this type cannot continue without its order or cart.
    pub fn needs_details(&self) -> bool {
        self.details.is_some() && !self.details_optional
    }

    /// Whether an event of this type that has a customer cannot continue without the customer's details.
    pub fn needs_customer(&self) -> bool {
        self.has_customer && !self.customer_optional
    }

    /// The key of the event's order or cart.
    ///
    /// # Errors
    ///
    /// When the event does not have one where it should be.
    pub fn order_key(&self, event: &CommerceEvent) -> Result<String, KeyError> {
        self.key.of(event)
    }
}

/// The event types that `journeys.json` defines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EventTypes(Vec<(String, EventType)>);

impl EventTypes {
    /// Defines a type. `false` if it is defined already.
    pub(super) fn define(&mut self, name: &str, event_type: EventType) -> bool {
        let is_new = self.defined(name).is_none();
        self.0.push((name.trim().to_owned(), event_type));
        is_new
    }

    fn defined(&self, name: &str) -> Option<&EventType> {
        self.0.iter().find(|(other, _)| is_same(other, name)).map(|(_, event_type)| event_type)
    }

    /// What the events of this type are enriched with.
    pub(super) fn get(&self, name: &str) -> EventType {
        self.defined(name).cloned().unwrap_or_else(|| EventType::by_default(name))
    }

    /// The known type that this unknown one is probably meant to be.
    pub(super) fn similar(&self, name: &str) -> Option<&str> {
        let known = || self.0.iter().map(|(name, _)| name.as_str()).chain([CHECKOUT, ADD_CART_LINES]);
        let is_known = known().any(|known| is_same(known, name));
        if is_known { None } else { similar(name, known()) }
    }
}

/// Whether two names are of one type. The event store compares them like SQL Server: without regard to case and to blanks
/// at the end.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one.trim_end().eq_ignore_ascii_case(other.trim_end())
}
