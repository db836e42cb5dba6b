//! Reminders of carts: one for each abandoned cart, with its last contents.

use super::*;
use crate::shop::{Action, CHANNELS, Item, PRODUCTS, Shopper, VisitOutcome};

/// A cart with two changes, whose customer buys it or leaves it.
fn visit(day: &mut Day, outcome: VisitOutcome) -> [Arc<LedgerEntry>; 2] {
    let item = Item { product: PRODUCTS[0].id, quantity: 1 };
    let account = day.shop.customers()[0].account.clone();
    let (channel, adds) = (CHANNELS[0].id, vec![vec![item], vec![item]]);
    let before = day.ledger.len();
    day.shop.perform(&Action { channel, shopper: Shopper::Known(account), adds, outcome }).unwrap();
    day.ledger = day.shop.ledger();
    [day.ledger[before].clone(), day.ledger[before + 1].clone()]
}

/// A reminder of a cart, with the parameters of this change.
fn remind(day: &mut Day, change: &LedgerEntry) {
    let contact = day.contact(change);
    day.start(&reminder_of(change), change, contact);
}

#[test]
fn an_abandoned_cart_has_one_reminder_with_its_last_contents() {
    let mut day = Day::new();
    let [_, last] = visit(&mut day, VisitOutcome::LeaveWithoutBuying);
    assert_eq!(day.findings(), [1, 0, 0, 0, 0]);
    remind(&mut day, &last);
    assert_eq!(day.findings(), [0, 0, 0, 0, 0]);
    remind(&mut day, &last);
    assert_eq!(day.findings(), [0, 1, 0, 0, 0]);
}

#[test]
fn a_reminder_of_an_earlier_change_is_found() {
    let mut day = Day::new();
    let [first, _] = visit(&mut day, VisitOutcome::LeaveWithoutBuying);
    remind(&mut day, &first);
    assert_eq!(day.findings(), [0, 0, 0, 1, 0]);
    let what = &day.audit().misdirected[0].what;
    assert!(what.starts_with("differs from the cart: msdynmkt_addedat"), "{what}");
}

#[test]
fn a_reminder_with_earlier_contents_is_found() {
    let mut day = Day::new();
    let [first, last] = visit(&mut day, VisitOutcome::LeaveWithoutBuying);
    let stale = LedgerEntry { cart: first.cart.clone(), ..LedgerEntry::clone(&last) };
    remind(&mut day, &stale);
    let what = &day.audit().misdirected[0].what;
    assert_eq!(what, "differs from the cart: msdynmkt_itemcount, msdynmkt_carttotal");
}

#[test]
fn a_reminder_of_a_cart_that_was_bought_is_found() {
    let mut day = Day::new();
    let lost = |day: &Day| day.findings()[0];
    let before = lost(&day);
    let [_, last] = visit(&mut day, VisitOutcome::Checkout { receipt_email: "ann@example.org".to_owned() });
    assert_eq!(lost(&day), before + 3, "the journeys of the order");
    remind(&mut day, &last);
    let what = &day.audit().misdirected[0].what;
    assert!(what.contains("the cart was bought"), "{what}");
}

#[test]
fn an_emptied_cart_has_no_reminder() {
    let mut day = Day::new();
    let [_, last] = visit(&mut day, VisitOutcome::LeaveWithoutBuying);
    day.shop.remove_from_cart(&last.event.transaction_id).unwrap();
    day.ledger = day.shop.ledger();
    assert_eq!(day.findings(), [1, 0, 0, 0, 0], "one line is left");
    day.shop.remove_from_cart(&last.event.transaction_id).unwrap();
    day.ledger = day.shop.ledger();
    assert_eq!(day.findings(), [0, 0, 0, 0, 0]);
}
