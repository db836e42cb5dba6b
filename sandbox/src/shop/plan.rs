//! Plans the visits of a scenario: the customers, their items, and whether they buy.

use std::sync::Arc;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::cart::Item;
use super::catalog::{CHANNELS, Channel, ChannelKind, PRODUCTS};
use super::customers::{self, Customer, Names};
use super::events::EventRow;
use super::{CartOpening, Checkout, Shop, ShopError};

/// One visit to the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Record id of the channel.
    pub channel: i64,
    /// The visitor.
    pub shopper: Shopper,
    /// The items; each list is one `AddCartLines`.
    pub adds: Vec<Vec<Item>>,
    /// The outcome of the visit.
    pub outcome: VisitOutcome,
}

/// The visitor of the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shopper {
    /// A customer, by account number.
    Known(String),
    /// A new customer, who is registered with the first visit.
    New(Box<Customer>),
    /// A guest without an account. The name is empty in store.
    Guest {
        /// The name for delivery.
        name: String,
    },
}

/// The outcome of a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisitOutcome {
    /// The visitor checks out.
    Checkout {
        /// The receipt address of the order, empty for none.
        receipt_email: String,
    },
    /// The visitor leaves the cart without buying.
    LeaveWithoutBuying,
}

impl Action {
    /// Whether the visit ends with a checkout.
    pub fn is_checkout(&self) -> bool {
        matches!(self.outcome, VisitOutcome::Checkout { .. })
    }

    pub(super) fn perform(&self, shop: &Shop) -> Result<Vec<EventRow>, ShopError> {
        let cart = shop.open_cart(self.opening(shop)?)?;
        let mut events = self.adds.iter().map(|items| shop.add_to_cart(&cart, items)).collect::<Result<Vec<_>, _>>()?;
        if let VisitOutcome::Checkout { receipt_email } = &self.outcome {
            let name = if let Shopper::Guest { name } = &self.shopper { name.clone() } else { String::new() };
            events.push(shop.checkout(&cart, Checkout { receipt_email: Some(receipt_email.clone()), name })?);
        }
        Ok(events)
    }

    fn opening(&self, shop: &Shop) -> Result<CartOpening, ShopError> {
        let customer = match &self.shopper {
            Shopper::Guest { .. } => None,
            Shopper::Known(account) => Some(shop.customer(account).ok_or(ShopError::NoSuchCustomer)?),
            Shopper::New(customer)
                if shop.creates_asynchronously() && shop.sign_up(customer.pending(), self.channel).is_ok() =>
            {
                shop.customer(&customer.pending().account)
            }
            Shopper::New(customer) => {
                let account = || Customer::clone(customer);
                // Headquarters creates the account of a customer who has signed up before.
                let created = match shop.creates_asynchronously() {
                    true => shop.register(account()),
                    false => shop.sign_up(account(), self.channel),
                };
                match created {
                    Ok(()) | Err(ShopError::CustomerExists) => {}
                    Err(error) => return Err(error),
                }
                shop.customer(&customer.account)
            }
        };
        Ok(CartOpening {
            channel: self.channel,
            loyalty_card: customer.as_ref().and_then(|customer| customer.loyalty_card.clone()).unwrap_or_default(),
            customer: customer.map(|customer| customer.account.clone()),
            ..CartOpening::default()
        })
    }
}

/// See [`Shop::plan`].
pub(super) fn plan(customers: &[Arc<Customer>], orders: usize, rng: StdRng, names: Names) -> Vec<Action> {
    let (regulars, actions) = (Vec::new(), Vec::new());
    let mut planner = Planner { customers, regulars, rng, names, actions, missing: orders, guests: 0 };
    while planner.missing > 0 {
        planner.next();
    }
    planner.actions
}

struct Planner<'a> {
    customers: &'a [Arc<Customer>],
    /// Customers who bought before in this plan and may come again.
    regulars: Vec<Arc<Customer>>,
    rng: StdRng,
    names: Names,
    actions: Vec<Action>,
    missing: usize,
    guests: usize,
}

impl Planner<'_> {
    fn next(&mut self) {
        match self.rng.random_range(0..100) {
            0..18 => self.leave_without_buying(),
            18..38 => self.guest(),
            38..50 => self.newcomer(),
            50..65 => self.regular(),
            _ => self.customer(),
        }
    }

    fn leave_without_buying(&mut self) {
        if self.rng.random_ratio(1, 3) {
            let channel = self.channel(|_| true);
            self.visit(channel, Shopper::Guest { name: String::new() }, VisitOutcome::LeaveWithoutBuying);
        } else if let Some(customer) = self.customers.choose(&mut self.rng).cloned() {
            let channel = self.channel_for(&customer);
            self.visit(channel, Shopper::Known(customer.account.clone()), VisitOutcome::LeaveWithoutBuying);
        }
    }

    fn guest(&mut self) {
        let channel = self.channel(|_| true);
        let (mut name, mut receipt_email) = (String::new(), String::new());
        if channel.kind == ChannelKind::Online {
            // One guest in four has ordered before.
            if self.guests == 0 || self.rng.random_ratio(3, 4) {
                self.guests += 1;
            }
            name = format!("Guest No. {}", self.guests);
            receipt_email = customers::guest_email(self.guests, self.names);
        }
        self.visit(channel, Shopper::Guest { name }, VisitOutcome::Checkout { receipt_email });
    }

    /// A new customer orders twice in a row.
    fn newcomer(&mut self) {
        let customer = Arc::new(customers::newcomer(&mut self.rng, self.names));
        for _ in 0..self.missing.min(2) {
            let shopper = Shopper::New(Box::new(Customer::clone(&customer)));
            self.purchase(&customer, shopper);
        }
    }

    fn regular(&mut self) {
        match self.regulars.choose(&mut self.rng).cloned() {
            Some(customer) => self.purchase(&customer, Shopper::Known(customer.account.clone())),
            None => self.customer(),
        }
    }

    fn customer(&mut self) {
        if let Some(customer) = self.customers.choose(&mut self.rng).cloned() {
            self.purchase(&customer, Shopper::Known(customer.account.clone()));
            self.regulars.push(customer);
        }
    }

    fn purchase(&mut self, customer: &Customer, shopper: Shopper) {
        let channel = self.channel_for(customer);
        let asked = channel.kind == ChannelKind::Online || self.rng.random_ratio(2, 5);
        let receipt_email = if asked { customer.reachable_at().unwrap_or_default().to_owned() } else { String::new() };
        self.visit(channel, shopper, VisitOutcome::Checkout { receipt_email });
    }

    fn visit(&mut self, channel: &Channel, shopper: Shopper, outcome: VisitOutcome) {
        let adds = (0..self.rng.random_range(1..=2)).map(|_| self.items()).collect();
        let action = Action { channel: channel.id, shopper, adds, outcome };
        self.missing -= usize::from(action.is_checkout());
        self.actions.push(action);
    }

    fn items(&mut self) -> Vec<Item> {
        let lines = self.rng.random_range(1..=2);
        let products: Vec<_> = PRODUCTS.sample(&mut self.rng, lines).collect();
        products
            .into_iter()
            .map(|product| Item { product: product.id, quantity: self.rng.random_range(1..=3) })
            .collect()
    }

    fn channel_for(&mut self, customer: &Customer) -> &'static Channel {
        self.channel(|channel| channel.data_area == customer.data_area)
    }

    fn channel(&mut self, fits: impl Fn(&Channel) -> bool) -> &'static Channel {
        let fitting: Vec<_> = CHANNELS.iter().filter(|channel| fits(channel)).collect();
        fitting.choose(&mut self.rng).copied().unwrap_or(&CHANNELS[0])
    }
}
