//! Journeys that wait, and that other events prevent.

mod carts;
mod crashes;
mod histories;
mod mixed;
mod operators;
mod periods;

use chrono::TimeDelta;
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction};
use sandbox::shop::{CartOpening, EventRow, Item, PRODUCTS};
use serde_json::{Value, json};

use crate::environment::{Plan, SHIPPED, TestEnvironment};
use crate::script::{Calls, Script};

const CART: [Journey; 1] = [Journey::AbandonedCart];

/// The shipped file with changes of its journeys, by name. Journeys that are not named are disabled.
fn journeys(changes: &[(&str, Value)]) -> String {
    let mut file: Value = serde_json::from_str(SHIPPED).unwrap();
    for journey in file["journeys"].as_array_mut().unwrap() {
        let change = changes.iter().find(|(name, _)| journey["name"] == *name);
        journey["enabled"] = json!(change.is_some());
        for (field, value) in change.iter().flat_map(|(_, change)| change.as_object().unwrap()) {
            journey[field] = value.clone();
        }
    }
    file.to_string()
}

/// Only the reminder of abandoned carts, as shipped: after an hour. One poll a minute.
fn reminders() -> Plan {
    waiting(journeys(&[("abandoned-cart", json!({}))]))
}

fn waiting(journeys: String) -> Plan {
    let mut plan = Plan::usual().with_journeys(journeys).with("PollSchedule", "0 * * * * *");
    plan.environment.cart_wait = TimeDelta::hours(1);
    plan
}

const fn minutes(minutes: i64) -> TimeDelta {
    TimeDelta::minutes(minutes)
}

/// Answers every read of a cart with this status.
fn answer_carts(test: &TestEnvironment, status: StatusCode) {
    let rule = move |call: &Call| match call.dependency == Dependency::Commerce && call.path.contains("Carts(") {
        true => FaultAction::Refuse(ErrorReply::bare(status)),
        false => FaultAction::Serve,
    };
    test.environment.network().set_faults(Script::new(&Calls::default(), rule));
}

impl TestEnvironment {
    /// A cart of a customer who has no contact yet, with one line.
    pub(crate) fn open_cart(&self) -> EventRow {
        self.open_cart_of(&self.stranger())
    }

    fn open_cart_of(&self, customer: &str) -> EventRow {
        let channel = sandbox::shop::CHANNELS[0].id;
        let opening = CartOpening { channel, customer: Some(customer.to_owned()), ..CartOpening::default() };
        let cart = self.shop().open_cart(opening).unwrap();
        self.add(&cart)
    }

    /// Adds a line to a cart.
    fn add(&self, cart: &str) -> EventRow {
        self.shop().add_to_cart(cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap()
    }

    fn buy(&self, cart: &EventRow) -> EventRow {
        self.shop().checkout(&cart.transaction_id, sandbox::shop::Checkout::default()).unwrap()
    }

    fn started(&self) -> usize {
        self.environment.dataverse().started().len()
    }

    /// The record of exactly this event, of several of one type and transaction.
    async fn exact(&self, event: &EventRow) -> Value {
        let documents = self.environment.cosmos().documents().await.unwrap();
        let time = event.date_time.to_string();
        let is_it = |document: &&Value| {
            document["EventTransactionId"] == event.transaction_id.as_str()
                && document["EventType"] == event.event_type.as_str()
                && document["EventDateTime"] == time.as_str()
        };
        documents.iter().find(is_it).unwrap_or_else(|| panic!("no record of {event:?}")).clone()
    }
}

/// The outcome of a journey in a record.
fn outcome(record: &Value, journey: Journey) -> &Value {
    &record["journeys"][journey.name()]
}

/// Whether a record says that its journey was skipped for this reason.
fn is_skipped(record: &Value, journey: Journey, code: &str) -> bool {
    let outcome = outcome(record, journey);
    record["status"] == "processed" && outcome["state"] == "skipped" && outcome["code"] == code
}
