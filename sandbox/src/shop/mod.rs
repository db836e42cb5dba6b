//! A demo retailer. It sells, writes each event in the same transaction as the sale, and keeps a ledger of all events.
//!
//! The Scale Unit's routes and the scenario use the same methods.

mod cart;
mod catalog;
mod customers;
mod event_store;
mod events;
mod fields;
mod ledger;
mod money;
mod order;
mod partner;
mod plan;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::TimeDelta;
use rand::rngs::StdRng;

pub use self::cart::Item;
pub use self::catalog::{CHANNELS, Channel, ChannelKind, PRODUCTS, Product, channel, channel_of_oun, product_by_id};
pub use self::customers::{Customer, Names};
pub use self::event_store::{EventSearch, StoredEvent};
pub use self::events::{EventRow, SqlDateTime};
pub(crate) use self::fields::{Fields, Json, SERVICE_ROOT};
pub use self::ledger::{CartFacts, LedgerEntry, OrderFacts};
pub use self::money::{Decimals, Money};
pub use self::partner::{CUSTOMER_CREATED, ORDER_RETURNED, ORDER_SHIPPED, OrderReference, READY_FOR_PICKUP};
pub use self::plan::{Action, Shopper, VisitOutcome};
use self::state::State;
use crate::clock::Clock;

/// How long a cart is left before its reminder, in the sandbox. The shipped `journeys.json` has an hour.
pub const CART_WAIT: TimeDelta = TimeDelta::seconds(10);

/// A handle to the retailer of a sandbox. Clones share it.
#[derive(Clone)]
pub struct Shop(Arc<Inner>);

struct Inner {
    clock: Clock,
    state: Mutex<State>,
}

/// Why the shop rejects an operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShopError {
    /// No cart of the channel has this id.
    #[error("there is no such cart")]
    NoSuchCart,
    /// Another cart has this id.
    #[error("a cart with this id exists")]
    CartExists,
    /// The cart is already an order.
    #[error("the cart is already checked out")]
    AlreadyCheckedOut,
    /// There are no lines to add or to sell.
    #[error("there are no lines")]
    NoLines,
    /// No channel has this record id.
    #[error("there is no such channel")]
    NoSuchChannel,
    /// No customer of the channel's company has this account number.
    #[error("there is no such customer")]
    NoSuchCustomer,
    /// Another customer has this account number.
    #[error("a customer with this account number exists")]
    CustomerExists,
    /// No product has this record id.
    #[error("there is no such product")]
    NoSuchProduct,
    /// The quantity is less than one or too large.
    #[error("the quantity is not allowed")]
    Quantity,
    /// A value is too long for its column in the event table.
    #[error("{column} has at most {limit} characters")]
    TooLong {
        /// The column's name in the entity.
        column: &'static str,
        /// The maximum number of characters.
        limit: usize,
    },
    /// A transaction id or an event type is blank.
    #[error("an event needs a transaction id and a type")]
    BlankKey,
}

/// The data for opening a cart.
#[derive(Clone, Debug, Default)]
pub struct CartOpening {
    /// Record id of the channel.
    pub channel: i64,
    /// The id; generated when `None`.
    pub id: Option<String>,
    /// Account number; `None` for guests.
    pub customer: Option<String>,
    /// Loyalty card, empty for none.
    pub loyalty_card: String,
    /// The receipt address of the cart, often empty.
    pub receipt_email: String,
}

/// The data of a checkout.
#[derive(Clone, Debug, Default)]
pub struct Checkout {
    /// The receipt address of the order; the cart's when `None`.
    pub receipt_email: Option<String>,
    /// The name for delivery, for guests of a web shop. Customers have their own name.
    pub name: String,
}

impl Shop {
    /// Creates the retailer. `seed` determines its customers and all generated ids and numbers.
    pub fn new(clock: Clock, seed: u64) -> Self {
        Self::with_names(clock, seed, Names::default())
    }

    /// The same with these names of its customers.
    pub fn with_names(clock: Clock, seed: u64, names: Names) -> Self {
        let state = Mutex::new(State::new(seed, clock.skew(), names));
        Self(Arc::new(Inner { clock, state }))
    }

    /// The names of its customers.
    pub(crate) fn names(&self) -> Names {
        self.state().names
    }

    /// The address of a guest of [`Shop::plan`].
    pub(crate) fn guest_email(&self, number: usize) -> String {
        customers::guest_email(number, self.names())
    }

    /// The shop's clock, which sets the timestamps of its events.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// All customers by account number, including deleted accounts.
    pub fn customers(&self) -> Vec<Arc<Customer>> {
        self.state().customers.values().cloned().collect()
    }

    /// The customer with this account number, even if the account is deleted.
    pub fn customer(&self, account: &str) -> Option<Arc<Customer>> {
        self.state().customers.get(account).cloned()
    }

    /// Adds a customer account.
    pub fn register(&self, customer: Customer) -> Result<(), ShopError> {
        self.state().register(customer)
    }

    /// Adds a customer who signs up in a channel. With partner events, that is an event.
    pub fn sign_up(&self, customer: Customer, channel: i64) -> Result<(), ShopError> {
        self.state().sign_up(customer, channel, self.0.clock.now())
    }

    /// Opens a cart and returns its id. No event is written.
    pub fn open_cart(&self, opening: CartOpening) -> Result<String, ShopError> {
        self.state().open_cart(opening, self.0.clock.now())
    }

    /// Adds items to a cart and writes an `AddCartLines` event, in one transaction.
    pub fn add_to_cart(&self, cart: &str, items: &[Item]) -> Result<EventRow, ShopError> {
        self.state().add_to_cart(cart, items, self.0.clock.now())
    }

    /// Removes the last line of a cart. The extension writes no event for that.
    pub fn remove_from_cart(&self, cart: &str) -> Result<(), ShopError> {
        self.state().remove_from_cart(cart, self.0.clock.now())
    }

    /// Makes an order from a cart and writes a `Checkout` event, in one transaction.
    pub fn checkout(&self, cart: &str, checkout: Checkout) -> Result<EventRow, ShopError> {
        self.state().checkout(cart, checkout, self.0.clock.now())
    }

    /// From now on, the shop also writes the events of a partner's extension: shipments, pick-ups, returns and new
    /// customers.
    pub fn set_partner_events(&self, enabled: bool) {
        self.state().partner_events = enabled;
    }

    /// Writes an event of any type, like another extension would. Returns it as it is stored.
    pub fn emit_event(&self, row: EventRow) -> Result<EventRow, ShopError> {
        self.state().emit_event(row, self.0.clock.now())
    }

    /// Writes an event whose values may be too long for their columns. An extension's columns may be wider. The event is
    /// not in the ledger.
    pub fn emit_unfitted_event(&self, row: EventRow) {
        self.state().emit_unfitted_event(row, self.0.clock.now());
    }

    /// All events, in the order of writing.
    pub fn ledger(&self) -> Vec<Arc<LedgerEntry>> {
        self.ledger_after(0)
    }

    /// The ledger without its first `seen` entries.
    pub fn ledger_after(&self, seen: usize) -> Vec<Arc<LedgerEntry>> {
        self.state().ledger.get(seen..).unwrap_or_default().to_vec()
    }

    /// The visible rows, oldest timestamp first: one page, and the total number.
    pub fn search_events(&self, search: &EventSearch) -> (Vec<Arc<StoredEvent>>, usize) {
        let now = self.0.clock.now();
        self.state().events.search(search, now)
    }

    /// The order with this transaction id as the Retail Server returns it to `channel`. `None` if it does not exist
    /// (yet), or belongs to another channel.
    pub fn order_body(&self, channel: i64, transaction_id: &str) -> Option<Bytes> {
        let now = self.0.clock.now();
        let order = self.state().order(channel, transaction_id, now)?;
        // Rendered outside the lock, because a large order takes time.
        Some(order.replacement.unwrap_or_else(|| Bytes::from(order.sale.body())))
    }

    /// The order of a cart as its buyer sees it at the checkout, even if it can be read only later.
    pub(crate) fn receipt(&self, transaction_id: &str) -> Option<Bytes> {
        let sale = self.state().orders.get(transaction_id)?.sale.clone();
        Some(Bytes::from(sale.body()))
    }

    pub(crate) fn has_cart(&self, channel: i64, id: &str) -> bool {
        self.state().cart(channel, id).is_some()
    }

    pub(crate) fn is_checked_out(&self, id: &str) -> bool {
        self.state().carts.get(id).is_some_and(|cart| cart.checked_out)
    }

    /// From now on, new customers have a temporary number until their second visit.
    pub fn set_asynchronous_customers(&self, asynchronous: bool) {
        self.state().asynchronous_customers = asynchronous;
    }

    pub(crate) fn creates_asynchronously(&self) -> bool {
        self.state().asynchronous_customers
    }

    /// The cart as the Retail Server returns it to `channel`.
    pub fn cart_body(&self, channel: i64, id: &str) -> Option<Bytes> {
        let cart = self.state().cart(channel, id)?;
        Some(Bytes::from(cart.body()))
    }

    /// The customer as the Retail Server returns it to a channel of the company `data_area`.
    pub fn customer_body(&self, data_area: &str, account: &str) -> Option<Bytes> {
        let customer = self.state().served_customer(data_area, account)?;
        Some(Bytes::from(customer.body()))
    }

    /// Removes events that are older than `age`, like the clean-up of the extension. The ledger keeps them.
    pub fn clean_up(&self, age: TimeDelta) -> usize {
        let limit = SqlDateTime::nearest(self.0.clock.now() - age);
        self.state().events.remove_before(limit)
    }

    /// From now on, events become visible `delay` after their timestamp, together with their orders. The initial delay
    /// is zero.
    pub fn set_commit_delay(&self, delay: TimeDelta) {
        self.state().commit_delay = delay;
    }

    /// From now on, orders can be read `delay` after their events. `None` means never. The initial delay is zero.
    pub fn set_order_delay(&self, delay: Option<TimeDelta>) {
        self.state().order_delay = delay;
    }

    /// Replaces the body of an order with any text, JSON or not. Returns `false` if there is no such order.
    pub fn replace_order_body(&self, transaction_id: &str, body: impl Into<Bytes>) -> bool {
        self.state().orders.get_mut(transaction_id).map(|order| order.replacement = Some(body.into())).is_some()
    }

    /// Makes an order readable now. Returns `false` if there is no such order.
    pub fn release_order(&self, transaction_id: &str) -> bool {
        let now = self.0.clock.now();
        self.state().orders.get_mut(transaction_id).map(|order| order.readable_from = Some(now)).is_some()
    }

    /// Deletes the customer's account: it can no longer be read. The ledger still has the customer.
    pub fn lose_customer(&self, account: &str) {
        self.state().gone.insert(account.to_owned());
    }

    /// Deletes the cart: it can no longer be read or sold.
    pub fn lose_cart(&self, id: &str) {
        self.state().carts.remove(id);
    }

    /// A plan of visits with exactly `orders` checkouts, and some carts that are left without buying. The same
    /// customers and `seed` give the same plan.
    pub fn plan(&self, orders: usize, seed: u64) -> Vec<Action> {
        let customers = self.customers();
        plan::plan(&customers, orders, <StdRng as rand::SeedableRng>::seed_from_u64(seed), self.names())
    }

    /// Performs one visit. Returns the written events.
    pub fn perform(&self, action: &Action) -> Result<Vec<EventRow>, ShopError> {
        // A visit takes no simulated time.
        let _hold = self.0.clock.hold();
        action.perform(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
