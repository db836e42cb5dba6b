//! Which repeated starts are explained by injected faults.
//!
//! A trigger is not idempotent, and its answer can be lost. Only then may the handler call it again. A start whose
//! outcome was recorded does not explain a repetition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::audit::{Explained, Journey, Occasion};
use crate::cosmos::Recorded;
use crate::dataverse::StartedJourney;
use crate::environment::Environment;
use crate::shop::LedgerEntry;

/// The starts in this environment that explain the next start of the same journey. `kills` are times at which handlers
/// were certainly dead.
pub fn explained(environment: &Environment, kills: &[DateTime<Utc>]) -> Vec<Explained> {
    let (network, dataverse, cosmos) = (environment.network(), environment.dataverse(), environment.cosmos());
    explain(&dataverse.started(), kills, &network.undelivered(), &cosmos.journal(), &environment.ledger())
}

/// A start explains the next start of the same journey for the same event under two conditions: no accepted write had
/// recorded that journey as started by then, and either its own answer was not delivered (`undelivered` contains its
/// number) or a handler was killed between the two.
pub fn explain(
    started: &[Arc<StartedJourney>],
    kills: &[DateTime<Utc>],
    undelivered: &BTreeSet<u64>,
    journal: &[Recorded],
    ledger: &[Arc<LedgerEntry>],
) -> Vec<Explained> {
    let recorded = recorded(journal, ledger);
    let mut kills = kills.to_vec();
    kills.sort_unstable();
    let killed_between = |from: DateTime<Utc>, to: DateTime<Utc>| {
        let next = kills.partition_point(|kill| *kill < from);
        kills.get(next).is_some_and(|kill| *kill <= to)
    };
    let mut before: BTreeMap<Occasion, &StartedJourney> = BTreeMap::new();
    let mut explained = Vec::new();
    for start in started {
        let Some(occasion) = Journey::occasion_of(start) else { continue };
        let known = recorded.get(&occasion).is_some_and(|at| *at <= start.at);
        if let Some(first) = before.insert(occasion, start)
            && !known
            && (undelivered.contains(&first.number) || killed_between(first.at, start.at))
        {
            explained.push(Explained { started_number: first.number });
        }
    }
    explained
}

/// The time from which each occasion is recorded as started.
fn recorded(journal: &[Recorded], ledger: &[Arc<LedgerEntry>]) -> BTreeMap<Occasion, DateTime<Utc>> {
    let key = |entry: &LedgerEntry| {
        let event = &entry.event;
        (event.transaction_id.clone(), event.event_type.clone(), event.date_time.to_utc())
    };
    let entries: BTreeMap<_, _> = ledger.iter().map(|entry| (key(entry), entry)).collect();
    let mut times = BTreeMap::new();
    for write in journal {
        let Ok(moment) = DateTime::parse_from_rfc3339(&write.date_time) else { continue };
        let key = (write.transaction_id.clone(), write.event_type.clone(), moment.to_utc());
        let journey = Journey::of_name(&write.journey);
        let occasion = entries.get(&key).zip(journey).and_then(|(entry, journey)| journey.occasion(entry));
        if let Some(occasion) = occasion {
            times.entry(occasion).and_modify(|at: &mut DateTime<Utc>| *at = write.at.min(*at)).or_insert(write.at);
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;
    use crate::shop::{CHANNELS, CartOpening, Checkout, Item, PRODUCTS, Shop};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap() + TimeDelta::seconds(second)
    }

    /// One order, and its cart's event.
    fn ledger() -> Vec<Arc<LedgerEntry>> {
        let shop = Shop::new(Clock::real(), 1);
        let opening = CartOpening { channel: CHANNELS[0].id, ..CartOpening::default() };
        let cart = shop.open_cart(opening).unwrap();
        shop.add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
        shop.checkout(&cart, Checkout::default()).unwrap();
        shop.ledger()
    }

    fn start(number: u64, journey: Journey, entry: &LedgerEntry, second: i64) -> Arc<StartedJourney> {
        let parameters = match &entry.order {
            Some(order) => json!({ "msdynmkt_bindingid": order.internal_transaction_id.to_uppercase() }),
            None => json!({
                "msdynmkt_cartid": entry.event.transaction_id,
                "msdynmkt_addedat": entry.event.date_time.to_string(),
            }),
        };
        Arc::new(StartedJourney {
            number,
            trigger: journey.trigger().to_owned(),
            contact: None,
            to_active_contact: false,
            body: parameters.to_string(),
            at: at(second),
            traceparent: None,
        })
    }

    fn write(entry: &LedgerEntry, journey: Journey, second: i64) -> Recorded {
        Recorded {
            transaction_id: entry.event.transaction_id.clone(),
            event_type: entry.event.event_type.clone(),
            date_time: entry.event.date_time.to_string(),
            journey: journey.name().to_owned(),
            at: at(second),
        }
    }

    /// Two starts of an order confirmation, at 10 s and 20 s, with other things that happened.
    fn twice(kills: &[i64], undelivered: &[u64], recorded: &[i64]) -> Vec<u64> {
        let ledger = ledger();
        let entry = &ledger[1];
        let confirmation = Journey::OrderConfirmation;
        let started = [start(1, confirmation, entry, 10), start(2, confirmation, entry, 20)];
        let kills: Vec<_> = kills.iter().map(|second| at(*second)).collect();
        let journal: Vec<_> = recorded.iter().map(|second| write(entry, confirmation, *second)).collect();
        let undelivered = undelivered.iter().copied().collect();
        let explained = explain(&started, &kills, &undelivered, &journal, &ledger);
        explained.into_iter().map(|explained| explained.started_number).collect()
    }

    #[test]
    fn a_repetition_without_a_fault_is_not_explained() {
        assert!(twice(&[], &[], &[]).is_empty());
        assert!(twice(&[9, 21], &[2], &[]).is_empty());
    }

    #[test]
    fn a_kill_in_between_explains_a_repetition() {
        assert_eq!(twice(&[15], &[], &[]), [1]);
        assert_eq!(twice(&[30, 10], &[], &[]), [1]);
        // The record is written after the repetition.
        assert_eq!(twice(&[15], &[], &[21]), [1]);
    }

    #[test]
    fn an_undelivered_answer_explains_a_repetition() {
        assert_eq!(twice(&[], &[1], &[25]), [1]);
    }

    #[test]
    fn a_repetition_after_the_record_is_never_explained() {
        assert!(twice(&[15], &[], &[12]).is_empty());
        assert!(twice(&[15], &[1], &[12, 30]).is_empty());
        assert!(twice(&[15], &[], &[20]).is_empty());
    }

    #[test]
    fn each_repetition_needs_its_own_explanation() {
        let ledger = ledger();
        let feedback = |number, second| start(number, Journey::FeedbackRequest, &ledger[1], second);
        let started = [feedback(1, 10), feedback(2, 20), feedback(3, 30), feedback(4, 40)];
        let explained = explain(&started, &[at(15)], &BTreeSet::from([3]), &[], &ledger);
        assert_eq!(explained.iter().map(|it| it.started_number).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn journeys_and_events_are_separate() {
        let ledger = ledger();
        let (cart, order) = (&ledger[0], &ledger[1]);
        let started = [
            start(1, Journey::OrderConfirmation, order, 10),
            start(2, Journey::FeedbackRequest, order, 11),
            start(3, Journey::AbandonedCart, cart, 12),
            start(4, Journey::OrderConfirmation, order, 20),
            start(5, Journey::AbandonedCart, cart, 21),
        ];
        // These records are about other journeys than the confirmation and the cart.
        let journal = [write(order, Journey::FeedbackRequest, 12), write(order, Journey::AbandonedCart, 13)];
        let explained = explain(&started, &[at(15)], &BTreeSet::new(), &journal, &ledger);
        assert_eq!(explained.iter().map(|it| it.started_number).collect::<Vec<_>>(), [1, 3]);
        let journal = [write(cart, Journey::AbandonedCart, 13)];
        let explained = explain(&started, &[at(15)], &BTreeSet::new(), &journal, &ledger);
        assert_eq!(explained.iter().map(|it| it.started_number).collect::<Vec<_>>(), [1]);
    }
}
