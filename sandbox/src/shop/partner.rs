//! Events that a partner's extension writes beside those of the event framework: a store ships an order, has it ready for
//! pick-up or takes it back, and a customer is created.
//!
//! Most are about the order of an earlier sale. No random numbers are used, so that the rest of a day is the same with and
//! without these events.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use super::catalog::ChannelKind;
use super::customers::Customer;
use super::events::{EventRow, SqlDateTime};
use super::fields::{Fields, Json};
use super::ledger::OrderFacts;
use super::money::Decimals;
use super::order::Sale;
use super::{Channel, cart};

/// A store has shipped an order.
pub const ORDER_SHIPPED: &str = "OrderShipped";
/// An order can be picked up in a store.
pub const READY_FOR_PICKUP: &str = "ReadyForPickup";
/// A store has taken an order back.
pub const ORDER_RETURNED: &str = "OrderReturned";
/// A customer was created.
pub const CUSTOMER_CREATED: &str = "CustomerCreated";

/// The order that a partner's event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderReference {
    /// The order's transaction id.
    pub transaction_id: String,
    /// The order.
    pub order: OrderFacts,
    /// The code that the customer shows in the store.
    pub pickup_code: Option<String>,
    /// The refunded amount, with its exact digits.
    pub refund: Option<String>,
}

/// The number of sales after which a store gets to an order.
const SALES_BETWEEN: usize = 2;

/// The stores' work on sold orders.
#[derive(Debug, Default)]
pub(super) struct Fulfilment {
    waiting: VecDeque<Sale>,
    /// The number of orders that a store has got to.
    reached: usize,
}

/// An event about an order, not yet written.
pub(super) struct OrderEvent {
    pub(super) sale: Sale,
    pub(super) row: EventRow,
    pub(super) reference: OrderReference,
}

impl Fulfilment {
    /// Adds a sale. Returns what happens to an earlier one meanwhile.
    pub(super) fn add(&mut self, sale: &Sale, now: DateTime<Utc>) -> Option<OrderEvent> {
        if sale.cart.channel.kind == ChannelKind::InStore {
            self.waiting.push_back(sale.clone());
        }
        let sale = if self.waiting.len() > SALES_BETWEEN { self.waiting.pop_front()? } else { return None };
        self.reached += 1;
        match self.reached % 4 {
            1 => Some(shipment(sale, self.reached, now)),
            2 => Some(pickup(sale, now)),
            3 => Some(return_of(sale, self.reached, now)),
            _ => None,
        }
    }
}

fn shipment(sale: Sale, number: usize, now: DateTime<Utc>) -> OrderEvent {
    let id = format!("SHIPMENT-{}-{number:06}", sale.cart.channel.name);
    let data = data_with(&sale, |_| ());
    event(sale, ORDER_SHIPPED, id, &data, now)
}

fn pickup(sale: Sale, now: DateTime<Utc>) -> OrderEvent {
    let code = sale.internal_id.simple().to_string()[..6].to_uppercase();
    let mut data = Fields::default();
    data.set("PickupCode", &code);
    let id = sale.cart.id.clone();
    let mut event = event(sale, READY_FOR_PICKUP, id, &data, now);
    event.reference.pickup_code = Some(code);
    event
}

fn return_of(sale: Sale, number: usize, now: DateTime<Utc>) -> OrderEvent {
    let id = format!("RETURN-{}-{number:06}", sale.cart.channel.name);
    let refund = cart::totals(&sale.cart.lines, sale.cart.channel).total().text(Decimals::Few);
    let data = data_with(&sale, |data| {
        data.set("Refund", Json::number(refund.clone()));
    });
    let mut event = event(sale, ORDER_RETURNED, id, &data, now);
    event.reference.refund = Some(refund);
    event
}

/// The key of the order comes first, because the column is short.
fn data_with(sale: &Sale, more: impl FnOnce(&mut Fields)) -> Fields {
    let mut data = Fields::default();
    data.set("Order", &sale.cart.id);
    more(&mut data);
    data
}

fn event(sale: Sale, event_type: &str, transaction_id: String, data: &Fields, now: DateTime<Utc>) -> OrderEvent {
    let cart = &sale.cart;
    let row = EventRow {
        transaction_id,
        date_time: SqlDateTime::nearest(now),
        event_type: event_type.to_owned(),
        data_area_id: cart.channel.data_area.to_owned(),
        data: data.text(),
        channel_id: cart.channel.id,
        terminal_id: cart.terminal.clone(),
        staff_id: cart.staff.clone(),
        customer_id: cart.account().to_owned(),
    };
    let reference = OrderReference {
        transaction_id: cart.id.clone(),
        order: OrderFacts::of(&sale),
        pickup_code: None,
        refund: None,
    };
    OrderEvent { sale, row, reference }
}

/// The event of a new customer.
pub(super) fn customer_created(channel: &Channel, customer: &Customer, now: DateTime<Utc>) -> EventRow {
    let first = |names: &[&str]| names.first().copied().unwrap_or_default().to_owned();
    EventRow {
        transaction_id: customer.account.clone(),
        date_time: SqlDateTime::nearest(now),
        event_type: CUSTOMER_CREATED.to_owned(),
        data_area_id: channel.data_area.to_owned(),
        data: "{}".to_owned(),
        channel_id: channel.id,
        terminal_id: first(channel.terminals),
        staff_id: first(channel.staff),
        customer_id: customer.account.clone(),
    }
}
