//! The shop's own record of all events, for audits.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::cart::Cart;
use super::catalog::{self, ChannelKind};
use super::customers::Customer;
use super::events::EventRow;
use super::order::Sale;
use super::partner::OrderReference;

/// One event and its facts, independent of what the event table and the routes return later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The row as it was written, including the timestamp and the truncated data.
    pub event: Arc<EventRow>,
    /// When its transaction is committed, by the time that all parts of the sandbox share, whatever the shop's clock
    /// shows. From then on the row is visible. It may be in the future.
    pub committed: DateTime<Utc>,
    /// The customer's account number; `None` for guests, and while the number is temporary.
    pub account: Option<String>,
    /// The customer's address for this event: the order's (or cart's) `ReceiptEmail`, else the customer's
    /// `ReceiptEmail`, else the customer's `Email`.
    pub email: Option<String>,
    /// The loyalty card of the order or cart.
    pub loyalty_card: Option<String>,
    /// The kind of channel; `None` if the row has an unknown channel.
    pub kind: Option<ChannelKind>,
    /// The order; for checkouts only.
    pub order: Option<OrderFacts>,
    /// The order that it is about; for events of a partner's extension only.
    pub about: Option<OrderReference>,
    /// The cart after this event; for changes of carts only. Removed lines write no event, and are taken off here.
    pub cart: Option<CartFacts>,
}

/// The contents of a cart, as in its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartFacts {
    /// Whether it has no lines.
    pub is_empty: bool,
    /// `TotalItems`: the JSON number with its exact digits.
    pub item_count: String,
    /// `TotalAmount`, in the same way.
    pub total: String,
}

/// The facts of an order, as in its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// `InternalTransactionId`, a GUID.
    pub internal_transaction_id: String,
    /// `AmountPaid`: the JSON number with its exact digits.
    pub amount_paid: String,
    /// `CurrencyCode`.
    pub currency: String,
    /// `ChannelReferenceId`, empty in store.
    pub channel_reference_id: String,
    /// `SalesId`, often empty.
    pub sales_id: String,
    /// `ReceiptId`, empty online.
    pub receipt_id: String,
    /// `ReceiptEmail`, often empty in store.
    pub receipt_email: String,
    /// `Name`, empty for guests in store.
    pub name: String,
    /// `CreatedDateTime`.
    pub created: String,
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

impl LedgerEntry {
    /// The entry of an event of a cart.
    pub(super) fn of_cart(event: Arc<EventRow>, committed: DateTime<Utc>, cart: &Cart, sale: Option<&Sale>) -> Self {
        let receipt_email = sale.map_or(&cart.receipt_email, |sale| &sale.receipt_email);
        let email = some(receipt_email).or_else(|| reachable(cart.customer.as_deref()));
        Self {
            account: cart.customer.as_ref().filter(|it| !it.is_pending()).map(|it| it.account.clone()),
            email,
            loyalty_card: some(&cart.loyalty_card),
            kind: Some(cart.channel.kind),
            order: sale.map(OrderFacts::of),
            about: None,
            cart: sale.is_none().then(|| CartFacts::of(cart)),
            event,
            committed,
        }
    }

    /// The entry of an event about an order.
    pub(super) fn of_order(
        event: Arc<EventRow>,
        committed: DateTime<Utc>,
        sale: &Sale,
        reference: OrderReference,
    ) -> Self {
        let entry = Self::of_cart(event, committed, &sale.cart, Some(sale));
        Self { order: None, about: Some(reference), ..entry }
    }

    /// The entry of an event that another extension wrote.
    pub(super) fn of_row(event: Arc<EventRow>, committed: DateTime<Utc>, customer: Option<&Customer>) -> Self {
        Self {
            account: some(&event.customer_id).filter(|_| !customer.is_some_and(Customer::is_pending)),
            email: reachable(customer),
            loyalty_card: None,
            kind: catalog::channel(event.channel_id).map(|channel| channel.kind),
            order: None,
            about: None,
            cart: None,
            event,
            committed,
        }
    }
}

fn reachable(customer: Option<&Customer>) -> Option<String> {
    customer.and_then(Customer::reachable_at).map(str::to_owned)
}

impl CartFacts {
    pub(super) fn of(cart: &Cart) -> Self {
        Self { is_empty: cart.lines.is_empty(), item_count: cart.item_count(), total: cart.total() }
    }
}

impl OrderFacts {
    pub(super) fn of(sale: &Sale) -> Self {
        Self {
            internal_transaction_id: sale.internal_id.to_string(),
            amount_paid: sale.amount_paid(),
            currency: sale.cart.channel.currency.to_owned(),
            channel_reference_id: sale.channel_reference.clone(),
            sales_id: sale.sales_id.clone(),
            receipt_id: sale.receipt_id.clone(),
            receipt_email: sale.receipt_email.clone(),
            name: sale.name.clone(),
            created: sale.created(),
        }
    }
}
