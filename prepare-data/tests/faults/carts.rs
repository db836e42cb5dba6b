//! Carts and wish lists: what a customer wanted, whether it was bought, and nothing that only the calendar changes.

use chrono::TimeDelta;
use prepare_data::run::{How, Layer, Report};
use serde_json::{Value, json};

use crate::lake::Lake;

const STATUS: &str = "cart_id, cart_status, is_abandoned, store_transaction_id";

/// A transaction of the till H1 in Houston.
fn transaction(number: &str, entrystatus: i32, began: &str, more: Value) -> Value {
    let mut row = json!({"transactionid": number, "store": "HOUSTON", "terminal": "H1", "channel": 5, "type": 2,
        "entrystatus": entrystatus, "begindatetime": began, "custaccount": "C1", "currency": "USD"});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn on_hold(number: &str, began: &str) -> Value {
    transaction(number, 5, began, json!({"grossamount": -22}))
}

/// An export of stores, with tables that a lake needs to have carts and wish lists.
fn stores() -> Lake {
    let mut lake = Lake::new();
    lake.add("retailtransactiontable", json!([])).add("retailtransactionsalestrans", json!([]));
    lake
}

async fn run_later(lake: &mut Lake, hours: i64) -> Report {
    lake.now += TimeDelta::hours(hours);
    lake.prepare().await
}

/// A column that is computed from "now" changes in every row on every day, and Customer Insights - Data reads the table anew.
#[tokio::test]
async fn a_cart_becomes_abandoned_in_one_run_and_then_stays_as_it_is() {
    let mut lake = stores();
    lake.add(
        "retailtransactiontable",
        json!([on_hold("T1", "2026-01-30T23:59:59Z"), on_hold("T2", "2026-01-31T12:00:00Z")]),
    );
    lake.prepare().await;
    let first = ["usmf|5|T1 | abandoned | true | -", "usmf|5|T2 | open | false | -"];
    assert_eq!(lake.published("carts", STATUS).await, first);

    // Just before the limit: the run has nothing to write.
    let report = run_later(&mut lake, 11).await;
    let carts = report.table(Layer::Gold, "carts").unwrap();
    assert_eq!((carts.how, carts.changed()), (How::Unchanged, false), "{report}");

    // At the limit, and once.
    let report = run_later(&mut lake, 1).await;
    let carts = report.table(Layer::Gold, "carts").unwrap();
    assert_eq!((carts.how, carts.counts.updated, carts.counts.inserted), (How::Changes, 1, 0), "{report}");
    assert_eq!(
        lake.published("carts", "cart_number, cart_status, abandoned_at").await,
        ["T1 | abandoned | 2026-01-31T23:59:59Z", "T2 | abandoned | 2026-02-01T12:00:00Z"]
    );
    for hours in [1, 24] {
        let report = run_later(&mut lake, hours).await;
        assert!(!report.table(Layer::Gold, "carts").unwrap().changed(), "{report}");
    }
    let report = lake.run(|settings| settings.full = true).await;
    assert!(!report.table(Layer::Gold, "carts").unwrap().changed(), "a whole run differs: {report}");
}

#[tokio::test]
async fn the_hours_until_a_cart_counts_as_abandoned_are_a_parameter() {
    let mut lake = stores();
    lake.add("retailtransactiontable", json!([on_hold("T1", "2026-01-31T12:00:00Z")]));
    let hours = |hours: &str| {
        let hours = hours.to_owned();
        move |settings: &mut prepare_data::settings::Settings| {
            settings.parameters.insert("cart_abandoned_after_hours".to_owned(), hours);
        }
    };
    assert!(lake.run(hours("13")).await.published_all());
    assert_eq!(lake.published("carts", STATUS).await, ["usmf|5|T1 | open | false | -"]);
    assert!(lake.run(hours("12")).await.published_all());
    assert_eq!(lake.published("carts", STATUS).await, ["usmf|5|T1 | abandoned | true | -"]);
}

/// What is on hold is recalled at another till, put on hold again, paid or voided: always as a new transaction, which names an older
/// one.
#[tokio::test]
async fn what_became_of_a_cart_is_what_transactions_say_that_name_it() {
    let mut lake = stores();
    let began = "2026-01-30T10:00:00Z";
    let named = |number: &str, status: i32, began: &str, cart: &str| {
        transaction(number, status, began, json!({"terminal": "H2", "suspendedtransactionid": cart}))
    };
    lake.add(
        "retailtransactiontable",
        json!([
            on_hold("T1", began),
            on_hold("T2", began),
            named("T3", 5, "2026-01-31T20:00:00Z", "T2"), // once more
            on_hold("T4", began),
            named("T5", 1, "2026-01-30T11:00:00Z", "T4"), // voided
            on_hold("T6", began),
            transaction("T6", 0, began, json!({"channel": 6, "suspendedtransactionid": "T6"})), // another store
            on_hold("T7", began),
            transaction("T8", 0, began, json!({"type": 9, "suspendedtransactionid": "T7"})), // no sale
        ]),
    );
    lake.prepare().await;
    let mut expected = vec![
        "usmf|5|T1 | abandoned | true | -",
        "usmf|5|T2 | open | false | -",
        "usmf|5|T4 | closed | false | -",
        "usmf|5|T6 | abandoned | true | -",
        "usmf|5|T7 | abandoned | true | -",
    ];
    assert_eq!(lake.published("carts", STATUS).await, expected);

    // T1 is paid, and T2, by a transaction that names the second time that it was on hold.
    lake.add(
        "retailtransactiontable",
        json!([named("T9", 0, "2026-01-31T09:00:00Z", "T1"), named("T10", 2, "2026-01-31T21:00:00Z", "T3"),]),
    );
    let report = lake.prepare().await;
    let carts = report.table(Layer::Gold, "carts").unwrap();
    assert_eq!((carts.how, carts.counts.updated), (How::Changes, 2), "{report}");
    expected[0] = "usmf|5|T1 | converted | false | usmf|5|HOUSTON|H2|T9";
    expected[1] = "usmf|5|T2 | converted | false | usmf|5|HOUSTON|H2|T10";
    assert_eq!(lake.published("carts", STATUS).await, expected);
    let report = lake.run(|settings| settings.full = true).await;
    assert!(!report.table(Layer::Gold, "carts").unwrap().changed(), "a whole run differs: {report}");
}

/// Carts of an online store stay in the channel database, which knows no company and writes customers in any letters.
#[tokio::test]
async fn carts_of_the_channel_database_are_published_where_it_is_exported() {
    let mut lake = stores();
    let cart = |number: Value, customer: &str, more: Value| {
        let mut row = json!({"transactionid": number, "channelid": 7, "customerid": customer, "amount": 30,
            "createddatetime": "2026-01-31T10:00:00Z", "modifieddatetime": "2026-01-31T11:00:00Z"});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add(
            "retailchanneltable",
            json!([
                {"recid": 5, "retailchannelid": "00005", "inventlocationdataareaid": "USMF", "currency": "USD"},
                {"recid": 7, "retailchannelid": "00007", "inventlocationdataareaid": "USMF", "currency": "EUR"},
                {"recid": 8, "retailchannelid": "00008"},
            ]),
        )
        .add(
            "salestransaction",
            json!([
                cart(json!("A"), "c1", json!({})),
                cart(json!("B"), "", json!({"deleteddatetime": "2026-01-31T12:00:00Z"})),
                cart(json!("S"), "C1", json!({"deleteddatetime": "2026-01-31T12:00:00Z"})),
                cart(json!("T1"), "C1", json!({"channelid": 5, "issuspended": 1})), // the one that is on hold
                cart(json!("X"), "C1", json!({"recid": 91, "channelid": 8})),
                cart(json!(" "), "C1", json!({"recid": 92})),
            ]),
        )
        .add(
            "retailtransactiontable",
            json!([
                on_hold("T1", "2026-01-31T10:30:00Z"),
                transaction("S", 0, "2026-01-31T10:00:00Z", json!({"channel": 7, "type": 19, "store": null, "terminal": null})),
            ]),
        )
        .add("retailtransactionsalestrans", json!([
            {"transactionid": "T1", "store": "HOUSTON", "terminalid": "H1", "channel": 5, "qty": -1, "netamount": -20},
            {"transactionid": "T1", "store": "HOUSTON", "terminalid": "H1", "channel": 5, "qty": -1, "netamount": -2, "transactionstatus": 1},
        ]));
    lake.prepare().await;
    assert_eq!(
        lake.published(
            "carts",
            "cart_id, customer_id, cart_status, is_on_hold_at_store, line_count, total_amount, currency, last_changed_at"
        )
        .await,
        [
            "usmf|5|T1 | usmf-C1 | open | true | 1 | 30 | USD | 2026-01-31T11:00:00Z",
            "usmf|7|A | usmf-C1 | open | false | - | 30 | EUR | 2026-01-31T11:00:00Z",
            "usmf|7|B | - | closed | false | - | 30 | EUR | 2026-01-31T11:00:00Z",
            "usmf|7|S | usmf-C1 | converted | false | - | 30 | EUR | 2026-01-31T11:00:00Z",
        ]
    );
    let rejected = lake.rejected().await;
    let carts: Vec<_> = rejected.iter().filter(|line| line.starts_with("salestransaction")).collect();
    assert_eq!(carts, ["salestransaction-91 | company_missing", "salestransaction-92 | number_missing"]);

    // The channel's company becomes known, and a day passes.
    lake.add(
        "retailchanneltable",
        json!([{"recid": 8, "retailchannelid": "00008", "inventlocationdataareaid": "usmf"}]),
    );
    run_later(&mut lake, 24).await;
    assert_eq!(
        lake.published("carts", "cart_id, cart_status").await,
        [
            "usmf|5|T1 | abandoned",
            "usmf|7|A | abandoned",
            "usmf|7|B | closed",
            "usmf|7|S | converted",
            "usmf|8|X | abandoned"
        ]
    );
    let report = lake.run(|settings| settings.full = true).await;
    assert!(!report.table(Layer::Gold, "carts").unwrap().changed(), "a whole run differs: {report}");
    assert!(!lake.rejected().await.contains(&"salestransaction-91 | company_missing".to_owned()));
}

/// Nobody documents whether wish lists name their company.
#[tokio::test]
async fn products_on_wish_lists_find_their_customer_and_their_product() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add_person(2, "C2", "Bob", "Stone", json!({}))
        .add("custtable", json!([{"recid": 3, "dataareaid": "dert", "accountnum": "C2", "party": 2}]))
        .add("inventtable", json!([{"itemid": "81120", "product": 60}, {"dataareaid": "dert", "itemid": "81120", "product": 60}]))
        .add("retailwishlisttable", json!([
            {"recid": 10, "customerid": "c1", "name": "Birthday", "isprivate": 0, "iscollaborative": 1},
            {"recid": 20, "customerid": "C2"},
            {"recid": 30, "customerid": "C2", "dataareaid": "DERT", "isprivate": 1},
        ]))
        .add("retailwishlistlinetable", json!([
            {"recid": 11, "wishlistid": 10, "productid": 60, "quantity": 2, "createddatetime": "2026-01-30T10:00:00Z"},
            {"recid": 12, "wishlistid": 10, "productid": 61, "customerid": "C2", "isfavorite": 1},
            {"recid": 13, "wishlistid": 10, "productid": 0},
            {"recid": 21, "wishlistid": 20, "productid": 60},
            {"recid": 31, "wishlistid": 30, "productid": 60},
        ]));
    lake.prepare().await;
    let columns = "wish_list_line_id, wish_list_name, customer_id, owner_customer_id, product_id, is_favorite, is_private, is_collaborative";
    let mut expected = vec![
        "11 | Birthday | usmf-C1 | usmf-C1 | usmf-81120 | false | false | true",
        "12 | Birthday | - | - | - | true | false | true", // two companies have a customer C2
        "21 | - | - | - | - | false | false | false",
        "31 | - | dert-C2 | dert-C2 | dert-81120 | false | true | false",
    ];
    assert_eq!(lake.published("wish_lists", columns).await, expected);
    assert!(lake.rejected().await.contains(&"retailwishlistlinetable-13 | product_missing".to_owned()));

    // A line is taken off, and a customer of the same number is deleted: the company of the others is certain now.
    lake.add("retailwishlistlinetable", json!([{"recid": 11, "isdelete": true}]))
        .add("custtable", json!([{"recid": 3, "dataareaid": "dert", "isdelete": true}]));
    let report = lake.prepare().await;
    assert_eq!(report.table(Layer::Gold, "wish_lists").unwrap().how, How::Changes, "{report}");
    expected.remove(0);
    expected[0] = "12 | Birthday | usmf-C2 | usmf-C1 | - | true | false | true";
    expected[1] = "21 | - | usmf-C2 | usmf-C2 | usmf-81120 | false | false | false";
    assert_eq!(lake.published("wish_lists", columns).await, expected);
    let report = lake.run(|settings| settings.full = true).await;
    assert!(!report.table(Layer::Gold, "wish_lists").unwrap().changed(), "a whole run differs: {report}");
}
