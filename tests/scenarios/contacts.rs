//! Which contact an event belongs to.

use sandbox::audit::Journey;
use sandbox::dataverse::Contact;
use uuid::Uuid;

use crate::environment::TestEnvironment;

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

fn contact(number: Option<&str>, email: Option<&str>) -> Contact {
    Contact {
        contact_number: number.map(str::to_owned),
        email: email.map(str::to_owned),
        last_name: Some("X".to_owned()),
        ..Contact::default()
    }
}

/// The contact of the only started journey.
fn journey_contact(test: &TestEnvironment) -> Uuid {
    let started = test.environment.dataverse().started();
    assert_eq!(started.len(), 1);
    started[0].contact.expect("the contact exists")
}

fn stranger(test: &TestEnvironment) -> (String, String) {
    let account = test.stranger();
    let email = test.shop().customer(&account).unwrap().reachable_at().unwrap().to_owned();
    (account, email)
}

#[tokio::test]
async fn the_account_number_comes_before_the_address() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    test.environment.dataverse().add_contact(&contact(None, Some(&email)));
    let by_number = test.environment.dataverse().add_contact(&contact(Some(&account), Some("elsewhere@example.org")));
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(journey_contact(&test), by_number);
}

#[tokio::test]
async fn a_contact_found_by_address_gets_the_account_number() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let known = test.environment.dataverse().add_contact(&contact(None, Some(&email.to_uppercase())));
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(journey_contact(&test), known);
    let linked = test.environment.dataverse().contacts().into_iter().find(|it| it.id == known).unwrap();
    assert_eq!(linked.contact_number.as_deref(), Some(account.as_str()));
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_contact_found_by_number_gets_the_missing_address() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let known = test.environment.dataverse().add_contact(&contact(Some(&account), None));
    test.checkout(Some(&account), None);
    test.minute().await;
    let linked = test.environment.dataverse().contacts().into_iter().find(|it| it.id == known).unwrap();
    assert_eq!(linked.email.as_deref(), Some(email.as_str()));
}

#[tokio::test]
async fn a_contact_of_another_customer_is_not_used() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let other = test.environment.dataverse().add_contact(&contact(Some("SOMEBODY-ELSE"), Some(&email)));
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_ne!(journey_contact(&test), other);
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn the_same_number_in_another_company_is_another_customer() {
    let mut test = TestEnvironment::usual().await;
    let (account, _) = stranger(&test);
    let company = test.environment.dataverse().add_company("ussi", "Another company");
    let other =
        test.environment.dataverse().add_contact(&Contact { company: Some(company), ..contact(Some(&account), None) });
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_ne!(journey_contact(&test), other);
}

#[tokio::test]
async fn a_guest_is_recognised_by_address() {
    let mut test = TestEnvironment::usual().await;
    let known = test.environment.dataverse().add_contact(&contact(Some("C-9"), Some("Regular+Guest@example.org")));
    test.checkout(None, Some("regular+guest@example.org"));
    test.minute().await;
    assert_eq!(journey_contact(&test), known);
}

/// One delivery links the number to a contact that it finds by address. At the same time another delivery, with another
/// address, would create a contact.
#[tokio::test]
async fn concurrent_linking_and_creating_gives_one_contact() {
    for _ in 0..5 {
        let mut test = TestEnvironment::usual().await;
        let (account, _) = stranger(&test);
        test.environment.dataverse().add_contact(&contact(None, Some("household@example.org")));
        for receipt in
            ["household@example.org", "elsewhere@example.org", "household@example.org", "somewhere@example.org"]
        {
            test.checkout(Some(&account), Some(receipt));
        }
        test.minute().await;
        test.assert_clean(&CONFIRMATION);
    }
}
