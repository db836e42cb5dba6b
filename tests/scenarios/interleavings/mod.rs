//! Every order of the requests of two processes: each request is one step, and one lease may run out in between.
//!
//! The orders are a seeded sample of all orders: `INTERLEAVINGS=200` sets their number for each pair. Only requests whose
//! order matters are steps: all to records and claims, and those to contacts and triggers.

mod model;
mod pair;
mod scheduler;

use std::collections::BTreeSet;

use self::model::{Delivery, World};
use self::pair::{Pair, Stage, Step};
use crate::random::Random;

/// Orders for each pair.
const ORDERS: usize = 40;

/// Lives through a sample of the orders of a pair.
async fn explore(pair: Pair) {
    let orders = std::env::var("INTERLEAVINGS").ok().and_then(|text| text.parse().ok()).unwrap_or(ORDERS);
    let mut stage = Stage::open(pair).await;
    let (mut distinct, mut rng) = (BTreeSet::new(), Random(1));
    for number in 0..orders {
        // The first two are the sequential ones.
        let mut choose = |enabled: &[Step]| match number {
            0 => enabled[0],
            1 => enabled[enabled.len().saturating_sub(2)],
            _ => enabled[rng.below(enabled.len())],
        };
        distinct.insert(stage.live(&mut choose).await);
    }
    let total = match pair {
        Pair::TwoDeliveries => all_orders().len().to_string(),
        _ => format!("about {}", estimate(&distinct)),
    };
    println!("lived {orders} orders of {pair:?}, {} distinct of {total}", distinct.len());
    stage.assert_end();
}

/// The number of orders of two processes that make as many requests as they made here at most, and one lease.
fn estimate(lived: &BTreeSet<Vec<Step>>) -> u128 {
    let requests = |actor| {
        let of_order = |order: &Vec<Step>| order.iter().filter(|step| **step == Step::Request(actor)).count();
        lived.iter().map(of_order).max().unwrap_or_default() as u128
    };
    let (one, other) = (requests(0), requests(1));
    let ways = (1..=other).fold(1, |ways, step| ways * (one + step) / step);
    // The lease does not run out, or before one of the requests.
    ways * (one + other + 1)
}

/// All orders of two deliveries of one message in the model. Asserts in each state what always holds.
fn all_orders() -> Vec<Vec<Step>> {
    let mut orders = Vec::new();
    let mut open = vec![(World::default(), [Delivery::new(), Delivery::new()], Vec::new())];
    while let Some((world, deliveries, order)) = open.pop() {
        world.assert_holds();
        let mut steps: Vec<Step> =
            (0..2).filter(|actor| deliveries[*actor].next().is_some()).map(Step::Request).collect();
        if steps.is_empty() {
            assert_ends(&world, &deliveries);
            orders.push(order);
            continue;
        }
        if !world.has_expired() {
            steps.push(Step::LeaseExpires);
        }
        for step in steps {
            let (mut world, mut deliveries, mut order) = (world.clone(), deliveries.clone(), order.clone());
            match step {
                Step::Request(actor) => deliveries[actor].step(&mut world),
                Step::LeaseExpires => world.expire(),
            }
            order.push(step);
            open.push((world, deliveries, order));
        }
    }
    orders
}

/// At the end the journey has started and is recorded, or a rescheduled message carries it, or nothing was invoked.
fn assert_ends(world: &World, deliveries: &[Delivery; 2]) {
    let is_carried = deliveries.iter().any(Delivery::carries);
    assert!(world.is_final() || is_carried || world.invoked == 0, "{world:#?} {deliveries:#?}");
}

#[test]
fn the_claim_protocol_holds_in_every_order() {
    println!("{} orders of two deliveries of one message in the model", all_orders().len());
}

#[tokio::test]
async fn two_deliveries_of_one_message_in_any_order() {
    explore(Pair::TwoDeliveries).await;
}

#[tokio::test]
async fn two_deliveries_with_clocks_that_differ_by_more_than_a_lease_in_any_order() {
    explore(Pair::TwoDeliveriesClocksApart).await;
}

#[tokio::test]
async fn two_deliveries_after_a_crash_in_any_order() {
    explore(Pair::TwoDeliveriesAfterCrash).await;
}

#[tokio::test]
async fn a_delivery_and_a_replay_in_any_order() {
    explore(Pair::DeliveryAndReplay { force: false }).await;
}

#[tokio::test]
async fn a_delivery_and_a_replay_with_force_in_any_order() {
    explore(Pair::DeliveryAndReplay { force: true }).await;
}

#[tokio::test]
async fn a_delivery_and_the_next_publication_in_any_order() {
    explore(Pair::DeliveryAndPublication).await;
}

#[tokio::test]
async fn two_polls_in_any_order() {
    explore(Pair::TwoPolls).await;
}

#[tokio::test]
async fn two_polls_of_an_event_that_is_due_in_any_order() {
    explore(Pair::TwoPollsOfDueEvent).await;
}

#[tokio::test]
async fn two_new_events_of_one_customer_in_any_order() {
    explore(Pair::TwoEventsOfOneCustomer).await;
}
