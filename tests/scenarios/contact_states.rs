//! Contacts that are inactive, merged, hidden behind others, or protected by alternate keys.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use sandbox::audit::Journey;
use sandbox::dataverse::Contact;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

fn contact(number: Option<&str>, email: Option<&str>) -> Contact {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Contact { contact_number: text(number), email: text(email), last_name: text(Some("X")), ..Contact::default() }
}

/// The contacts of the started journeys, in order.
fn journey_contacts(test: &TestEnvironment) -> Vec<Uuid> {
    test.environment.dataverse().started().iter().map(|started| started.contact.expect("the contact exists")).collect()
}

fn stranger(test: &TestEnvironment) -> (String, String) {
    let account = test.stranger();
    let email = test.shop().customer(&account).unwrap().reachable_at().unwrap().to_owned();
    (account, email)
}

fn status_and_reason(record: &Value) -> (&str, &str) {
    (record["status"].as_str().unwrap_or_default(), record["reason"]["code"].as_str().unwrap_or_default())
}

/// Dataverse refuses every update of a contact.
fn refuse_updates(test: &TestEnvironment, calls: &Calls, status: u16, code: &'static str) {
    let body = json!({"error": {"code": code, "message": "The number of Ann Smith is refused."}}).to_string();
    let status = StatusCode::from_u16(status).unwrap();
    let reply = ErrorReply { body, ..ErrorReply::bare(status) }.with("content-type", "application/json");
    let rule = move |call: &Call| {
        let is_update = call.dependency == Dependency::Dataverse && call.method == Method::PATCH;
        if is_update { FaultAction::Refuse(reply.clone()) } else { FaultAction::Serve }
    };
    test.environment.network().set_faults(Script::new(calls, rule));
}

#[tokio::test]
async fn a_contact_that_holds_a_unique_address_of_another_customer_is_not_used() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let dataverse = test.environment.dataverse();
    let other = dataverse.add_contact(&contact(Some("SOMEBODY-ELSE"), Some(&email)));
    dataverse.add_contact_key(&["emailaddress1"]);
    let event = test.checkout(Some(&account), None);
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!(status_and_reason(&record), ("failed", "contactKeyTaken"), "{record:#}");
    assert!(record["reason"]["detail"].as_str().unwrap().contains(&other.to_string()), "{record:#}");
    assert!(journey_contacts(&test).is_empty());
    assert_eq!(test.environment.counts().dead_lettered, 1);
}

#[tokio::test]
async fn a_guest_whose_address_an_inactive_contact_holds_gets_no_journey() {
    for with_key in [true, false] {
        let mut test = TestEnvironment::usual().await;
        let dataverse = test.environment.dataverse();
        dataverse.add_contact(&Contact { inactive: true, ..contact(None, Some("guest@example.org")) });
        if with_key {
            dataverse.add_contact_key(&["emailaddress1"]);
        }
        let contacts = dataverse.contact_count();
        let event = test.checkout(None, Some("Guest@example.org"));
        test.minute().await;
        let record = test.record(&event).await;
        assert_eq!(status_and_reason(&record), ("processed", "contactInactive"), "{record:#}");
        assert_eq!(record["journeys"]["order-confirmation"]["state"], "skipped");
        assert_eq!(test.environment.dataverse().contact_count(), contacts);
        test.assert_clean(&CONFIRMATION);
    }
}

/// The address belongs to an inactive contact without a number, so it does not belong to the customer.
#[tokio::test]
async fn a_customer_with_a_unique_address_of_an_inactive_contact_fails_with_its_reason() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    test.environment.dataverse().add_contact(&Contact { inactive: true, ..contact(None, Some(&email)) });
    test.environment.dataverse().add_contact_key(&["emailaddress1"]);
    let event = test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(status_and_reason(&test.record(&event).await), ("failed", "contactKeyTaken"));
    assert!(journey_contacts(&test).is_empty());
}

/// The database ignores accents, the rules do not.
#[tokio::test]
async fn an_address_that_only_the_database_considers_equal_is_another_person() {
    let mut test = TestEnvironment::usual().await;
    let other = test.environment.dataverse().add_contact(&contact(None, Some("josé@example.org")));
    test.checkout(None, Some("jose@example.org"));
    test.minute().await;
    assert_eq!(journey_contacts(&test).len(), 1);
    assert_ne!(journey_contacts(&test), [other]);
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_party_number_that_is_taken_does_not_prevent_the_contact() {
    let mut test = TestEnvironment::usual().await;
    let (account, _) = stranger(&test);
    let party_number = test.shop().customer(&account).unwrap().party_number.clone();
    let dataverse = test.environment.dataverse();
    dataverse.add_contact(&Contact {
        party_number: Some(party_number),
        inactive: true,
        ..contact(Some("OTHER"), None)
    });
    dataverse.add_contact_key(&["msdyn_partynumber"]);
    let event = test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(status_and_reason(&test.record(&event).await), ("processed", "contactNotUpdated"));
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_refused_account_number_does_not_hold_up_the_journey() {
    let refusals =
        [(412, "0x80060892"), (403, "0x80040220"), (400, "0x80040265"), (400, "0x80044331"), (400, "0x80041d1f")];
    for (status, code) in refusals {
        let mut test = TestEnvironment::usual().await;
        let (account, email) = stranger(&test);
        let known = test.environment.dataverse().add_contact(&contact(None, Some(&email)));
        let calls = Calls::default();
        refuse_updates(&test, &calls, status, code);
        let event = test.checkout(Some(&account), None);
        test.pass(TimeDelta::seconds(30)).await;
        let record = test.record(&event).await;
        assert_eq!(status_and_reason(&record), ("processed", "numberNotWritten"), "{record:#}");
        let detail = record["reason"]["detail"].as_str().unwrap();
        assert!(detail.contains(code) && !detail.contains("Ann"), "{detail}");
        assert_eq!(journey_contacts(&test), [known], "{status} {code}");
        assert_eq!(calls.to(&format!("contacts({known})")), 1, "{status} {code}");
    }
}

#[tokio::test]
async fn an_outage_of_updates_delays_a_journey_for_minutes_only() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let known = test.environment.dataverse().add_contact(&contact(None, Some(&email)));
    refuse_updates(&test, &Calls::default(), 503, "");
    let event = test.checkout(Some(&account), None);
    test.pass(TimeDelta::seconds(25)).await;
    assert!(journey_contacts(&test).is_empty());
    test.pass(TimeDelta::minutes(5)).await;
    assert_eq!(journey_contacts(&test), [known]);
    assert_eq!(status_and_reason(&test.record(&event).await), ("processed", "numberNotWritten"));
}

#[tokio::test]
async fn a_journey_follows_merged_contacts_to_the_last_one() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let dataverse = test.environment.dataverse();
    let last = dataverse.add_contact(&contact(Some("MAIN"), Some("elsewhere@example.org")));
    let middle = dataverse.add_contact(&contact(None, None));
    let first = dataverse.add_contact(&contact(Some(&account), Some(&email)));
    assert!(dataverse.merge_contact(first, middle) && dataverse.merge_contact(middle, last));
    let contacts = dataverse.contact_count();
    let event = test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(journey_contacts(&test), [last]);
    assert_eq!(test.environment.dataverse().contact_count(), contacts);
    assert_eq!(status_and_reason(&test.record(&event).await).0, "processed");
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_merge_into_an_inactive_contact_is_an_inactive_contact() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let dataverse = test.environment.dataverse();
    let main = dataverse.add_contact(&contact(None, None));
    let merged = dataverse.add_contact(&contact(Some(&account), Some(&email)));
    assert!(dataverse.merge_contact(merged, main) && dataverse.set_active(main, false));
    let event = test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(status_and_reason(&test.record(&event).await), ("processed", "contactInactive"));
    assert!(journey_contacts(&test).is_empty());
}

/// The choice of a new customer's contact is remembered for a day.
#[tokio::test]
async fn a_remembered_contact_that_was_merged_is_forgotten() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    test.checkout(Some(&account), None);
    test.minute().await;
    let first = journey_contacts(&test)[0];
    let dataverse = test.environment.dataverse();
    let main = dataverse.add_contact(&contact(None, Some(&email)));
    // The merge moved the number to the main contact, and somebody removed it there.
    dataverse.add_contact(&Contact { contact_number: None, ..dataverse.contact(first).unwrap() });
    assert!(dataverse.merge_contact(first, main));
    for _ in 0..2 {
        test.checkout(Some(&account), None);
        test.minute().await;
    }
    assert_eq!(journey_contacts(&test), [first, main, main]);
    assert_eq!(test.environment.dataverse().contact(main).unwrap().contact_number, Some(account));
}

#[tokio::test]
async fn a_deactivated_contact_gets_no_journey_and_no_substitute() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let dataverse = test.environment.dataverse();
    let inactive = dataverse.add_contact(&Contact { inactive: true, ..contact(Some(&account), Some(&email)) });
    let contacts = dataverse.contact_count();
    let event = test.checkout(Some(&account), None);
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!(status_and_reason(&record), ("processed", "contactInactive"), "{record:#}");
    assert_eq!(record["journeys"]["order-confirmation"]["state"], "skipped", "{record:#}");
    assert_eq!(test.environment.dataverse().contact_count(), contacts);
    test.assert_clean(&CONFIRMATION);
    // Once somebody has activated it, an operator can start the journey.
    test.environment.dataverse().set_active(inactive, true);
    let id = &record["id"];
    let replay = json!({"eventId": id, "eventChannelId": event.channel_id.to_string(), "force": true});
    assert_eq!(test.trigger(&replay).await.0, 200);
    assert_eq!(journey_contacts(&test), [inactive]);
}

#[tokio::test]
async fn a_contact_that_is_deactivated_after_its_creation_is_not_taken_for_usable() {
    let mut test = TestEnvironment::usual().await;
    let (account, _) = stranger(&test);
    test.checkout(Some(&account), None);
    test.minute().await;
    let dataverse = test.environment.dataverse();
    let created = dataverse.contact(journey_contacts(&test)[0]).unwrap();
    // Without number and address, only its id shows whose it is.
    dataverse.add_contact(&Contact { contact_number: None, email: None, inactive: true, ..created });
    let event = test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(status_and_reason(&test.record(&event).await), ("processed", "contactInactive"));
    assert_eq!(journey_contacts(&test).len(), 1);
}

#[tokio::test]
async fn contacts_that_share_an_address_never_hide_the_customers_own() {
    for page_size in [5000, 20] {
        let mut plan = Plan::usual();
        plan.environment.dataverse.max_page_size = page_size;
        let mut test = plan.open().await;
        let (account, _) = stranger(&test);
        let dataverse = test.environment.dataverse();
        for _ in 0..60 {
            dataverse.add_contact(&contact(None, Some("none@shop.example")));
        }
        test.pass(TimeDelta::seconds(5)).await;
        let own = test.environment.dataverse().add_contact(&contact(Some(&account), Some("none@shop.example")));
        let contacts = test.environment.dataverse().contact_count();
        test.checkout(Some(&account), Some("none@shop.example"));
        test.minute().await;
        assert_eq!(journey_contacts(&test), [own]);
        assert_eq!(test.environment.dataverse().contact_count(), contacts);
    }
}

/// The receipt's address is a weaker match than the customer's own.
#[tokio::test]
async fn contacts_that_share_the_receipts_address_do_not_hide_the_customers_own_address() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    for _ in 0..60 {
        test.environment.dataverse().add_contact(&contact(None, Some("none@shop.example")));
    }
    test.pass(TimeDelta::seconds(5)).await;
    let own = test.environment.dataverse().add_contact(&contact(None, Some(&email)));
    test.checkout(Some(&account), Some("none@shop.example"));
    test.minute().await;
    assert_eq!(journey_contacts(&test), [own]);
}

#[tokio::test]
async fn a_known_contact_costs_two_requests_to_dataverse() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    test.environment.dataverse().add_contact(&contact(Some(&account), Some(&email)));
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(calls.at(Dependency::Dataverse), 2);
    test.environment.network().set_faults(NoFaults::default());
}
