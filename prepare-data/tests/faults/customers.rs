//! Customers: each person once, with what is hers, and only persons.

use prepare_data::run::{How, Layer};
use serde_json::json;

use crate::lake::{Lake, PERSON};

/// The notebook takes the name that began last of the whole table of names: of these three customers only Carol, who joined
/// last, has one, and every letter to the others begins with "Dear ,".
#[tokio::test]
async fn every_person_keeps_her_own_name() {
    let mut lake = Lake::new();
    let party = |n: i64| json!({"recid": n, "instancerelationtype": PERSON});
    let name = |person: i64, first: &str, last: &str, from: &str, to: &str| json!({"person": person, "firstname": first, "lastname": last, "validfrom": from, "validto": to});
    let customer = |n: i64| json!({"accountnum": format!("C{n}"), "party": n});
    let always = "2154-12-31T23:59:59Z";
    lake.add("custtable", json!([customer(1), customer(2), customer(3)]))
        .add("dirpartytable", json!([party(1), party(2), party(3)]))
        .add(
            "dirpersonname",
            json!([
                name(1, "Ada", "Byron", "2010-01-01T00:00:00Z", "2015-07-08T00:00:00Z"),
                name(1, "Ada", "Lovelace", "2015-07-08T00:00:01Z", always),
                name(2, "Bob", "Stone", "2012-03-01T00:00:00Z", always),
                name(2, "Robert", "Stone", "2027-01-01T00:00:00Z", always), // not yet
                name(3, "Carol", "Reed", "2025-11-30T00:00:00Z", always),
            ]),
        );
    lake.prepare().await;
    let names = lake.published("customers", "customer_id, first_name, last_name").await;
    assert_eq!(names, ["usmf-C1 | Ada | Lovelace", "usmf-C2 | Bob | Stone", "usmf-C3 | Carol | Reed"]);
}

/// The notebook knows persons by the number 13271, which is that of its own environment: here a person has another, so it
/// publishes no customer at all, and an organisation that happens to have that number as one.
#[tokio::test]
async fn persons_are_found_whatever_number_means_person() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("dirpartytable", json!([{"recid": 2, "instancerelationtype": 13271, "name": "Stone & Sons"}]))
        .add("custtable", json!([{"recid": 2, "accountnum": "C2", "party": 2}]));
    lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_id").await, ["usmf-C1"]);
    assert_eq!(lake.rejected().await, ["custtable-2 | not_a_person"]);

    // Where the environment's own dictionary is exported, it decides: even persons without a name are found.
    let mut lake = Lake::new();
    lake.add(
        "sqldictionary",
        json!([{"name": "DirPerson", "tableid": 4711}, {"name": "DirOrganization", "tableid": 13271}]),
    )
    .add("dirpartytable", json!([{"recid": 1, "instancerelationtype": 4711, "name": "Ada"}]))
    .add("custtable", json!([{"recid": 1, "accountnum": "C1", "party": 1}]));
    lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_id, full_name").await, ["usmf-C1 | Ada"]);
}

/// If no customer resolves to a person, the notebook overwrites the customers with nothing and ends well: the next refresh
/// takes every profile away.
#[tokio::test]
async fn a_run_that_finds_no_person_publishes_nothing_and_says_so() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}));
    lake.prepare().await;
    let before = lake.everything().await;
    lake.add("dirpartytable", json!([{"recid": 1, "instancerelationtype": 13271}]))
        .add("dirpersonname", json!([{"recid": 1, "isdelete": true}]));
    let report = lake.run(|_| ()).await;
    assert_eq!(report.problems.iter().map(|problem| problem.rule).collect::<Vec<_>>(), ["empty_profile"], "{report}");
    let after = lake.everything().await;
    assert_eq!(after["gold/customers"], before["gold/customers"]);
    assert_eq!(report.table(Layer::Gold, "customers").unwrap().version, None, "{report}");
}

/// The notebook joins the primary e-mail address by its record and never asks what it is. Here one points to a messaging
/// address and one to a phone: it would send mail to both.
#[tokio::test]
async fn only_an_email_address_is_published_as_one() {
    let mut lake = Lake::new();
    let contacts = |email: i64, phone: i64| json!({"primarycontactemail": email, "primarycontactphone": phone});
    lake.add_person(1, "C1", "Ada", "Lovelace", contacts(11, 12))
        .add_person(2, "C2", "Bob", "Stone", contacts(21, 22))
        .add_person(3, "C3", "Carol", "Reed", contacts(31, 32))
        .add(
            "logisticselectronicaddress",
            json!([
                {"recid": 11, "type": 2, "locator": "ada@example.com"},
                {"recid": 12, "type": 1, "locator": "+44 20 7946 0001"},
                {"recid": 21, "type": 7, "locator": "bob@chat.example.com"}, // an address, but none for mail
                {"recid": 22, "type": 5, "locator": "+44 20 7946 0002"}, // a fax
                {"recid": 31, "type": 1, "locator": "+44 20 7946 0003"},
                {"recid": 32, "type": 2, "locator": "carol@example.com"},
            ]),
        );
    lake.prepare().await;
    assert_eq!(
        lake.published("customers", "customer_id, email, phone").await,
        ["usmf-C1 | ada@example.com | +44 20 7946 0001", "usmf-C2 | - | -", "usmf-C3 | - | -"]
    );
}

/// The notebook keeps every address whose dates include today. Ada moved before her old address ended, and Bob's two began on
/// the same day: she finds each of them twice, and Customer Insights - Data refuses a key that repeats.
#[tokio::test]
async fn overlapping_addresses_do_not_multiply_a_customer() {
    let mut lake = Lake::new();
    let address = |record: i64, location: i64, city: &str, from: &str, to: &str| json!({"recid": record, "location": location, "city": city, "validfrom": from, "validto": to});
    let (old, new, always) = ("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2154-12-31T23:59:59Z");
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({"primaryaddresslocation": 10}))
        .add_person(2, "C2", "Bob", "Stone", json!({"primaryaddresslocation": 20}))
        .add(
            "logisticspostaladdress",
            json!([
                address(101, 10, "London", new, always),
                address(102, 10, "Paris", old, "2026-06-30T00:00:00Z"),
                address(103, 10, "Rome", "2026-05-01T00:00:00Z", always), // not yet
                address(201, 20, "Oslo", old, always),
                address(202, 20, "Bergen", old, always),
            ]),
        );
    lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_id, city").await, ["usmf-C1 | London", "usmf-C2 | Bergen"]);
}

/// The notebook never looks at what is deleted and never asks which version of a row is the last. The export keeps both for
/// weeks: the customer who asked to be forgotten still gets mail, at an address that she took back.
#[tokio::test]
async fn what_was_deleted_or_replaced_is_not_published() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add_person(2, "C2", "Bob", "Stone", json!({"primarycontactemail": 21}))
        .add_person(3, "C3", "Carol", "Reed", json!({"primarycontactemail": 31}))
        .add(
            "logisticselectronicaddress",
            json!([
                {"recid": 21, "versionnumber": 1, "type": 2, "locator": "bob@old.example.com"},
                {"recid": 21, "versionnumber": 3, "type": 2, "locator": "bob@example.com"},
                {"recid": 21, "versionnumber": 2, "type": 2, "locator": "bob@between.example.com"},
                {"recid": 31, "versionnumber": 1, "type": 2, "locator": "carol@example.com"},
                {"recid": 31, "versionnumber": 2, "isdelete": true},
            ]),
        )
        // One export empties what it deletes, another one only marks it.
        .add(
            "custtable",
            json!([{"recid": 1, "versionnumber": 101, "isdelete": true, "accountnum": "C1", "party": 1}]),
        );
    lake.prepare().await;
    let columns = "customer_id, email";
    assert_eq!(lake.published("customers", columns).await, ["usmf-C2 | bob@example.com", "usmf-C3 | -"]);

    // The same, where the delete comes later.
    lake.add("custtable", json!([{"recid": 2, "isdelete": true}]));
    lake.prepare().await;
    assert_eq!(lake.published("customers", columns).await, ["usmf-C3 | -"]);
}

/// The notebook's keys are texts put together: a missing part makes the key NULL or shorter, and the company is written as it
/// comes, here in two ways. Orders would not find their customer, and customers without a number would share one key.
#[tokio::test]
async fn keys_have_every_part_and_write_the_company_in_one_way() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add(
            "custtable",
            json!([
                {"recid": 1, "versionnumber": 200, "dataareaid": "USMF", "accountnum": "C1", "party": 1},
                {"recid": 2, "accountnum": null, "party": 1},
                {"recid": 3, "accountnum": " ", "party": 1},
                {"recid": 4, "dataareaid": "", "accountnum": "C4", "party": 1},
            ]),
        )
        .add(
            "salestable",
            json!([
                {"recid": 5, "dataareaid": "usMF", "salesid": "S1", "custaccount": "C1"},
                {"recid": 6, "dataareaid": null, "salesid": "S2", "custaccount": "C1"},
                {"recid": 7, "salesid": "S3", "custaccount": ""},
            ]),
        );
    let report = lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_id, company").await, ["usmf-C1 | usmf"]);
    assert_eq!(
        lake.published("sales_orders", "sales_order_id, customer_id").await,
        ["usmf-S1 | usmf-C1", "usmf-S3 | -"]
    );
    assert_eq!(
        lake.rejected().await,
        [
            "custtable-2 | number_missing",
            "custtable-3 | number_missing",
            "custtable-4 | company_missing",
            "salestable-6 | company_missing"
        ]
    );
    let lost = report.gaps.iter().find(|gap| gap.check == "orders_without_customer").unwrap();
    assert_eq!((lost.gaps, lost.of), (0, 1));
}

/// Neither pipeline of Microsoft looks at the mark: an address that the customer wants to keep private is published.
#[tokio::test]
async fn private_addresses_are_left_out_unless_they_are_asked_for() {
    let mut lake = Lake::new();
    let party = |location: i64, email: i64, phone: i64| json!({"primaryaddresslocation": location, "primarycontactemail": email, "primarycontactphone": phone});
    lake.add_person(1, "C1", "Ada", "Lovelace", party(10, 11, 12))
        .add_person(2, "C2", "Bob", "Stone", party(20, 21, 22))
        .add(
            "logisticspostaladdress",
            json!([{"location": 10, "city": "London", "isprivate": 1}, {"location": 20, "city": "Oslo", "isprivate": 0}]),
        )
        .add(
            "logisticselectronicaddress",
            json!([
                {"recid": 11, "type": 2, "locator": "ada@example.com", "isprivate": 1, "retailmarketingoptin": 1},
                {"recid": 12, "type": 1, "locator": "+44 20 7946 0001", "isprivate": 0, "retailmarketingoptin": 1},
                {"recid": 21, "type": 2, "locator": "bob@example.com"},
                {"recid": 22, "type": 1, "locator": "+44 20 7946 0002", "isprivate": -1},
            ]),
        );
    lake.prepare().await;
    let columns = "customer_id, email, phone, city";
    assert_eq!(
        lake.published("customers", columns).await,
        ["usmf-C1 | - | +44 20 7946 0001 | -", "usmf-C2 | bob@example.com | - | Oslo"]
    );
    let consents =
        "customer_id, email_marketing_opt_in, phone_marketing_opt_in, personalization_opt_out, web_tracking_opt_out";
    assert_eq!(lake.published("customers", consents).await, ["usmf-C1 | - | true | - | -", "usmf-C2 | - | - | - | -"]);

    let parameters = ("include_private_addresses".to_owned(), "true".to_owned());
    let report = lake.run(|settings| settings.parameters.extend([parameters])).await;
    assert!(report.published_all(), "{report}");
    assert_eq!(
        lake.published("customers", columns).await,
        [
            "usmf-C1 | ada@example.com | +44 20 7946 0001 | London",
            "usmf-C2 | bob@example.com | +44 20 7946 0002 | Oslo"
        ]
    );
}

#[tokio::test]
async fn customers_have_what_they_consented_to() {
    let mut lake = Lake::new();
    let choice = |recid: i64, account: &str, personal: i64, web: i64| json!({"recid": recid, "accountnum": account, "optoutpersonalization": personal, "optoutwebactivitytracking": web});
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({"primarycontactemail": 11}))
        .add_person(2, "C2", "Bob", "Stone", json!({}))
        .add_person(3, "C3", "Carol", "Reed", json!({}))
        .add(
            "logisticselectronicaddress",
            json!([{"recid": 11, "type": 2, "locator": "ada@example.com", "retailmarketingoptin": 0}]),
        )
        .add("retailcusttable", json!([choice(1, "c1", 0, 1), choice(2, "C2", 0, 0), choice(3, "C2", -1, 0)]))
        .add(
            "retailcusttable",
            json!([{"recid": 4, "dataareaid": "demf", "accountnum": "C3", "optoutpersonalization": 1}]),
        );
    lake.prepare().await;
    let columns = "customer_id, email_marketing_opt_in, personalization_opt_out, web_tracking_opt_out";
    assert_eq!(
        lake.published("customers", columns).await,
        ["usmf-C1 | false | false | true", "usmf-C2 | - | true | false", "usmf-C3 | - | - | -"]
    );

    // She agrees, and refuses something else; a record goes.
    lake.add(
        "logisticselectronicaddress",
        json!([{"recid": 11, "type": 2, "locator": "ada@example.com", "retailmarketingoptin": 1}]),
    )
    .add("retailcusttable", json!([choice(1, "C1", 1, 0), {"recid": 3, "isdelete": true}]));
    let report = lake.prepare().await;
    assert_eq!(report.table(Layer::Gold, "customers").map(|table| table.how), Some(How::Changes), "{report}");
    assert_eq!(
        lake.published("customers", columns).await,
        ["usmf-C1 | true | true | false", "usmf-C2 | - | false | false", "usmf-C3 | - | - | -"]
    );
}
