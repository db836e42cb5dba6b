mod carts;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use crate::shop::{CART_WAIT, Shop};

/// A small scenario, and the result of a correct handler.
struct Day {
    shop: Shop,
    ledger: Vec<Arc<LedgerEntry>>,
    started: Vec<Arc<StartedJourney>>,
    contacts: Vec<Contact>,
    initial_contacts: BTreeSet<Uuid>,
    explained: Vec<Explained>,
    requests: Vec<HttpRequest>,
    left_over: Counts,
    enabled: Vec<Journey>,
}

impl Day {
    fn new() -> Self {
        let shop = Shop::new(Clock::real(), 1);
        for action in shop.plan(40, 1) {
            shop.perform(&action).unwrap();
        }
        let mut day = Self {
            ledger: shop.ledger(),
            shop,
            started: Vec::new(),
            contacts: Vec::new(),
            initial_contacts: BTreeSet::new(),
            explained: Vec::new(),
            requests: Vec::new(),
            left_over: Counts::default(),
            enabled: Journey::ALL.to_vec(),
        };
        let ledger = day.ledger.clone();
        for (occasion, entry) in expected(&ledger, &Journey::ALL, &Carts::new(&ledger, CART_WAIT)).0 {
            let contact = day.contact(entry);
            day.start(&occasion, entry, contact);
        }
        day
    }

    /// The customer's contact, created if necessary.
    fn contact(&mut self, entry: &LedgerEntry) -> Uuid {
        let found = self.contacts.iter().find(|contact| match &entry.account {
            Some(account) => contact.contact_number.as_ref() == Some(account),
            None => contact.contact_number.is_none() && contact.email == entry.email,
        });
        if let Some(found) = found {
            return found.id;
        }
        let id = Uuid::new_v4();
        let (email, contact_number) = (entry.email.clone(), entry.account.clone());
        self.contacts.push(Contact { id, email, contact_number, ..Contact::default() });
        id
    }

    fn start(&mut self, occasion: &Occasion, entry: &LedgerEntry, contact: Uuid) {
        let body = parameters(occasion.journey, entry);
        self.started.push(Arc::new(StartedJourney {
            number: self.started.len() as u64 + 1,
            trigger: occasion.journey.trigger().to_owned(),
            contact: Some(contact),
            to_active_contact: true,
            body,
            at: entry.committed + TimeDelta::milliseconds(800),
            traceparent: None,
        }));
    }

    /// The first start of a journey, to be changed by the test.
    fn first(&mut self, journey: Journey) -> &mut StartedJourney {
        Arc::make_mut(self.started.iter_mut().find(|started| started.trigger == journey.trigger()).unwrap())
    }

    /// Starts the first journey of a kind again. Returns the numbers of both starts.
    fn again(&mut self, journey: Journey) -> (u64, u64) {
        let mut again = self.first(journey).clone();
        let first = again.number;
        again.number = self.started.len() as u64 + 1;
        again.at = self.last_start() + TimeDelta::minutes(1);
        self.started.push(Arc::new(again));
        (first, self.started.len() as u64)
    }

    fn set_parameter(&mut self, journey: Journey, parameter: &str, value: &str) {
        let started = self.first(journey);
        let old = started.as_written(parameter).unwrap();
        let (old, new) = (format!("\"{parameter}\":{old}"), format!("\"{parameter}\":{value}"));
        started.body = started.body.replace(&old, &new);
    }

    fn audit(&self) -> Audit {
        Audit::of(&Evidence {
            ledger: &self.ledger,
            started: &self.started,
            contacts: &self.contacts,
            initial_contacts: &self.initial_contacts,
            enabled: &self.enabled,
            explained: &self.explained,
            requests: &self.requests,
            left_over: self.left_over,
            cart_wait: CART_WAIT,
        })
    }

    /// The number of findings of each kind: lost, duplicated, uncertain, misdirected, contacts.
    fn findings(&self) -> [usize; 5] {
        let audit = self.audit();
        assert_eq!(
            audit.is_clean(),
            audit.lost.len() + audit.duplicated.len() + audit.misdirected.len() + audit.duplicate_contacts.len() == 0
        );
        [
            audit.lost.len(),
            audit.duplicated.len(),
            audit.uncertain.len(),
            audit.misdirected.len(),
            audit.duplicate_contacts.len(),
        ]
    }
}

/// The parameters of the shipped `journeys.json` for an event, with amounts as they were written.
fn parameters(journey: Journey, entry: &LedgerEntry) -> String {
    let email = entry.email.as_deref().unwrap_or_default();
    let id = &entry.event.transaction_id;
    let mut parameters = match (journey, &entry.order) {
        (Journey::OrderConfirmation, Some(order)) => json!({
            "msdynmkt_channelreferenceid": order.channel_reference_id,
            "msdynmkt_createddatetime": order.created,
            "msdynmkt_currencycode": order.currency,
            "msdynmkt_name": order.name,
            "msdynmkt_receiptemail": email,
            "msdynmkt_salesid": order.sales_id,
        }),
        (Journey::FeedbackRequest, Some(order)) => json!({
            "msdynmkt_orderid": id,
            "msdynmkt_receiptemail": email,
            "msdynmkt_purchasedat": order.created,
            "msdynmkt_storename": if id.starts_with("HOUSTON") || id.starts_with("SEATTLE") { &id[..7] } else { "" },
        }),
        (Journey::LoyaltyInvitation, Some(order)) => {
            json!({ "msdynmkt_orderid": id, "msdynmkt_currencycode": order.currency })
        }
        _ => json!({ "msdynmkt_cartid": id, "msdynmkt_addedat": entry.event.date_time.to_string() }),
    };
    let Some(order) = &entry.order else {
        let (cart, parameters) = (entry.cart.as_ref().unwrap(), parameters.to_string());
        let numbers = format!(r#""msdynmkt_itemcount":{},"msdynmkt_carttotal":{}"#, cart.item_count, cart.total);
        return format!("{},{numbers}}}", &parameters[..parameters.len() - 1]);
    };
    parameters["msdynmkt_bindingid"] = Value::from(order.internal_transaction_id.clone());
    let parameters = parameters.to_string();
    format!("{},\"msdynmkt_amountpaid\":{}}}", &parameters[..parameters.len() - 1], order.amount_paid)
}

#[test]
fn a_correct_run_is_clean() {
    let day = Day::new();
    let audit = day.audit();
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!(audit.events, day.ledger.len());
    assert_eq!(audit.expected(), day.started.len());
    assert_eq!(audit.journeys.len(), 4);
    assert!(audit.journeys.iter().all(|journey| journey.expected > 0 && journey.expected == journey.started));
    assert_eq!(audit.latency, Some(Latency { p50_ms: 800, p99_ms: 800, max_ms: 800 }));
}

#[test]
fn journeys_need_a_reachable_customer_and_invitations_a_customer_without_a_card() {
    let day = Day::new();
    let checkouts: Vec<_> = day.ledger.iter().filter(|entry| entry.order.is_some()).collect();
    let reachable: Vec<_> = checkouts.iter().filter(|it| it.account.is_some() || it.email.is_some()).collect();
    assert!(reachable.len() < checkouts.len());
    let invited = reachable.iter().filter(|it| it.loyalty_card.is_none()).count();
    let counts: Vec<_> = day.audit().journeys.iter().map(|journey| journey.expected).collect();
    assert_eq!(counts[..3], [reachable.len(), reachable.len(), invited]);
    assert_eq!(day.ledger.iter().flat_map(|entry| due(entry, &Journey::DEFAULT)).count(), reachable.len());
}

#[test]
fn disabled_journeys_are_not_expected() {
    let mut day = Day::new();
    day.enabled = Journey::DEFAULT.to_vec();
    let [lost, duplicated, _, misdirected, _] = day.findings();
    let others = day.started.iter().filter(|it| it.trigger != Journey::OrderConfirmation.trigger()).count();
    assert_eq!([lost, duplicated, misdirected], [0, 0, others]);
}

#[test]
fn a_lost_journey_is_found() {
    let mut day = Day::new();
    day.started.remove(0);
    assert_eq!(day.findings(), [1, 0, 0, 0, 0]);
    assert_eq!(day.audit().lost[0].what, "never started");
}

#[test]
fn a_repetition_is_found_for_each_kind_of_journey() {
    for journey in Journey::ALL {
        let mut day = Day::new();
        day.again(journey);
        assert_eq!(day.findings(), [0, 1, 0, 0, 0], "{journey}");
        day.again(journey);
        assert_eq!(day.findings(), [0, 2, 0, 0, 0], "{journey}");
    }
}

#[test]
fn a_lost_answer_explains_one_repetition() {
    let mut day = Day::new();
    let (first, second) = day.again(Journey::OrderConfirmation);
    day.explained.push(Explained { started_number: first });
    assert_eq!(day.findings(), [0, 0, 1, 0, 0]);
    day.again(Journey::OrderConfirmation);
    assert_eq!(day.findings(), [0, 1, 1, 0, 0]);
    day.explained.push(Explained { started_number: second });
    assert_eq!(day.findings(), [0, 0, 2, 0, 0]);
}

#[test]
fn a_lost_answer_explains_no_earlier_repetition() {
    let mut day = Day::new();
    let (_, second) = day.again(Journey::OrderConfirmation);
    day.explained.push(Explained { started_number: second });
    assert_eq!(day.findings(), [0, 1, 0, 0, 0]);
}

#[test]
fn a_wrong_contact_is_found() {
    let mut day = Day::new();
    let stranger = Contact { id: Uuid::new_v4(), contact_number: Some("nobody's".into()), ..Contact::default() };
    let id = stranger.id;
    day.contacts.push(stranger);
    day.first(Journey::FeedbackRequest).contact = Some(id);
    assert_eq!(day.findings(), [0, 0, 0, 1, 0]);
    day.first(Journey::AbandonedCart).contact = None;
    assert_eq!(day.findings(), [0, 0, 0, 2, 0]);
}

#[test]
fn a_guest_is_matched_by_e_mail_case_insensitively() {
    let mut day = Day::new();
    let guest = day.contacts.iter_mut().find(|contact| contact.contact_number.is_none()).unwrap();
    guest.email = guest.email.as_ref().map(|email| email.to_uppercase());
    assert_eq!(day.findings(), [0; 5]);
    let guest = day.contacts.iter_mut().find(|contact| contact.contact_number.is_none()).unwrap();
    guest.email = Some("somebody@else.example".to_owned());
    let [lost, duplicated, _, misdirected, contacts] = day.findings();
    assert_eq!([lost, duplicated, contacts], [0; 3]);
    assert!(misdirected > 0);
}

#[test]
fn wrong_values_are_found_with_exact_digits() {
    for (journey, parameter, value) in [
        (Journey::OrderConfirmation, "msdynmkt_amountpaid", "1.0"),
        (Journey::OrderConfirmation, "msdynmkt_currencycode", "\"XTS\""),
        (Journey::OrderConfirmation, "msdynmkt_receiptemail", "\"somebody@else.example\""),
        (Journey::OrderConfirmation, "msdynmkt_createddatetime", "\"2001-01-01T00:00:00.000Z\""),
        (Journey::FeedbackRequest, "msdynmkt_purchasedat", "\"2001-01-01T00:00:00Z\""),
        (Journey::FeedbackRequest, "msdynmkt_storename", "\"BERLIN\""),
        (Journey::LoyaltyInvitation, "msdynmkt_orderid", "\"\""),
    ] {
        let mut day = Day::new();
        day.set_parameter(journey, parameter, value);
        let audit = day.audit();
        assert_eq!(day.findings(), [0, 0, 0, 1, 0], "{parameter}");
        assert!(audit.misdirected[0].what.ends_with(parameter), "{}", audit.misdirected[0]);
    }
    let mut day = Day::new();
    let amount = day.first(Journey::OrderConfirmation).as_written("msdynmkt_amountpaid").unwrap();
    day.set_parameter(Journey::OrderConfirmation, "msdynmkt_amountpaid", &format!("{amount}0"));
    assert_eq!(day.findings(), [0, 0, 0, 1, 0], "the same amount with other digits");
}

#[test]
fn a_journey_without_an_event_is_found() {
    let mut day = Day::new();
    day.set_parameter(Journey::OrderConfirmation, "msdynmkt_bindingid", "\"00000000-0000-0000-0000-000000000000\"");
    assert_eq!(day.findings(), [1, 0, 0, 1, 0]);
    day.first(Journey::AbandonedCart).trigger = "msdynmkt_somethingelse_1".to_owned();
    assert_eq!(day.findings(), [2, 0, 0, 2, 0]);
}

#[test]
fn duplicate_contacts_are_found() {
    let mut day = Day::new();
    let with_number = day.contacts.iter().find(|contact| contact.contact_number.is_some()).unwrap();
    day.contacts.push(Contact { id: Uuid::new_v4(), email: None, ..with_number.clone() });
    assert_eq!(day.findings(), [0, 0, 0, 0, 1]);
    let guest = day.contacts.iter().find(|contact| contact.contact_number.is_none()).unwrap();
    let email = guest.email.as_ref().map(|email| email.to_uppercase());
    day.contacts.push(Contact { id: Uuid::new_v4(), email, ..guest.clone() });
    assert_eq!(day.findings(), [0, 0, 0, 0, 2]);
    day.initial_contacts = day.contacts.iter().map(|contact| contact.id).collect();
    assert_eq!(day.findings(), [0, 0, 0, 0, 1], "existing guest contacts are not a finding");
}

#[test]
fn remaining_messages_are_not_clean() {
    let mut day = Day::new();
    for left_over in [
        Counts { active: 1, ..Counts::default() },
        Counts { scheduled: 1, ..Counts::default() },
        Counts { dead_lettered: 1, ..Counts::default() },
    ] {
        day.left_over = left_over;
        assert!(!day.audit().is_clean(), "{left_over:?}");
    }
}

#[test]
fn a_journey_for_an_inactive_contact_is_misdirected() {
    let mut day = Day::new();
    day.first(Journey::OrderConfirmation).to_active_contact = false;
    assert_eq!(day.findings(), [0, 0, 0, 1, 0]);
}

#[test]
fn a_journey_for_the_contact_that_the_customers_was_merged_into_is_right() {
    let mut day = Day::new();
    let master = Uuid::new_v4();
    day.contacts.push(Contact { id: master, ..Contact::default() });
    let merged = day.first(Journey::OrderConfirmation).contact.unwrap();
    let of_customer = day.contacts.iter_mut().find(|contact| contact.id == merged).unwrap();
    of_customer.master = Some(master);
    of_customer.inactive = true;
    day.first(Journey::OrderConfirmation).contact = Some(master);
    assert_eq!(day.findings(), [0, 0, 0, 0, 0]);
}

#[test]
fn no_journey_is_expected_for_a_deactivated_contact() {
    let mut day = Day::new();
    let contact = day.first(Journey::OrderConfirmation).contact.unwrap();
    day.started.retain(|started| started.contact != Some(contact));
    assert!(day.findings()[0] > 0);
    day.contacts.iter_mut().find(|it| it.id == contact).unwrap().inactive = true;
    assert_eq!(day.findings(), [0, 0, 0, 0, 0]);
    let audit = day.audit();
    assert_eq!((audit.expected(), audit.skipped.is_empty()), (day.started.len(), false));
}

const BEFORE: TimeDelta = TimeDelta::milliseconds(100);

impl Day {
    /// An operator's request about the event of the first order confirmation, answered with 200 after `took`.
    fn request(&mut self, fields: Value, at: DateTime<Utc>, took: TimeDelta) {
        let binding = Journey::occasion_of(self.first(Journey::OrderConfirmation)).unwrap();
        let ledger = self.ledger.clone();
        let entry =
            ledger.iter().find(|it| Journey::OrderConfirmation.occasion(it).as_ref() == Some(&binding)).unwrap();
        let (event, time) = (&entry.event, entry.event.date_time.to_utc().format("%Y%m%dT%H%M%S%.f"));
        let mut body = fields;
        body["eventId"] = format!("{}~Checkout~{time}~{}", event.transaction_id, event.data_area_id).into();
        self.requests.push(HttpRequest {
            function: "trigger-journey".to_owned(),
            body: body.to_string().into(),
            at,
            answered: Some((at + took, 200)),
        });
    }

    /// When the journey started for the last time.
    fn last_start(&self) -> DateTime<Utc> {
        self.started.iter().map(|started| started.at).max().unwrap()
    }

    fn by_hand(&self) -> [usize; 4] {
        let audit = self.audit();
        [audit.forced.len(), audit.dismissed.len(), audit.duplicated.len(), audit.misdirected.len()]
    }
}

#[test]
fn a_forced_start_is_counted_apart_and_one_more_is_a_duplicate() {
    for option in ["force", "release"] {
        let mut day = Day::new();
        day.again(Journey::OrderConfirmation);
        day.request(json!({option: true}), day.last_start() - BEFORE, BEFORE);
        assert_eq!(day.by_hand(), [1, 0, 0, 0], "{option}");
        let at = day.last_start();
        day.again(Journey::OrderConfirmation);
        Arc::make_mut(day.started.last_mut().unwrap()).at = at;
        assert_eq!(day.by_hand(), [1, 0, 1, 0], "{option}: one request explains one start");
    }
}

#[test]
fn only_a_request_for_this_event_and_journey_at_that_time_explains_a_start() {
    let later = TimeDelta::seconds(5);
    for (fields, offset) in [
        (json!({}), -BEFORE),
        (json!({"force": true, "dryRun": true}), -BEFORE),
        (json!({"force": true, "journeys": ["feedback-request"]}), -BEFORE),
        (json!({"force": true}), later),
        (json!({"force": true}), -later),
    ] {
        let mut day = Day::new();
        day.again(Journey::OrderConfirmation);
        day.request(fields.clone(), day.last_start() + offset, BEFORE);
        assert_eq!(day.by_hand(), [0, 0, 1, 0], "{fields}");
    }
    let mut day = Day::new();
    day.again(Journey::FeedbackRequest);
    day.request(json!({"force": true, "journeys": ["order-confirmation"]}), day.last_start() - BEFORE, BEFORE);
    assert_eq!(day.by_hand()[2], 1, "another journey");
}

#[test]
fn a_dismissed_journey_is_not_lost_and_must_not_start_later() {
    let mut day = Day::new();
    let (lost, at) = (day.first(Journey::OrderConfirmation).clone(), day.last_start());
    day.request(json!({"dismiss": "the customer was called"}), at, BEFORE);
    let number = day.started.iter().position(|it| it.number == lost.number).unwrap();
    day.started.remove(number);
    assert_eq!((day.findings(), day.by_hand()), ([0; 5], [0, 1, 0, 0]));
    assert_eq!(day.audit().expected(), day.started.len());
    day.started.push(Arc::new(StartedJourney { at: at + BEFORE + BEFORE, ..lost }));
    assert_eq!(day.by_hand(), [0, 0, 0, 1]);
}

#[test]
fn a_dismissal_that_was_refused_explains_nothing() {
    let mut day = Day::new();
    day.request(json!({"dismiss": "too early"}), day.last_start(), BEFORE);
    day.requests[0].answered = day.requests[0].answered.map(|(at, _)| (at, 503));
    day.started.remove(0);
    assert_eq!(day.findings()[0], 1);
}
