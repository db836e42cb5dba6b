//! The state of the shop, and the transactions that change it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::cart::{Cart, Item, Line};
use super::catalog::{self, Channel, ChannelKind};
use super::customers::{self, Customer, Names};
use super::event_store::EventStore;
use super::events::{EventRow, SqlDateTime};
use super::ledger::{CartFacts, LedgerEntry};
use super::order::Sale;
use super::partner::{self, Fulfilment, OrderEvent};
use super::{CartOpening, Checkout, ShopError};

pub(super) struct State {
    rng: StdRng,
    pub(super) customers: BTreeMap<String, Arc<Customer>>,
    pub(super) gone: HashSet<String>,
    pub(super) carts: HashMap<String, Arc<Cart>>,
    pub(super) orders: HashMap<String, Order>,
    pub(super) events: EventStore,
    pub(super) ledger: Vec<Arc<LedgerEntry>>,
    /// How far the shop's clock is ahead of the time that all parts of the sandbox share.
    skew: TimeDelta,
    pub(super) commit_delay: TimeDelta,
    pub(super) order_delay: Option<TimeDelta>,
    pub(super) asynchronous_customers: bool,
    /// Whether the events of a partner's extension are written too.
    pub(super) partner_events: bool,
    fulfilment: Fulfilment,
    pub(super) names: Names,
    sales: u64,
}

/// A stored order.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) sale: Arc<Sale>,
    /// `None` means never.
    pub(super) readable_from: Option<DateTime<Utc>>,
    pub(super) replacement: Option<Bytes>,
}

impl State {
    pub(super) fn new(seed: u64, skew: TimeDelta, names: Names) -> Self {
        let customers = customers::generate(seed, names).into_iter();
        Self {
            // Another random stream than for the customers, so that ids are independent of them.
            rng: StdRng::seed_from_u64(!seed),
            customers: customers.map(|customer| (customer.account.clone(), Arc::new(customer))).collect(),
            gone: HashSet::new(),
            carts: HashMap::new(),
            orders: HashMap::new(),
            events: EventStore::default(),
            ledger: Vec::new(),
            skew,
            commit_delay: TimeDelta::zero(),
            order_delay: Some(TimeDelta::zero()),
            asynchronous_customers: false,
            partner_events: false,
            fulfilment: Fulfilment::default(),
            names,
            sales: 0,
        }
    }

    pub(super) fn register(&mut self, customer: Customer) -> Result<(), ShopError> {
        if self.customers.contains_key(&customer.account) {
            return Err(ShopError::CustomerExists);
        }
        self.customers.insert(customer.account.clone(), Arc::new(customer));
        Ok(())
    }

    pub(super) fn sign_up(&mut self, customer: Customer, channel: i64, now: DateTime<Utc>) -> Result<(), ShopError> {
        let channel = catalog::channel(channel).ok_or(ShopError::NoSuchChannel)?;
        let row = partner::customer_created(channel, &customer, now);
        self.register(customer)?;
        if self.partner_events {
            self.emit_event(row, now)?;
        }
        Ok(())
    }

    pub(super) fn open_cart(&mut self, opening: CartOpening, now: DateTime<Utc>) -> Result<String, ShopError> {
        let channel = catalog::channel(opening.channel).ok_or(ShopError::NoSuchChannel)?;
        let customer = match &opening.customer {
            Some(account) => Some(self.served_customer(channel.data_area, account).ok_or(ShopError::NoSuchCustomer)?),
            None => None,
        };
        let terminal = channel.terminals.choose(&mut self.rng).copied().unwrap_or_default();
        let staff = channel.staff.choose(&mut self.rng).copied().unwrap_or_default();
        let id = match opening.id {
            Some(id) if self.carts.contains_key(&id) || self.orders.contains_key(&id) => {
                return Err(ShopError::CartExists);
            }
            Some(id) => id,
            None => self.new_cart_id(channel, terminal, now),
        };
        let cart = Cart {
            id: id.clone(),
            channel,
            terminal: terminal.to_owned(),
            staff: staff.to_owned(),
            customer,
            loyalty_card: opening.loyalty_card,
            receipt_email: opening.receipt_email,
            begun: now,
            modified: now,
            lines: Vec::new(),
            version: 1,
            checked_out: false,
        };
        self.carts.insert(id.clone(), Arc::new(cart));
        Ok(id)
    }

    /// The id of a store's cart has a timestamp in milliseconds; the id of a web cart has random characters.
    fn new_cart_id(&mut self, channel: &Channel, terminal: &str, now: DateTime<Utc>) -> String {
        let mut millis = now.timestamp_millis();
        loop {
            let id = match channel.kind {
                ChannelKind::InStore => format!("{}-{terminal}-{millis}", channel.name),
                ChannelKind::Online => self.code(32, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            };
            if !self.carts.contains_key(&id) && !self.orders.contains_key(&id) {
                return id;
            }
            millis += 1;
        }
    }

    fn code(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length).filter_map(|_| alphabet.choose(&mut self.rng)).map(|byte| char::from(*byte)).collect()
    }

    fn uuid(&mut self) -> uuid::Uuid {
        uuid::Builder::from_random_bytes(self.rng.random()).into_uuid()
    }

    pub(super) fn add_to_cart(&mut self, id: &str, items: &[Item], now: DateTime<Utc>) -> Result<EventRow, ShopError> {
        let added = self.lines(items)?;
        let cart = self.carts.get(id).ok_or(ShopError::NoSuchCart)?;
        if cart.checked_out {
            return Err(ShopError::AlreadyCheckedOut);
        }
        let mut cart = Cart::clone(cart);
        let row = event_of(&cart, "AddCartLines", cart.event_data(&added), now).fitted()?;
        cart.lines.extend(added);
        cart.modified = now;
        cart.version += 1;
        let (row, committed) = self.commit(row, now);
        self.enter(LedgerEntry::of_cart(row.clone(), committed, &cart, None));
        self.carts.insert(cart.id.clone(), Arc::new(cart));
        Ok(Arc::unwrap_or_clone(row))
    }

    pub(super) fn remove_from_cart(&mut self, id: &str, now: DateTime<Utc>) -> Result<(), ShopError> {
        let cart = self.carts.get_mut(id).ok_or(ShopError::NoSuchCart)?;
        if cart.checked_out {
            return Err(ShopError::AlreadyCheckedOut);
        }
        let cart = Arc::make_mut(cart);
        cart.lines.pop().ok_or(ShopError::NoLines)?;
        cart.modified = now;
        cart.version += 1;
        let facts = CartFacts::of(cart);
        let is_change = |entry: &&mut Arc<LedgerEntry>| entry.cart.is_some() && entry.event.transaction_id == id;
        if let Some(last) = self.ledger.iter_mut().rev().find(is_change) {
            Arc::make_mut(last).cart = Some(facts);
        }
        Ok(())
    }

    fn lines(&mut self, items: &[Item]) -> Result<Vec<Line>, ShopError> {
        if items.is_empty() {
            return Err(ShopError::NoLines);
        }
        items.iter().map(|item| self.line(*item)).collect()
    }

    fn line(&mut self, item: Item) -> Result<Line, ShopError> {
        let product = catalog::product_by_id(item.product).ok_or(ShopError::NoSuchProduct)?;
        if !(1..=10_000).contains(&item.quantity) {
            return Err(ShopError::Quantity);
        }
        Ok(Line { id: self.uuid().simple().to_string(), product, quantity: item.quantity, price: product.price })
    }

    pub(super) fn checkout(&mut self, id: &str, checkout: Checkout, now: DateTime<Utc>) -> Result<EventRow, ShopError> {
        let cart = self.carts.get(id).ok_or(ShopError::NoSuchCart)?;
        if cart.checked_out {
            return Err(ShopError::AlreadyCheckedOut);
        }
        if cart.lines.is_empty() {
            return Err(ShopError::NoLines);
        }
        let mut cart = Cart::clone(cart);
        // The extension writes an empty object, because the order itself can be read.
        let row = event_of(&cart, "Checkout", "{}".to_owned(), now).fitted()?;
        let (row, committed) = self.commit(row, now);
        cart.checked_out = true;
        cart.modified = now;
        cart.version += 1;
        let cart = Arc::new(cart);
        let sale = self.sale(&cart, checkout, row.date_time.to_utc());
        self.enter(LedgerEntry::of_cart(row.clone(), committed, &cart, Some(&sale)));
        let next = if self.partner_events { self.fulfilment.add(&sale, now) } else { None };
        let order = Order {
            sale: Arc::new(sale),
            readable_from: self.order_delay.map(|delay| committed + delay),
            replacement: None,
        };
        self.orders.insert(cart.id.clone(), order);
        self.carts.insert(cart.id.clone(), cart);
        if let Some(next) = next {
            self.work_on_order(next, now)?;
        }
        Ok(Arc::unwrap_or_clone(row))
    }

    /// Writes what a store has done with an order.
    fn work_on_order(&mut self, event: OrderEvent, now: DateTime<Utc>) -> Result<(), ShopError> {
        let OrderEvent { sale, row, reference } = event;
        let (row, committed) = self.commit(row.fitted()?, now);
        self.enter(LedgerEntry::of_order(row, committed, &sale, reference));
        Ok(())
    }

    fn sale(&mut self, cart: &Arc<Cart>, checkout: Checkout, sold: DateTime<Utc>) -> Sale {
        self.sales += 1;
        let online = cart.channel.kind == ChannelKind::Online;
        let numbered = online && self.rng.random_bool(0.5);
        Sale {
            internal_id: self.uuid(),
            sold,
            receipt_email: checkout.receipt_email.unwrap_or_else(|| cart.receipt_email.clone()),
            name: cart.customer.as_ref().map_or(checkout.name, |customer| customer.name()),
            channel_reference: if online { self.code(10, b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789") } else { String::new() },
            // Headquarters assigns the order number some time after the checkout.
            sales_id: if numbered { format!("{:06}", 12_000 + self.sales) } else { String::new() },
            receipt_id: if online { String::new() } else { format!("STONON-{}", 2_100_000 + self.sales) },
            cart: cart.clone(),
        }
    }

    pub(super) fn emit_event(&mut self, row: EventRow, now: DateTime<Utc>) -> Result<EventRow, ShopError> {
        let row = row.fitted()?;
        let customer = self.customers.get(&row.customer_id).cloned();
        let (row, committed) = self.commit(row, now);
        self.enter(LedgerEntry::of_row(row.clone(), committed, customer.as_deref()));
        Ok(Arc::unwrap_or_clone(row))
    }

    pub(super) fn emit_unfitted_event(&mut self, row: EventRow, now: DateTime<Utc>) {
        self.commit(row, now);
    }

    fn enter(&mut self, mut entry: LedgerEntry) {
        entry.committed -= self.skew;
        self.ledger.push(Arc::new(entry));
    }

    fn commit(&mut self, row: EventRow, now: DateTime<Utc>) -> (Arc<EventRow>, DateTime<Utc>) {
        let committed = now + self.commit_delay;
        (self.events.insert(row, committed), committed)
    }

    pub(super) fn order(&self, channel: i64, id: &str, now: DateTime<Utc>) -> Option<Order> {
        let order = self.orders.get(id)?;
        let readable = order.readable_from.is_some_and(|from| from <= now);
        (readable && order.sale.cart.channel.id == channel).then(|| order.clone())
    }

    pub(super) fn cart(&self, channel: i64, id: &str) -> Option<Arc<Cart>> {
        self.carts.get(id).filter(|cart| cart.channel.id == channel).cloned()
    }

    pub(super) fn served_customer(&self, data_area: &str, account: &str) -> Option<Arc<Customer>> {
        let customer = self.customers.get(account).filter(|customer| customer.data_area == data_area)?;
        (!self.gone.contains(account)).then(|| customer.clone())
    }
}

fn event_of(cart: &Cart, event_type: &str, data: String, now: DateTime<Utc>) -> EventRow {
    EventRow {
        transaction_id: cart.id.clone(),
        date_time: SqlDateTime::nearest(now),
        event_type: event_type.to_owned(),
        data_area_id: cart.channel.data_area.to_owned(),
        data,
        channel_id: cart.channel.id,
        terminal_id: cart.terminal.clone(),
        staff_id: cart.staff.clone(),
        customer_id: cart.account().to_owned(),
    }
}
