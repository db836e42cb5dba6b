//! Stores: what was sold there is published, at once and one time, with what gives it meaning.

use serde_json::{Value, json};

use crate::lake::Lake;

/// The notebook computes the transactions and never writes them: there is no activity to make a journey of.
#[tokio::test]
async fn store_transactions_are_published() {
    let mut lake = Lake::new();
    let sale = json!({"transactionid": "T1", "store": "HOUSTON", "terminal": "H1", "channel": 5, "type": 2, "netamount": -20,
        "custaccount": "C1", "begindatetime": "2026-01-30T15:00:00Z", "currency": "USD"});
    let line = json!({"transactionid": "T1", "store": "HOUSTON", "terminalid": "H1", "channel": 5, "qty": -2,
        "netamount": -20, "netamountincltax": -22, "taxamount": -2});
    lake.add("retailtransactiontable", json!([sale])).add("retailtransactionsalestrans", json!([line]));
    lake.add("salestable", json!([{"salesid": "S1"}])).add("salesline", json!([{"recid": 11, "salesid": "S1"}]));
    lake.prepare().await;
    let columns = "store_transaction_id, customer_id, transacted_at, is_purchase, net_amount, gross_amount, currency";
    assert_eq!(
        lake.published("store_transactions", columns).await,
        ["usmf|5|HOUSTON|H1|T1 | usmf-C1 | 2026-01-30T15:00:00Z | true | 20 | 22 | USD"]
    );
    assert_eq!(lake.published("sales_orders", "sales_order_id").await, ["usmf-S1"]);
    assert_eq!(lake.published("sales_order_lines", "sales_order_line_id").await, ["usmf-11"]);
}

/// The notebook knows sales orders only, so a store's sale is missing until a statement is posted, and then belongs to the
/// order that posting made. Who adds the receipts to that counts each of them twice.
#[tokio::test]
async fn a_store_sale_is_there_before_posting_and_only_once_after() {
    let mut lake = Lake::new();
    let receipt = |entrystatus: i32, order: Option<&str>| {
        json!({"recid": 1, "transactionid": "T1", "store": "HOUSTON", "terminal": "H1", "channel": 5, "type": 2,
            "entrystatus": entrystatus, "salesorderid": order, "netamount": -20})
    };
    lake.add("retailtransactiontable", json!([receipt(0, None)])).add("retailtransactionsalestrans", json!([]));
    lake.prepare().await;
    let columns = "transaction_number, posting_status, sales_order_id, is_purchase, net_amount";
    assert_eq!(lake.published("store_transactions", columns).await, ["T1 | not_posted | - | true | 20"]);

    lake.add("retailtransactiontable", json!([receipt(2, Some("S1"))]))
        .add("salestable", json!([{"recid": 2, "salesid": "S1", "salestype": 3, "salesstatus": 3}]))
        .add("salesline", json!([{"recid": 3, "salesid": "S1", "salesqty": 2, "lineamount": 20, "salesstatus": 3}]));
    // An order that a customer placed at the register: the order has the amounts.
    lake.add(
        "retailtransactiontable",
        json!([
            {"recid": 4, "transactionid": "T2", "store": "HOUSTON", "terminal": "H1", "channel": 5, "type": 19,
                "salesorderid": "S2", "netamount": -50},
        ]),
    )
    .add("salestable", json!([{"recid": 5, "salesid": "S2", "salestype": 3, "salesstatus": 1}]))
    .add("salesline", json!([{"recid": 6, "salesid": "S2", "salesqty": 5, "lineamount": 50, "salesstatus": 1}]));
    lake.prepare().await;
    assert_eq!(
        lake.published("store_transactions", columns).await,
        ["T1 | posted | usmf-S1 | true | 20", "T2 | not_posted | usmf-S2 | false | -"]
    );
    assert_eq!(
        lake.published("sales_orders", "sales_order_id, is_purchase, total_amount").await,
        ["usmf-S2 | true | 50"]
    );
    assert_eq!(lake.published("sales_order_lines", "sales_order_line_id").await, ["usmf-6"]);
    assert_eq!(lake.rejected().await, ["salesline-3 | order_left_out", "salestable-2 | in_store_transactions"]);
}

/// The notebook publishes numbers of items and channels and no points at all: nobody can choose customers who bought shoes in
/// Houston, or who have points to spend.
#[tokio::test]
async fn products_channels_and_points_have_tables_of_their_own() {
    let mut lake = Lake::new();
    lake.add("retailchanneltable", json!([{"recid": 5, "retailchannelid": "00005", "channeltype": 0, "omoperatingunitid": 50}]))
        .add("dirpartytable", json!([{"recid": 50, "name": "Houston", "instancerelationtype": 8363}]))
        .add("inventtable", json!([{"itemid": "81120", "product": 60}]))
        .add("ecoresproducttranslation", json!([
            {"product": 60, "languageid": "de", "name": "Laufschuh"},
            {"product": 60, "languageid": "en-US", "name": "Running shoe"},
        ]))
        .add("ecoresproductcategory", json!([{"product": 60, "category": 61, "categoryhierarchy": 62}]))
        .add("ecorescategory", json!([{"recid": 61, "name": "Shoes"}]))
        .add("retailloyaltycard", json!([{"cardnumber": "L1", "party": 1}]))
        .add("retailloyaltycardrewardpointtrans", json!([
            {"recid": 71, "cardnumber": "L1", "entrytype": 1, "rewardpointamountqty": 30, "loyaltytransdataareaid": "USMF"},
            {"recid": 72, "cardnumber": "L1", "entrytype": 2, "rewardpointamountqty": 10, "loyaltytransdataareaid": "USMF"},
        ]))
        .add_person(1, "C1", "Ada", "Lovelace", json!({}));
    lake.prepare().await;
    assert_eq!(lake.published("channels", "channel_id, channel_name, channel_type").await, ["5 | Houston | store"]);
    assert_eq!(
        lake.published("products", "product_id, product_name, category").await,
        ["usmf-81120 | Running shoe | Shoes"]
    );
    assert_eq!(
        lake.published("loyalty_points", "loyalty_entry_id, customer_id, entry_kind, points").await,
        ["71 | usmf-C1 | earned | 30", "72 | usmf-C1 | redeemed | -10"]
    );
}

/// A number is used once in a terminal, so its receipts in other terminals and companies are others; and a receipt can lack its
/// channel, its store or its terminal.
#[tokio::test]
async fn receipts_that_share_their_number_change_one_by_one() {
    let places = [
        json!({"store": "HOUSTON", "terminal": "H1", "channel": 5}),
        json!({"store": "HOUSTON", "terminal": "H2", "channel": 5}),
        json!({"store": "HOUSTON", "terminal": "H1", "channel": 5, "dataareaid": "usrt"}),
        json!({"terminal": "H1", "channel": 5}),
        json!({"store": "HOUSTON", "channel": 5}),
        json!({"store": "HOUSTON", "terminal": "H1"}),
        json!({"store": "HOUSTON", "terminal": "H1", "channel": 0, "dataareaid": "usrt"}),
    ];
    let row = |number: usize, what: Value| {
        let mut row = places[number].clone();
        row.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
        row["transactionid"] = json!("T1");
        row
    };
    let receipt = |number: usize, amount: i64| {
        let what = json!({"recid": number, "type": 2, "netamount": -amount, "custaccount": "C1", "currency": "USD",
            "begindatetime": "2026-01-30T15:00:00Z"});
        row(number, what)
    };
    let line = |number: usize, quantity: i64| {
        let mut line = row(number, json!({"recid": 10 + number, "qty": -quantity, "netamount": -20}));
        let terminal = line.as_object_mut().unwrap().remove("terminal");
        line["terminalid"] = json!(terminal);
        line
    };
    let payment = |number: usize, amount: i64| {
        row(number, json!({"recid": 20 + number, "amounttendered": amount, "tendertype": "1"}))
    };
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("custtable", json!([{"recid": 2, "accountnum": "C1", "party": 1, "dataareaid": "usrt"}]));
    let all = 0..places.len();
    lake.add("retailtransactiontable", all.clone().map(|number| receipt(number, 20)).collect())
        .add("retailtransactionsalestrans", all.clone().map(|number| line(number, 1)).collect())
        .add("retailtransactionpaymenttrans", all.map(|number| payment(number, 20)).collect());
    lake.prepare().await;
    let receipts = "company, store_number, terminal_number, channel_id, net_amount";
    assert_eq!(
        lake.published("store_transactions", receipts).await,
        [
            "usmf | - | H1 | 5 | 20",
            "usmf | HOUSTON | - | 5 | 20",
            "usmf | HOUSTON | H1 | 5 | 20",
            "usmf | HOUSTON | H2 | 5 | 20",
            "usrt | HOUSTON | H1 | 5 | 20",
        ]
    );
    let rejected = lake.rejected().await;
    assert!(rejected.iter().any(|row| row.starts_with("retailtransactiontable-5 ")), "{rejected:?}");

    let counts = "customer_id, purchase_count";
    assert_eq!(lake.published("customer_metrics", counts).await, ["usmf-C1 | 4", "usrt-C1 | 1"]);
    lake.add("retailtransactiontable", json!([receipt(0, 30), receipt(5, 30)]));
    lake.prepare().await;
    lake.add("retailtransactionsalestrans", json!([line(1, 2), line(3, 2), line(6, 2)]));
    lake.prepare().await;
    lake.add("retailtransactionpaymenttrans", json!([payment(2, 30), payment(4, 30), payment(5, 30)]));
    lake.prepare().await;
    let kept = lake.everything().await;
    let report = lake.run(|settings| settings.full = true).await;
    assert!(report.reconciled && report.published_all(), "{report}");
    assert_eq!(lake.everything().await, kept, "a whole run finds more");
}
