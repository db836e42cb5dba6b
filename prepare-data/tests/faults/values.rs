//! Values as they really are: numbers in other letters, gift cards, labels of enums, spaces that nobody sees.

use serde_json::json;

use crate::lake::Lake;

#[tokio::test]
async fn numbers_are_compared_without_case_and_shown_as_their_record_writes_them() {
    let mut lake = Lake::new();
    lake.add_person(1, "C001", "Ada", "Lovelace", json!({}))
        .add("inventtable", json!([{"itemid": "Shoe-A", "product": 1}]))
        .add("salestable", json!([{"recid": 5, "salesid": "SO1", "custaccount": "c001", "salesstatus": 1}]))
        .add(
            "salesline",
            json!([{"recid": 6, "salesid": "so1", "itemid": "SHOE-A", "salesqty": 1, "lineamount": 10, "salesstatus": 1}]),
        )
        .add(
            "retailtransactiontable",
            json!([
                {"recid": 7, "transactionid": "T1", "store": "H", "terminal": "H1", "channel": 5, "type": 2,
                    "custaccount": "c001"},
                {"recid": 8, "transactionid": "T2", "store": "H", "terminal": "H1", "channel": 5, "type": 19,
                    "custaccount": "C001", "salesorderid": "so1"},
            ]),
        );
    let report = lake.prepare().await;
    let order = "sales_order_id, customer_id, total_amount, line_count";
    assert_eq!(lake.published("sales_orders", order).await, ["usmf-SO1 | usmf-C001 | 10 | 1"]);
    let line = "sales_order_id, customer_id, product_id";
    assert_eq!(lake.published("sales_order_lines", line).await, ["usmf-SO1 | usmf-C001 | usmf-Shoe-A"]);
    assert_eq!(
        lake.published("store_transactions", "transaction_number, customer_id, sales_order_id").await,
        ["T1 | usmf-C001 | -", "T2 | usmf-C001 | usmf-SO1"]
    );
    assert!(lake.rejected().await.is_empty());
    assert!(
        report.gaps.iter().all(|gap| gap.check.starts_with("transactions_without_channel") || gap.gaps == 0),
        "{report}"
    );

    // The record changes its letters: what refers to it follows in the next run.
    lake.add("custtable", json!([{"recid": 1, "accountnum": "c001", "party": 1}]));
    lake.prepare().await;
    assert_eq!(lake.published("sales_orders", "customer_id").await, ["usmf-c001"]);
    assert_eq!(lake.published("sales_order_lines", "customer_id").await, ["usmf-c001"]);
    assert_eq!(lake.published("store_transactions", "customer_id").await, ["usmf-c001", "usmf-c001"]);
}

#[tokio::test]
async fn lines_of_store_transactions_are_published_with_returns_and_gift_cards_apart() {
    let mut lake = Lake::new();
    let header = |number: &str, net: i64| {
        json!({"transactionid": number, "store": "H", "terminal": "H1", "channel": 5, "type": 2, "netamount": net,
            "custaccount": "C1", "begindatetime": "2026-01-30T15:00:00Z", "currency": "USD"})
    };
    let line = |number: &str, recid: i64, item: &str, qty: i64, net: i64| {
        json!({"recid": recid, "transactionid": number, "store": "H", "terminalid": "H1", "channel": 5, "linenum": recid,
            "itemid": item, "qty": qty, "netamount": net, "price": net.abs(), "discamount": -1, "transactionstatus": 0})
    };
    let mut card = line("T2", 3, "CARD", -1, -50);
    card["giftcard"] = json!(1);
    let mut voided = line("T1", 4, "SHOE", -1, -9);
    voided["transactionstatus"] = json!(1);
    lake.add("retailtransactiontable", json!([header("T1", -5), header("T2", -50)])).add(
        "retailtransactionsalestrans",
        json!([
            line("T1", 1, "SHOE", -1, -20),
            line("T1", 2, "HAT", 1, 15),
            card,
            voided,
            line("T9", 5, "HAT", -1, -1)
        ]),
    );
    lake.prepare().await;
    let columns = "transaction_number, transaction_kind, is_purchase, net_amount, gift_card_amount, line_count";
    assert_eq!(
        lake.published("store_transactions", columns).await,
        ["T1 | sale | true | 5 | - | 2", "T2 | sale | false | 0 | 50 | 0"]
    );
    let columns = "store_transaction_line_id, item_number, line_kind, is_purchase, quantity, net_amount, unit_price, discount_amount";
    assert_eq!(
        lake.published("store_transaction_lines", columns).await,
        [
            "usmf-1 | SHOE | sale | true | 1 | 20 | 20 | 1",
            "usmf-2 | HAT | return | false | -1 | -15 | 15 | 1",
            "usmf-3 | CARD | gift_card | false | 1 | 50 | 50 | 1"
        ]
    );
    let columns = "store_transaction_id, customer_id, channel_id, transacted_at, currency";
    assert_eq!(
        lake.published("store_transaction_lines", columns).await[0],
        "usmf|5|H|H1|T1 | usmf-C1 | 5 | 2026-01-30T15:00:00Z | USD"
    );
    let lines =
        |rejected: Vec<String>| rejected.into_iter().filter(|row| row.contains("salestrans")).collect::<Vec<_>>();
    assert_eq!(
        lines(lake.rejected().await),
        ["retailtransactionsalestrans-4 | voided", "retailtransactionsalestrans-5 | transaction_left_out"]
    );

    // A line comes later, and its transaction has new sums.
    lake.add("retailtransactionsalestrans", json!([line("T2", 6, "HAT", -1, -15)]));
    lake.prepare().await;
    assert_eq!(
        lake.published("store_transactions", "transaction_number, is_purchase, net_amount").await,
        ["T1 | true | 5", "T2 | true | 15"]
    );
    assert_eq!(lake.published("store_transaction_lines", "item_number").await, ["CARD", "HAT", "HAT", "SHOE"]);
}

#[tokio::test]
async fn posted_receipts_that_name_no_order_are_counted() {
    let mut lake = Lake::new();
    let receipt = |number: &str, order: &str| {
        json!({"transactionid": number, "store": "H", "terminal": "H1", "channel": 5, "type": 2, "entrystatus": 2,
            "statementid": "ST1", "salesorderid": order})
    };
    lake.add("retailtransactiontable", json!([receipt("T1", ""), receipt("T2", "S1")]));
    let report = lake.prepare().await;
    let gap = report.gaps.iter().find(|gap| gap.check == "posted_receipts_without_order").unwrap();
    assert_eq!((gap.gaps, gap.of), (1, 2));
}

#[tokio::test]
async fn an_order_whose_lines_are_all_canceled_has_a_total_of_zero() {
    let mut lake = Lake::new();
    lake.add("salestable", json!([{"salesid": "S1", "salesstatus": 1, "currencycode": "USD"}])).add(
        "salesline",
        json!([{"salesid": "S1", "salesqty": 1, "lineamount": 10, "salesstatus": 4, "currencycode": "USD"}]),
    );
    lake.prepare().await;
    assert_eq!(
        lake.published("sales_orders", "sales_order_id, total_amount, is_purchase, currency").await,
        ["usmf-S1 | 0 | false | USD"]
    );
}

#[tokio::test]
async fn spaces_that_nobody_sees_are_removed() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1\r\n", "Ada\u{a0}", "\tLovelace", json!({"primaryaddresslocation": 3}))
        .add("logisticspostaladdress", json!([{"location": 3, "street": "Main Street\r\n", "city": "\u{a0}"}]))
        .add("salestable", json!([{"salesid": "S1\t", "custaccount": "C1\u{a0}", "salesstatus": 1}]));
    lake.prepare().await;
    assert_eq!(
        lake.published("customers", "customer_id, first_name, last_name, street, city").await,
        ["usmf-C1 | Ada | Lovelace | Main Street | -"]
    );
    assert_eq!(lake.published("sales_orders", "sales_order_id, customer_id").await, ["usmf-S1 | usmf-C1"]);
}

#[tokio::test]
async fn a_category_hierarchy_that_does_not_exist_is_refused() {
    let mut lake = Lake::new();
    lake.add("ecorescategoryhierarchy", json!([{"recid": 1, "name": "Web"}]));
    lake.prepare().await;
    let mut settings = lake.settings();
    settings.parameters.insert("category_hierarchy".to_owned(), "Webb".to_owned());
    let error = prepare_data::run::prepare(&settings).await.unwrap_err().to_string();
    assert!(error.contains("`Webb`") && error.contains("has Web"), "{error}");
}

#[tokio::test]
async fn labels_in_delta_tables_are_understood_as_the_list_of_the_export_translates_them() {
    let mut lake = Lake::new();
    lake.export_as_text("salestable", "salesstatus");
    let label = |number: &str, label: &str| {
        json!({"optionsetname": "SalesStatus", "option": number, "localizedlabel": label, "entityname": "SalesTable",
            "externalvalue": null})
    };
    lake.add_labels(json!([label("4", "Storniert"), label("3", "Fakturiert")]));
    let order = |number: i64, status: &str| json!({"recid": number, "salesid": format!("S{number}"), "custaccount": "C900", "salesstatus": status});
    let line = |number: i64| json!({"recid": number, "salesid": format!("S{number}"), "salesqty": 1, "lineamount": 5, "salesstatus": 1});
    lake.add(
        "salestable",
        json!([order(1, "Storniert"), order(2, "fakturiert "), order(3, "Verloren"), order(4, "1")]),
    )
    .add("salesline", json!([line(1), line(2), line(3), line(4)]));
    lake.prepare().await;
    assert_eq!(
        lake.published("sales_orders", "order_number, order_status, is_purchase").await,
        ["S1 | canceled | false", "S2 | invoiced | true", "S3 | unknown | false", "S4 | open | true"]
    );
}
