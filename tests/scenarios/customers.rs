//! Account numbers that identify no person: temporary ones, and those of the default customers of stores.

use std::collections::BTreeSet;

use sandbox::audit::Journey;
use sandbox::dataverse::Contact;
use sandbox::shop::Customer;
use serde_json::json;
use uuid::Uuid;

use crate::environment::{Plan, TestEnvironment};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

const TEMPORARY: &str = "7C0B6E4E-2D51-4E0C-9C55-0C1E6F4B8A11";

const ADDRESS: &str = "new.customer@example.org";

/// Registers a customer with this number and address.
fn register(test: &TestEnvironment, account: &str, email: &str) {
    let model = test.shop().customer(&test.stranger()).unwrap();
    let customer = Customer {
        account: account.to_owned(),
        email: email.to_owned(),
        receipt_email: String::new(),
        party_number: if account == TEMPORARY { String::new() } else { "000777".to_owned() },
        ..Customer::clone(&model)
    };
    test.shop().register(customer).unwrap();
}

fn contacts_with(test: &TestEnvironment, email: &str) -> Vec<Contact> {
    let all = test.environment.dataverse().contacts().into_iter();
    all.filter(|contact| contact.email.as_deref() == Some(email)).collect()
}

/// The contacts of the started journeys, in order.
fn journey_contacts(test: &TestEnvironment) -> Vec<Uuid> {
    test.environment.dataverse().started().iter().map(|started| started.contact.unwrap()).collect()
}

#[tokio::test]
async fn a_temporary_number_is_not_written_and_the_real_one_is_linked() {
    let mut test = TestEnvironment::usual().await;
    register(&test, TEMPORARY, ADDRESS);
    test.checkout(Some(TEMPORARY), None);
    test.minute().await;
    let pending = contacts_with(&test, ADDRESS);
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].contact_number, None);
    register(&test, "900100", ADDRESS);
    test.checkout(Some("900100"), None);
    test.minute().await;
    let linked = contacts_with(&test, ADDRESS);
    assert_eq!(linked.len(), 1, "{linked:?}");
    assert_eq!(linked[0].contact_number.as_deref(), Some("900100"));
    assert_eq!(journey_contacts(&test), [linked[0].id; 2]);
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_customer_with_a_temporary_number_is_found_by_address() {
    let mut test = TestEnvironment::usual().await;
    let of_dual_write = Contact {
        contact_number: Some("900100".to_owned()),
        email: Some(ADDRESS.to_owned()),
        last_name: Some("New".to_owned()),
        ..Contact::default()
    };
    let known = test.environment.dataverse().add_contact(&of_dual_write);
    register(&test, TEMPORARY, ADDRESS);
    test.checkout(Some(TEMPORARY), None);
    test.minute().await;
    assert_eq!(journey_contacts(&test), [known]);
    assert_eq!(contacts_with(&test, ADDRESS)[0].contact_number.as_deref(), Some("900100"));
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_temporary_number_in_dataverse_is_replaced() {
    let mut test = TestEnvironment::usual().await;
    let old = Contact {
        contact_number: Some(TEMPORARY.to_owned()),
        email: Some(ADDRESS.to_owned()),
        last_name: Some("New".to_owned()),
        ..Contact::default()
    };
    let known = test.environment.dataverse().add_contact(&old);
    register(&test, "900100", ADDRESS);
    test.checkout(Some("900100"), None);
    test.minute().await;
    assert_eq!(journey_contacts(&test), [known]);
    assert_eq!(contacts_with(&test, ADDRESS)[0].contact_number.as_deref(), Some("900100"));
}

#[tokio::test]
async fn sales_to_the_default_customer_of_a_store_are_sales_to_guests() {
    let mut test = Plan::usual().with("DefaultCustomers", "900001, 900000").open().await;
    register(&test, "900000", "store@example.org");
    let buyers = ["ann@example.org", "bob@example.org"];
    for buyer in buyers {
        test.checkout(Some("900000"), Some(buyer));
    }
    let anonymous = test.checkout(Some("900000"), None);
    test.minute().await;
    for buyer in buyers {
        let contacts = contacts_with(&test, buyer);
        assert_eq!(contacts.len(), 1, "{buyer}");
        let found = &contacts[0];
        assert_eq!((found.contact_number.as_deref(), found.first_name.as_deref()), (None, None), "{found:?}");
    }
    assert_eq!(journey_contacts(&test).into_iter().collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(contacts_with(&test, "store@example.org").len(), 0);
    let record = test.record(&anonymous).await;
    assert_eq!(record["journeys"]["order-confirmation"]["state"], "skipped", "{record:#}");
    let (_, answer) = test
        .trigger(&json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"], "dryRun": true}))
        .await;
    assert_eq!(answer["contact"]["wouldBeCreated"], false, "{answer}");
}

#[tokio::test]
async fn a_customer_with_one_name_gets_it_once() {
    let mut test = TestEnvironment::usual().await;
    register(&test, "900200", ADDRESS);
    let model = test.shop().customer("900200").unwrap();
    for (account, first_name, last_name) in
        [("900201", "Madonna", ""), ("900202", "", "Prince"), ("900203", "Ada", "King")]
    {
        let customer = Customer {
            account: account.to_owned(),
            email: format!("{account}@example.org"),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            ..Customer::clone(&model)
        };
        test.shop().register(customer).unwrap();
        test.checkout(Some(account), None);
    }
    test.minute().await;
    let names = ["900201", "900202", "900203"].map(|account| {
        let contact = contacts_with(&test, &format!("{account}@example.org")).remove(0);
        (contact.first_name, contact.last_name, contact.full_name)
    });
    let name = |first: Option<&str>, last: &str, full: &str| {
        (first.map(str::to_owned), Some(last.to_owned()), Some(full.to_owned()))
    };
    assert_eq!(
        names,
        [name(None, "Madonna", "Madonna"), name(None, "Prince", "Prince"), name(Some("Ada"), "King", "Ada King")]
    );
}
