//! A demo retailer: it sells, writes each event in the same transaction as the sale, and keeps a ledger of the truth.
//!
//! The Scale Unit's routes and the demo day act on it through the same methods.

mod cart;
mod catalog;
mod customers;
mod events;
mod fields;
mod ledger;
mod money;
mod order;
mod plan;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::TimeDelta;
use rand::rngs::StdRng;

pub use self::cart::Item;
pub use self::catalog::{CHANNELS, Channel, ChannelKind, PRODUCTS, Product, channel, channel_of_oun, product_by_id};
pub use self::customers::Customer;
pub use self::events::{EventRow, EventSearch, SqlDateTime};
pub(crate) use self::fields::{Fields, Json, SERVICE_ROOT};
pub use self::ledger::{LedgerEntry, OrderFacts};
pub use self::money::{Decimals, Money};
pub use self::plan::{Action, Shopper, VisitOutcome};
use self::state::State;
use crate::clock::Clock;

/// A handle to the one retailer of a sandbox; clones share it.
#[derive(Clone)]
pub struct Shop(Arc<Inner>);

struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

/// Why the shop does not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShopError {
    /// No cart has this id (in this channel).
    #[error("there is no such cart")]
    NoSuchCart,
    /// A cart has this id already.
    #[error("a cart with this id exists")]
    CartExists,
    /// The cart became an order before.
    #[error("the cart is checked out")]
    AlreadyCheckedOut,
    /// There is nothing to add or to sell.
    #[error("there are no lines")]
    NoLines,
    /// No channel has this record id.
    #[error("there is no such channel")]
    NoSuchChannel,
    /// No customer of the channel's company has this account number.
    #[error("there is no such customer")]
    NoSuchCustomer,
    /// Another customer has this account number already.
    #[error("a customer with this account number exists")]
    CustomerExists,
    /// No product has this record id.
    #[error("there is no such product")]
    NoSuchProduct,
    /// Fewer than one piece, or more than a line can hold.
    #[error("the quantity is not sold")]
    Quantity,
    /// A value does not fit its column in the event table.
    #[error("{column} holds {limit} characters at most")]
    TooLong {
        /// The column's name in the entity.
        column: &'static str,
        /// Its width in characters.
        limit: usize,
    },
    /// A transaction id or an event type is blank.
    #[error("an event needs a transaction id and a type")]
    BlankKey,
}

/// A cart that is to be opened.
#[derive(Clone, Debug, Default)]
pub struct CartOpening {
    /// Record id of the channel.
    pub channel: i64,
    /// Its id; made up when `None`.
    pub id: Option<String>,
    /// Account number; `None` for guests.
    pub customer: Option<String>,
    /// Loyalty card, empty for none.
    pub loyalty_card: String,
    /// The address for receipts that the cart carries, often empty.
    pub receipt_email: String,
}

/// What is settled at the till.
#[derive(Clone, Debug, Default)]
pub struct Checkout {
    /// The order's address for receipts; the cart's when `None`.
    pub receipt_email: Option<String>,
    /// The name on the parcel, for guests of a web shop; customers have their own.
    pub name: String,
}

impl Shop {
    /// Opens the retailer; `seed` decides its customers and all ids and numbers that it will give out.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self(Arc::new(Inner { clock, state: Mutex::new(State::new(seed)) }))
    }

    /// The shop's time, with which its events are stamped.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// All customers, by account number; those whose account is gone are among them.
    pub fn customers(&self) -> Vec<Arc<Customer>> {
        self.state().customers.values().cloned().collect()
    }

    /// The customer with this account number, even if the account is gone.
    pub fn customer(&self, account: &str) -> Option<Arc<Customer>> {
        self.state().customers.get(account).cloned()
    }

    /// Adds a customer account.
    pub fn register(&self, customer: Customer) -> Result<(), ShopError> {
        self.state().register(customer)
    }

    /// Opens a cart and returns its id. No event is written.
    pub fn open_cart(&self, opening: CartOpening) -> Result<String, ShopError> {
        self.state().open_cart(opening, self.0.clock.now())
    }

    /// Puts items into a cart and writes an `AddCartLines` event, both or neither.
    pub fn add_to_cart(&self, cart: &str, items: &[Item]) -> Result<EventRow, ShopError> {
        self.state().add_to_cart(cart, items, self.0.clock.now())
    }

    /// Makes a cart an order and writes a `Checkout` event, both or neither.
    pub fn checkout(&self, cart: &str, checkout: Checkout) -> Result<EventRow, ShopError> {
        self.state().checkout(cart, checkout, self.0.clock.now())
    }

    /// Writes an event of any type, as somebody's own extension would; returns it as it is stored.
    pub fn emit_event(&self, row: EventRow) -> Result<EventRow, ShopError> {
        self.state().emit_event(row, self.0.clock.now())
    }

    /// Every event that was ever written, in the order of writing.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.state().ledger.clone()
    }

    /// The ledger without its first `seen` entries: for those who look again and again.
    pub fn ledger_after(&self, seen: usize) -> Vec<LedgerEntry> {
        self.state().ledger.get(seen..).unwrap_or_default().to_vec()
    }

    /// The rows that are visible now, oldest stamp first: one page, and how many there are on all pages.
    pub fn search_events(&self, search: &EventSearch) -> (Vec<EventRow>, usize) {
        let now = self.0.clock.now();
        self.state().events.search(search, now)
    }

    /// The order with this transaction id as the Retail Server serves it to `channel`; `None` if it is not there
    /// (yet), or is another channel's.
    pub fn order_body(&self, channel: i64, transaction_id: &str) -> Option<Bytes> {
        let now = self.0.clock.now();
        let order = self.state().order(channel, transaction_id, now)?;
        // Rendered outside the lock: a large order takes its time.
        Some(order.replacement.unwrap_or_else(|| Bytes::from(order.sale.body())))
    }

    /// The order of a cart as its buyer sees it at the till, however late it reaches the store.
    pub(crate) fn receipt(&self, transaction_id: &str) -> Option<Bytes> {
        let sale = self.state().orders.get(transaction_id)?.sale.clone();
        Some(Bytes::from(sale.body()))
    }

    pub(crate) fn has_cart(&self, channel: i64, id: &str) -> bool {
        self.state().cart(channel, id).is_some()
    }

    /// The cart as the Retail Server serves it to `channel`.
    pub fn cart_body(&self, channel: i64, id: &str) -> Option<Bytes> {
        let cart = self.state().cart(channel, id)?;
        Some(Bytes::from(cart.body()))
    }

    /// The customer as the Retail Server serves them to a channel of the company `data_area`.
    pub fn customer_body(&self, data_area: &str, account: &str) -> Option<Bytes> {
        let customer = self.state().served_customer(data_area, account)?;
        Some(Bytes::from(customer.body()))
    }

    /// Removes events that are older than `age`, as the extension's clean-up does when it is deployed. The ledger
    /// keeps them.
    pub fn clean_up(&self, age: TimeDelta) -> usize {
        let limit = SqlDateTime::nearest(self.0.clock.now() - age);
        self.state().events.remove_before(limit)
    }

    /// Events from now on become visible `delay` after their stamp, and their orders with them: the transaction
    /// takes that long. Zero, as in the beginning, for at once.
    pub fn set_commit_delay(&self, delay: TimeDelta) {
        self.state().commit_delay = delay;
    }

    /// Orders from now on can be read `delay` after their events. `None`: never. Zero in the beginning.
    pub fn set_order_delay(&self, delay: Option<TimeDelta>) {
        self.state().order_delay = delay;
    }

    /// Lets an order be served as this text, JSON or not. `false` if there is no such order.
    pub fn replace_order_body(&self, transaction_id: &str, body: impl Into<Bytes>) -> bool {
        self.state().orders.get_mut(transaction_id).map(|order| order.replacement = Some(body.into())).is_some()
    }

    /// Makes an order readable now, however late it was going to be. `false` if there is no such order.
    pub fn release_order(&self, transaction_id: &str) -> bool {
        let now = self.0.clock.now();
        self.state().orders.get_mut(transaction_id).map(|order| order.readable_from = Some(now)).is_some()
    }

    /// The customer's account is gone: it can no longer be read. The ledger still knows the customer.
    pub fn lose_customer(&self, account: &str) {
        self.state().gone.insert(account.to_owned());
    }

    /// The cart is gone: it can no longer be read or sold.
    pub fn lose_cart(&self, id: &str) {
        self.state().carts.remove(id);
    }

    /// A day's visits in which exactly `orders` of them end at the till, among carts that are left behind. The same
    /// for the same customers and `seed`.
    pub fn plan(&self, orders: usize, seed: u64) -> Vec<Action> {
        let customers = self.customers();
        plan::plan(&customers, orders, <StdRng as rand::SeedableRng>::seed_from_u64(seed))
    }

    /// Lets somebody visit the shop; returns the events that were written.
    pub fn perform(&self, action: &Action) -> Result<Vec<EventRow>, ShopError> {
        // One visit is one moment: simulated time does not pass within it.
        let _hold = self.0.clock.hold();
        action.perform(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
