//! Stores: what was sold there is published, at once and one time, with what gives it meaning.

use serde_json::json;

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
