//! The journeys of `examples/journeys.json`: one for each event of a partner's extension.

use super::journey::{Fact, Facts, Journey};
use crate::shop::{self, ChannelKind, LedgerEntry, OrderReference};

/// The occasion of an example: the transaction id of its event.
pub(super) fn key(journey: Journey, entry: &LedgerEntry) -> Option<String> {
    (entry.event.event_type == journey.event_type()).then(|| entry.event.transaction_id.clone())
}

/// The expected parameters of an example.
pub(super) fn facts(journey: Journey, entry: &LedgerEntry) -> Facts<'_> {
    let Some(about) = &entry.about else { return of_customer(journey, entry) };
    let OrderReference { transaction_id, order, pickup_code, refund } = about;
    let mut facts = vec![
        ("msdynmkt_orderid", Fact::Text(transaction_id)),
        ("msdynmkt_receiptemail", Fact::Text(entry.email.as_deref().unwrap_or_default())),
    ];
    match journey {
        Journey::RefundConfirmation => {
            facts.push(("msdynmkt_refundamount", Fact::Number(refund.as_deref().unwrap_or_default())));
            facts.push(("msdynmkt_currencycode", Fact::Text(&order.currency)));
        }
        Journey::ReadyForPickup => {
            let store = shop::channel(entry.event.channel_id).filter(|channel| channel.kind == ChannelKind::InStore);
            facts.push(("msdynmkt_storename", Fact::Text(store.map_or("", |channel| channel.name))));
            facts.push(("msdynmkt_pickupcode", Fact::Text(pickup_code.as_deref().unwrap_or_default())));
        }
        _ => facts.push(("msdynmkt_shippedat", Fact::Time(entry.event.date_time.to_utc()))),
    }
    facts
}

fn of_customer(journey: Journey, entry: &LedgerEntry) -> Facts<'_> {
    match journey {
        Journey::Welcome => vec![("msdynmkt_createdat", Fact::Time(entry.event.date_time.to_utc()))],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::audit::{Audit, Evidence, due};
    use crate::clock::Clock;
    use crate::dataverse::{Contact, StartedJourney};
    use crate::service_bus::Counts;
    use crate::shop::Shop;

    /// The starts of the examples on a day, as a correct handler makes them.
    struct Day {
        ledger: Vec<Arc<LedgerEntry>>,
        contacts: Vec<Contact>,
        started: Vec<Arc<StartedJourney>>,
    }

    impl Day {
        fn new() -> Self {
            let shop = Shop::new(Clock::real(), 1);
            shop.set_partner_events(true);
            for action in shop.plan(60, 1) {
                shop.perform(&action).unwrap();
            }
            let mut day = Self { ledger: shop.ledger(), contacts: Vec::new(), started: Vec::new() };
            for entry in day.ledger.clone() {
                for occasion in due(&entry, &EXAMPLES) {
                    day.start(occasion.journey, &entry);
                }
            }
            day
        }

        fn start(&mut self, journey: Journey, entry: &LedgerEntry) {
            let contact = Uuid::new_v4();
            let (email, contact_number) = (entry.email.clone(), entry.account.clone());
            self.contacts.push(Contact { id: contact, email, contact_number, ..Contact::default() });
            let mut body = json!({"msdynmkt_bindingid": entry.event.transaction_id});
            for (name, fact) in facts(journey, entry) {
                body[name] = match fact {
                    Fact::Text(text) | Fact::Moment(text) => json!(text),
                    Fact::Number(number) => serde_json::from_str(number).unwrap(),
                    Fact::Time(time) => json!(time),
                };
            }
            self.started.push(Arc::new(StartedJourney {
                number: self.started.len() as u64 + 1,
                trigger: journey.trigger().to_owned(),
                contact: Some(contact),
                to_active_contact: true,
                body: body.to_string(),
                at: entry.committed,
                traceparent: None,
            }));
        }

        /// The numbers of lost, repeated and wrong starts.
        fn findings(&self) -> [usize; 3] {
            let audit = Audit::of(&Evidence {
                ledger: &self.ledger,
                started: &self.started,
                contacts: &self.contacts,
                initial_contacts: &self.contacts.iter().map(|contact| contact.id).collect::<BTreeSet<_>>(),
                enabled: &EXAMPLES,
                explained: &[],
                requests: &[],
                left_over: Counts::default(),
                cart_wait: crate::shop::CART_WAIT,
            });
            [audit.lost.len(), audit.duplicated.len(), audit.misdirected.len()]
        }
    }

    const EXAMPLES: [Journey; 4] =
        [Journey::ShippingNotification, Journey::ReadyForPickup, Journey::RefundConfirmation, Journey::Welcome];

    #[test]
    fn exactly_one_start_per_event_of_a_partner_is_expected() {
        let mut day = Day::new();
        assert!(day.started.len() > 10);
        assert_eq!(day.findings(), [0, 0, 0]);
        let mut again = StartedJourney::clone(&day.started[0]);
        again.number = 1_000;
        day.started.push(Arc::new(again));
        assert_eq!(day.findings(), [0, 1, 0]);
        day.started.remove(1);
        assert_eq!(day.findings(), [1, 1, 0]);
    }

    #[test]
    fn a_wrong_value_of_an_example_is_found() {
        for (journey, parameter) in [
            (Journey::ShippingNotification, "msdynmkt_orderid"),
            (Journey::ShippingNotification, "msdynmkt_shippedat"),
            (Journey::ReadyForPickup, "msdynmkt_pickupcode"),
            (Journey::ReadyForPickup, "msdynmkt_storename"),
            (Journey::RefundConfirmation, "msdynmkt_refundamount"),
            (Journey::Welcome, "msdynmkt_createdat"),
        ] {
            let mut day = Day::new();
            let started = day.started.iter_mut().find(|started| started.trigger == journey.trigger()).unwrap();
            let mut body: serde_json::Value = serde_json::from_str(&started.body).unwrap();
            body[parameter] = json!("wrong");
            Arc::make_mut(started).body = body.to_string();
            assert_eq!(day.findings(), [0, 0, 1], "{parameter}");
        }
    }
}
