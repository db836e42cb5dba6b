//! Which carts were abandoned, by the shop's ledger alone: nobody changed them for the wait of the journey, and nobody bought
//! them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Journey, Occasion};
use crate::dataverse::StartedJourney;
use crate::shop::LedgerEntry;

/// A purchase or a change may become known this much later than it was made, at most half of the wait.
const LONGEST_DELAY: TimeDelta = TimeDelta::minutes(1);

/// All carts with a change, by id.
pub(super) struct Carts<'a> {
    carts: HashMap<&'a str, Cart<'a>>,
    wait: TimeDelta,
}

#[derive(Default)]
struct Cart<'a> {
    /// The changes, the first one first.
    changes: Vec<&'a LedgerEntry>,
    checkout: Option<&'a LedgerEntry>,
}

/// A cart whose reminder is expected, and the change after which it is due.
pub(super) struct Abandoned<'a> {
    pub(super) change: &'a LedgerEntry,
    /// It was bought at about that time, so that both are right.
    pub(super) is_optional: bool,
}

impl<'a> Carts<'a> {
    pub(super) fn new(ledger: &'a [Arc<LedgerEntry>], wait: TimeDelta) -> Self {
        let mut carts: HashMap<&str, Cart<'_>> = HashMap::new();
        for entry in ledger.iter().map(|entry| &**entry) {
            match entry.event.event_type.as_str() {
                "AddCartLines" => carts.entry(&entry.event.transaction_id).or_default().changes.push(entry),
                "Checkout" => carts.entry(&entry.event.transaction_id).or_default().checkout = Some(entry),
                _ => {}
            }
        }
        carts.values_mut().for_each(|cart| cart.changes.sort_by_key(|change| change.event.date_time));
        Self { carts, wait }
    }

    /// The abandoned carts.
    pub(super) fn abandoned(&self) -> impl Iterator<Item = Abandoned<'a>> {
        self.carts.values().filter_map(|cart| self.of(cart))
    }

    fn of(&self, cart: &Cart<'a>) -> Option<Abandoned<'a>> {
        let change = (0..cart.changes.len()).find(|index| !self.is_followed(cart, *index));
        let change = *cart.changes.get(change?)?;
        if change.cart.as_ref().is_some_and(|facts| facts.is_empty) {
            return None;
        }
        match cart.checkout {
            None => Some(Abandoned { change, is_optional: false }),
            Some(checkout) if self.is_known_before(checkout, change) => None,
            Some(_) => Some(Abandoned { change, is_optional: true }),
        }
    }

    /// Whether the change is followed by another one before its wait ends.
    fn is_followed(&self, cart: &Cart<'_>, index: usize) -> bool {
        let next = cart.changes.get(index + 1);
        next.is_some_and(|next| next.event.date_time.to_utc() <= self.due_at(cart.changes[index]))
    }

    /// Whether an event was surely known when the reminder of this change was due.
    fn is_known_before(&self, entry: &LedgerEntry, change: &LedgerEntry) -> bool {
        entry.committed + LONGEST_DELAY.min(self.wait / 2) <= self.due_at(change)
    }

    pub(super) fn due_at(&self, change: &LedgerEntry) -> DateTime<Utc> {
        change.event.date_time.to_utc() + self.wait
    }

    /// The parameters of a reminder that differ from the ledger: the time of the last change, and the contents of the cart
    /// when it started.
    pub(super) fn errors(&self, entry: &LedgerEntry, started: &StartedJourney) -> Vec<&'static str> {
        let Some(cart) = self.carts.get(entry.event.transaction_id.as_str()) else { return Vec::new() };
        let parameters = started.parameters();
        let added_at =
            parameters.get("msdynmkt_addedat").and_then(|text| text.as_str()).and_then(super::journey::moment);
        let is_last = |index: usize| {
            let next = cart.changes.get(index + 1);
            next.is_none_or(|next| !self.is_known_before(next, cart.changes[index]))
        };
        let mut changes = (0..cart.changes.len()).filter(|index| is_last(*index));
        let named = changes.find(|index| Some(cart.changes[*index].event.date_time.to_utc()) == added_at);
        let mut errors: Vec<_> = named.is_none().then_some("msdynmkt_addedat").into_iter().collect();
        // The cart is read again, so that it may contain a change whose event is not known yet.
        let as_read = cart.changes[named.unwrap_or(cart.changes.len() - 1)..].iter().filter_map(|it| it.cart.as_ref());
        let written = |name: &str| started.as_written(name).unwrap_or_default();
        let (count, total) = (written("msdynmkt_itemcount"), written("msdynmkt_carttotal"));
        if !as_read.into_iter().any(|facts| facts.item_count == count && facts.total == total) {
            errors.extend(["msdynmkt_itemcount", "msdynmkt_carttotal"]);
        }
        errors
    }
}

/// The occasion of a cart's reminder. A checkout has the same, and ends it.
pub fn reminder_of(entry: &LedgerEntry) -> Occasion {
    Occasion { journey: Journey::AbandonedCart, key: entry.event.transaction_id.clone() }
}
