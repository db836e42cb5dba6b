//! The shop's own book of what happened, for whoever audits what was made of it.

use chrono::{DateTime, Utc};

use super::cart::Cart;
use super::catalog::{self, ChannelKind};
use super::customers::Customer;
use super::events::EventRow;
use super::order::Sale;

/// One event and the truth about it, whatever the event store and the routes serve later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The row as it was written, stamp and cut data included.
    pub event: EventRow,
    /// When its transaction was committed: from then on the row is visible. May lie ahead of now.
    pub committed: DateTime<Utc>,
    /// The customer's account number; `None` for guests.
    pub account: Option<String>,
    /// Where the customer is reachable for this event: the order's (or cart's) `ReceiptEmail`, else the customer's
    /// `ReceiptEmail`, else the customer's `Email`.
    pub email: Option<String>,
    /// The loyalty card that the order or cart carries.
    pub loyalty_card: Option<String>,
    /// Where it happened; `None` if the row names no channel of this retailer.
    pub kind: Option<ChannelKind>,
    /// What was sold; for checkouts only.
    pub order: Option<OrderFacts>,
}

/// An order's facts, each as its body carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// `InternalTransactionId`, a GUID.
    pub internal_transaction_id: String,
    /// `AmountPaid`: the JSON number, digit for digit.
    pub amount_paid: String,
    /// `CurrencyCode`.
    pub currency: String,
    /// `ChannelReferenceId`, empty in store.
    pub channel_reference_id: String,
    /// `SalesId`, often empty.
    pub sales_id: String,
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
    /// The entry of something done with a cart.
    pub(super) fn of_cart(event: EventRow, committed: DateTime<Utc>, cart: &Cart, sale: Option<&Sale>) -> Self {
        let receipt_email = sale.map_or(&cart.receipt_email, |sale| &sale.receipt_email);
        let email = some(receipt_email).or_else(|| reachable(cart.customer.as_deref()));
        Self {
            account: some(cart.account()),
            email,
            loyalty_card: some(&cart.loyalty_card),
            kind: Some(cart.channel.kind),
            order: sale.map(OrderFacts::of),
            event,
            committed,
        }
    }

    /// The entry of an event that somebody's own extension wrote.
    pub(super) fn of_row(event: EventRow, committed: DateTime<Utc>, customer: Option<&Customer>) -> Self {
        Self {
            account: some(&event.customer_id),
            email: reachable(customer),
            loyalty_card: None,
            kind: catalog::channel(event.channel_id).map(|channel| channel.kind),
            order: None,
            event,
            committed,
        }
    }
}

fn reachable(customer: Option<&Customer>) -> Option<String> {
    customer.and_then(Customer::reachable_at).map(str::to_owned)
}

impl OrderFacts {
    fn of(sale: &Sale) -> Self {
        Self {
            internal_transaction_id: sale.internal_id.to_string(),
            amount_paid: sale.amount_paid(),
            currency: sale.cart.channel.currency.to_owned(),
            channel_reference_id: sale.channel_reference.clone(),
            sales_id: sale.sales_id.clone(),
            receipt_email: sale.receipt_email.clone(),
            name: sale.name.clone(),
            created: sale.created(),
        }
    }
}
