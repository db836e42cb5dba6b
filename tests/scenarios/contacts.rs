//! Whose contact it is.

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

/// The contact for which the only journey so far was started.
fn addressed(test: &TestEnvironment) -> Uuid {
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
    assert_eq!(addressed(&test), by_number);
}

#[tokio::test]
async fn a_contact_found_by_address_is_given_the_account_number() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let known = test.environment.dataverse().add_contact(&contact(None, Some(&email.to_uppercase())));
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_eq!(addressed(&test), known);
    let linked = test.environment.dataverse().contacts().into_iter().find(|it| it.id == known).unwrap();
    assert_eq!(linked.contact_number.as_deref(), Some(account.as_str()));
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_contact_found_by_number_is_given_the_address_that_it_lacks() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let known = test.environment.dataverse().add_contact(&contact(Some(&account), None));
    test.checkout(Some(&account), None);
    test.minute().await;
    let linked = test.environment.dataverse().contacts().into_iter().find(|it| it.id == known).unwrap();
    assert_eq!(linked.email.as_deref(), Some(email.as_str()));
}

#[tokio::test]
async fn an_address_that_belongs_to_another_customer_is_not_enough() {
    let mut test = TestEnvironment::usual().await;
    let (account, email) = stranger(&test);
    let theirs = test.environment.dataverse().add_contact(&contact(Some("SOMEBODY-ELSE"), Some(&email)));
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_ne!(addressed(&test), theirs);
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn the_same_number_in_another_company_is_somebody_else() {
    let mut test = TestEnvironment::usual().await;
    let (account, _) = stranger(&test);
    let company = test.environment.dataverse().add_company("ussi", "Another company");
    let theirs =
        test.environment.dataverse().add_contact(&Contact { company: Some(company), ..contact(Some(&account), None) });
    test.checkout(Some(&account), None);
    test.minute().await;
    assert_ne!(addressed(&test), theirs);
}

#[tokio::test]
async fn a_guest_is_recognised_by_address() {
    let mut test = TestEnvironment::usual().await;
    let known = test.environment.dataverse().add_contact(&contact(Some("C-9"), Some("Regular+Guest@example.org")));
    test.checkout(None, Some("regular+guest@example.org"));
    test.minute().await;
    assert_eq!(addressed(&test), known);
}

/// One delivery links the number to a contact that is known by address, while another, which does not know the
/// address, would create one.
#[tokio::test]
async fn linking_and_creating_at_the_same_moment_end_in_one_contact() {
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
