//! A shop with checkouts: orders of a realistic size from customers who are contacts in Dataverse.

use std::sync::Arc;

use sandbox::dataverse::Contact;
use sandbox::environment::Environment;
use sandbox::shop::{CHANNELS, CartOpening, Channel, Checkout, Customer, Item, PRODUCTS};
use uuid::Uuid;

use crate::failure::Failure;

/// Sells to customers who are contacts.
pub(crate) struct Sellers<'a> {
    environment: &'a Environment,
    customers: Vec<String>,
    channels: Vec<&'static Channel>,
}

impl<'a> Sellers<'a> {
    /// Adds `count` customers to the shop, and their contacts to Dataverse.
    pub(crate) fn new(environment: &'a Environment, count: usize) -> Result<Self, Failure> {
        let (model, company) = model(environment)?;
        let customers =
            (0..count).map(|number| add_customer(environment, &model, company, number)).collect::<Result<_, _>>()?;
        let channels = CHANNELS.iter().filter(|channel| channel.data_area == model.data_area).collect();
        Ok(Self { environment, customers, channels })
    }

    /// Checkout number `number` (from 0), of two lines.
    pub(crate) fn sell(&self, number: usize) -> Result<(), Failure> {
        let shop = self.environment.shop();
        let channel = self.channels[number % self.channels.len()];
        let customer = &self.customers[number % self.customers.len()];
        let opening = CartOpening { channel: channel.id, customer: Some(customer.clone()), ..CartOpening::default() };
        let cart = shop.open_cart(opening)?;
        let item = |offset: usize| Item { product: PRODUCTS[(number + offset) % PRODUCTS.len()].id, quantity: 1 };
        shop.add_to_cart(&cart, &[item(0), item(1)])?;
        shop.checkout(&cart, Checkout::default())?;
        Ok(())
    }

    /// Checkouts from number `from` to before `to`.
    pub(crate) fn sell_all(&self, from: usize, to: usize) -> Result<(), Failure> {
        (from..to).try_for_each(|number| self.sell(number))
    }

    /// Renders the orders of all checkouts so far, so that the Scale Unit only has to send them.
    pub(crate) fn render(&self) {
        let shop = self.environment.shop();
        for entry in self.environment.ledger().iter().filter(|entry| entry.event.event_type == "Checkout") {
            if let Some(body) = shop.order_body(entry.event.channel_id, &entry.event.transaction_id) {
                shop.replace_order_body(&entry.event.transaction_id, body);
            }
        }
    }

    /// The mean size of the orders of all checkouts so far, in bytes.
    pub(crate) fn mean_order_bytes(&self) -> usize {
        let ledger = self.environment.ledger();
        let sizes: Vec<usize> = ledger
            .iter()
            .filter(|entry| entry.event.event_type == "Checkout")
            .take(100)
            .filter_map(|entry| self.environment.shop().order_body(entry.event.channel_id, &entry.event.transaction_id))
            .map(|body| body.len())
            .collect();
        sizes.iter().sum::<usize>() / sizes.len().max(1)
    }
}

/// A customer as a template, and the company in Dataverse.
fn model(environment: &Environment) -> Result<(Arc<Customer>, Uuid), Failure> {
    let contacts = environment.dataverse().contacts();
    environment
        .shop()
        .customers()
        .into_iter()
        .filter(|customer| customer.data_area == CHANNELS[0].data_area)
        .find_map(|customer| {
            let contact = contacts.iter().find(|it| it.contact_number.as_ref() == Some(&customer.account))?;
            Some((customer, contact.company?))
        })
        .ok_or_else(|| "no customer is a contact".into())
}

fn add_customer(environment: &Environment, model: &Customer, company: Uuid, number: usize) -> Result<String, Failure> {
    let account = format!("B-{number:06}");
    let email = format!("customer.{number}@example.org");
    environment.shop().register(Customer {
        account: account.clone(),
        record_id: model.record_id + 1_000_000 + 100 * i64::try_from(number)?,
        email: email.clone(),
        ..model.clone()
    })?;
    environment.dataverse().add_contact(&Contact {
        first_name: Some(model.first_name.clone()),
        last_name: Some(model.last_name.clone()),
        email: Some(email),
        contact_number: Some(account.clone()),
        company: Some(company),
        ..Contact::default()
    });
    Ok(account)
}
