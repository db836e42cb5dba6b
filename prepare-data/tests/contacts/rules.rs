//! Which contact a customer gets, and what is written to it.

use prepare_data::contacts::Reason;
use sandbox::dataverse::Contact;

use crate::environment::{Customer, TestEnvironment, contact};

#[tokio::test]
async fn a_customer_without_contact_gets_one_with_all_that_is_known() {
    let environment = TestEnvironment::usual().await;
    let customer = Customer::new("C1");
    environment.gold(std::slice::from_ref(&customer)).await;
    let report = environment.sync().await;
    assert_eq!((report.created.count, report.exit_code()), (1, 0));
    let created = environment.contact(customer.contact_id());
    assert_eq!(created.contact_number.as_deref(), Some("C1"));
    assert_eq!(created.first_name, customer.first_name);
    assert_eq!(created.last_name, customer.last_name);
    assert_eq!(created.email, customer.email);
    assert_eq!(created.party_number, customer.party_number);
    assert_eq!(created.sellable, Some(true));
    assert_eq!((created.company, created.customer_group), (Some(environment.company), Some(environment.group)));
}

#[tokio::test]
async fn a_contact_that_differs_is_given_what_differs_and_nothing_else() {
    let environment = TestEnvironment::usual().await;
    let mut customer = Customer::new("C1");
    environment.gold(std::slice::from_ref(&customer)).await;
    environment.sync().await;
    let id = customer.contact_id();
    let telephone = Some("+1 555".to_owned());
    // Somebody keeps a telephone number in Dataverse, and decides there who is to be sold to.
    environment.dataverse().add_contact(&Contact { telephone, sellable: Some(false), ..environment.contact(id) });
    let before = environment.contact(id);
    customer.last_name = Some("O'Neil".to_owned());
    customer.email = None;
    environment.gold(std::slice::from_ref(&customer)).await;
    let report = environment.sync().await;
    assert_eq!(report.updated.count, 1);
    assert_eq!(report.columns.into_iter().collect::<Vec<_>>(), [("lastname", 1)]);
    let full_name = Some("First C1 O'Neil".to_owned());
    let expected = Contact { last_name: customer.last_name, full_name, ..before };
    let after = environment.contact(id);
    assert_eq!(Contact { version: expected.version, modified_on: expected.modified_on, ..after }, expected);
}

#[tokio::test]
async fn a_temporary_number_and_a_default_customer_get_no_contact() {
    let mut environment = TestEnvironment::usual().await;
    environment.set("DefaultCustomers", "CASH");
    let temporary = Customer::new("2CF6659A-A87E-4603-B4A9-4438CCB27FAD");
    environment.gold(&[Customer::new("cash"), temporary, Customer::new("C1")]).await;
    let report = environment.sync().await;
    assert_eq!((report.created.count, report.left[&Reason::NoPerson].count), (1, 2));
    assert_eq!((environment.new_contacts(), report.exit_code()), (1, 0));
    let again = environment.sync().await;
    assert_eq!((again.looked_at, again.exit_code()), (0, 0), "nothing has to be done for them");
}

#[tokio::test]
async fn a_contact_known_by_e_mail_becomes_the_customers() {
    let environment = TestEnvironment::usual().await;
    let known = environment.dataverse().add_contact(&contact(None, Some("C1@Example.org")));
    environment.gold(&[Customer::new("C1")]).await;
    let report = environment.sync().await;
    assert_eq!((report.linked.count, environment.new_contacts()), (1, 1));
    let linked = environment.contact(known);
    assert_eq!(linked.contact_number.as_deref(), Some("C1"));
    // The same address in another case is the same address.
    assert_eq!(linked.email.as_deref(), Some("C1@Example.org"));
    assert_eq!(linked.last_name.as_deref(), Some("Last C1"));
}

#[tokio::test]
async fn an_address_that_belongs_to_another_customer_is_not_enough() {
    let environment = TestEnvironment::usual().await;
    let theirs = environment.dataverse().add_contact(&contact(Some("SOMEBODY-ELSE"), Some("c1@example.org")));
    let before = environment.contact(theirs);
    let customer = Customer::new("C1");
    environment.gold(std::slice::from_ref(&customer)).await;
    assert_eq!(environment.sync().await.created.count, 1);
    assert_eq!(environment.contact(customer.contact_id()).email.as_deref(), Some("c1@example.org"));
    assert_eq!(environment.contact(theirs), before);
}

#[tokio::test]
async fn the_same_number_in_two_companies_is_two_customers() {
    let environment = TestEnvironment::usual().await;
    environment.dataverse().add_company("TST2", "Another company");
    let mut customers = [Customer::new("C1"), Customer { company: "tst2", ..Customer::new("C1") }];
    customers[1].email = Some("other@example.org".to_owned());
    environment.gold(&customers).await;
    assert_eq!(environment.sync().await.created.count, 2);
    assert_ne!(
        environment.contact(customers[0].contact_id()).company,
        environment.contact(customers[1].contact_id()).company
    );
    assert_eq!(environment.sync_with(|args| args.all = true).await.unwrap().equal, 2);
}

#[tokio::test]
async fn customers_who_share_an_address_and_a_nameless_contact_are_left_to_a_person() {
    let environment = TestEnvironment::usual().await;
    let anyones = environment.dataverse().add_contact(&contact(None, Some("family@example.org")));
    let before = environment.contact(anyones);
    let family =
        ["C1", "C2"].map(|number| Customer { email: Some("Family@example.org".to_owned()), ..Customer::new(number) });
    environment.gold(&[&family[..], &[Customer::new("C3")]].concat()).await;
    let report = environment.sync().await;
    assert_eq!((report.created.count, report.exit_code()), (1, 1));
    let left = &report.left[&Reason::SharedEmail];
    let ids: Vec<&str> = left.examples.iter().map(|example| example.customer_id.as_str()).collect();
    assert_eq!((left.count, ids), (2, vec!["tst1-C1", "tst1-C2"]));
    assert_eq!(environment.contact(anyones), before);
    // Once a person has decided, both get theirs, without anything having changed in gold.
    let decided = Contact { contact_number: Some("C2".to_owned()), company: Some(environment.company), ..before };
    environment.dataverse().add_contact(&decided);
    let report = environment.sync().await;
    assert_eq!((report.looked_at, report.created.count, report.updated.count, report.exit_code()), (2, 1, 1, 0));
}

#[tokio::test]
async fn a_number_of_two_companies_is_left_where_dataverse_does_not_know_the_company() {
    let environment = TestEnvironment::usual().await;
    let customers = ["new1", "new2"].map(|company| Customer { company, ..Customer::new("C1") });
    environment.gold(&customers).await;
    let report = environment.sync().await;
    assert_eq!((report.left[&Reason::SharedNumber].count, environment.new_contacts()), (2, 0));
}

#[tokio::test]
async fn several_contacts_with_one_number_are_left_to_a_person() {
    let environment = TestEnvironment::usual().await;
    for _ in 0..2 {
        environment.dataverse().add_contact(&contact(Some("C1"), None));
    }
    let before = environment.dataverse().contacts();
    environment.gold(&[Customer::new("C1")]).await;
    assert_eq!(environment.sync().await.left[&Reason::SeveralContacts].count, 1);
    assert_eq!(environment.dataverse().contacts(), before);
}

#[tokio::test]
async fn a_contact_that_was_given_to_somebody_else_is_told_and_left() {
    let environment = TestEnvironment::usual().await;
    let customer = Customer::new("C1");
    let given_away = Contact { id: customer.contact_id(), ..contact(Some("C9"), None) };
    environment.dataverse().add_contact(&given_away);
    let before = environment.dataverse().contacts();
    environment.gold(&[customer]).await;
    assert_eq!(environment.sync().await.left[&Reason::HiddenContact].count, 1);
    assert_eq!(environment.dataverse().contacts(), before);
}

#[tokio::test]
async fn what_dataverse_refuses_harms_nobody_else() {
    let environment = TestEnvironment::usual().await;
    let mut customers = Customer::many(3);
    customers[1].number = "9".repeat(200);
    environment.gold(&customers).await;
    let report = environment.sync().await;
    assert_eq!((report.created.count, report.left[&Reason::Refused].count), (2, 1));
    assert_eq!(report.left[&Reason::Refused].examples[0].customer_id, customers[1].key());
}

#[tokio::test]
async fn thousands_of_contacts_with_one_address_do_not_hide_anybody() {
    let options = sandbox::dataverse::DataverseOptions { max_page_size: 20, ..Default::default() };
    let environment = TestEnvironment::with(options).await;
    for n in 0..60 {
        environment.dataverse().add_contact(&contact(Some(&format!("X{n}")), Some("none@example.org")));
    }
    let mut customers = Customer::many(2);
    customers[0].email = Some("none@example.org".to_owned());
    let theirs = environment.dataverse().add_contact(&contact(Some(&customers[1].number), None));
    environment.gold(&customers).await;
    let report = environment.sync().await;
    assert_eq!((report.created.count, report.updated.count), (1, 1));
    assert_eq!(environment.contact(theirs).email, customers[1].email);
}

#[tokio::test]
async fn a_deactivated_contact_is_told_and_gets_no_substitute() {
    let environment = TestEnvironment::usual().await;
    let customer = Customer::new("C1");
    environment.dataverse().add_contact(&Contact { inactive: true, ..contact(Some("C1"), None) });
    let before = environment.dataverse().contacts();
    environment.gold(&[customer]).await;
    assert_eq!(environment.sync().await.left[&Reason::ContactInactive].count, 1);
    assert_eq!(environment.dataverse().contacts(), before);
}

#[tokio::test]
async fn a_merged_contact_stands_for_the_one_it_was_merged_into() {
    let environment = TestEnvironment::usual().await;
    let dataverse = environment.dataverse();
    let nameless = dataverse.add_contact(&contact(None, Some("elsewhere@example.org")));
    let others = dataverse.add_contact(&contact(Some("C9"), None));
    for (number, master) in [("C1", nameless), ("C2", others)] {
        let merged = dataverse.add_contact(&contact(Some(number), None));
        assert!(dataverse.merge_contact(merged, master));
    }
    let before = environment.contact(others);
    environment.gold(&[Customer::new("C1"), Customer::new("C2")]).await;
    let report = environment.sync().await;
    assert_eq!((report.linked.count, report.equal, report.exit_code()), (1, 1, 0), "{report}");
    assert_eq!(environment.contact(nameless).contact_number.as_deref(), Some("C1"));
    assert_eq!(environment.contact(others), before, "it has the data of another customer");
}

#[tokio::test]
async fn a_unique_address_of_another_contact_is_told() {
    let environment = TestEnvironment::usual().await;
    environment.dataverse().add_contact_key(&["emailaddress1"]);
    environment.dataverse().add_contact(&contact(Some("SOMEBODY-ELSE"), Some("c1@example.org")));
    environment.gold(&[Customer::new("C1")]).await;
    let report = environment.sync().await;
    assert_eq!((report.left[&Reason::ContactKeyTaken].count, report.exit_code()), (1, 1), "{report}");
}

#[tokio::test]
async fn names_are_made_fit_for_dataverse() {
    let environment = TestEnvironment::usual().await;
    let first_name = Some(format!("Ann\u{b}{}", "\u{1f600}".repeat(40)));
    environment.gold(&[Customer { first_name, ..Customer::new("C1") }]).await;
    assert_eq!(environment.sync().await.exit_code(), 0);
    let created = environment.contact(Customer::new("C1").contact_id());
    assert_eq!(created.first_name, Some(format!("Ann {}", "\u{1f600}".repeat(23))));
}
