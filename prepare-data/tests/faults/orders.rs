//! Orders and their lines: with their own company, time, currency and kind.

use serde_json::json;

use crate::lake::Lake;

/// The notebook joins lines to orders by the order number alone. Two companies that both count from 000001 have four rows
/// instead of two: Germany's line is sold in America as well, and the record ids that were to be the key repeat.
#[tokio::test]
async fn lines_stay_with_the_order_of_their_company() {
    let mut lake = Lake::new();
    lake.add(
        "salestable",
        json!([
            {"dataareaid": "usmf", "salesid": "000001", "custaccount": "C1"},
            {"dataareaid": "demf", "salesid": "000001", "custaccount": "C9"},
        ]),
    )
    .add(
        "salesline",
        json!([
            {"recid": 11, "dataareaid": "usmf", "salesid": "000001", "salesqty": 1, "lineamount": 10},
            {"recid": 12, "dataareaid": "demf", "salesid": "000001", "salesqty": 2, "lineamount": 20},
        ]),
    );
    lake.prepare().await;
    assert_eq!(
        lake.published("sales_order_lines", "sales_order_line_id, sales_order_id, customer_id, line_amount").await,
        ["demf-12 | demf-000001 | demf-C9 | 20", "usmf-11 | usmf-000001 | usmf-C1 | 10"]
    );
    assert_eq!(
        lake.published("sales_orders", "sales_order_id, line_count, total_amount, order_status").await,
        ["demf-000001 | 1 | 20 | unknown", "usmf-000001 | 1 | 10 | unknown"]
    );
}

/// The notebook writes the same word on every line: "Purchase". Here only S1 and half of S3 are bought: S2 came back, S4 and S5
/// were canceled, line by line and as a whole, S6 is a journal, S7 a quotation and S8 takes back more than it sells.
#[tokio::test]
async fn returns_canceled_orders_and_journals_are_no_purchases() {
    let mut lake = Lake::new();
    let order = |id: &str, kind: i32, status: i32| json!({"recid": id[1..].parse::<i64>().unwrap(), "salesid": id, "salestype": kind, "salesstatus": status});
    let line = |record: i64, order: &str, status: i32, quantity: i32| {
        json!({"recid": record, "salesid": order, "salesstatus": status, "salesqty": quantity, "lineamount": quantity * 10,
            "currencycode": "USD"})
    };
    let (open, invoiced, canceled) = (1, 3, 4);
    lake.add(
        "salestable",
        json!([
            order("S1", 3, invoiced),
            order("S2", 4, invoiced),
            order("S3", 3, open),
            order("S4", 3, 0),
            order("S5", 3, canceled),
            order("S6", 0, open),
            order("S7", 1, open),
            order("S8", 3, invoiced),
        ]),
    )
    .add(
        "salesline",
        json!([
            line(11, "S1", invoiced, 1),
            line(21, "S2", invoiced, -1),
            line(31, "S3", open, 3),
            line(32, "S3", canceled, 5),
            line(41, "S4", canceled, 1),
            line(51, "S5", open, 1),
            line(61, "S6", open, 1),
            line(71, "S7", open, 1),
            line(81, "S8", invoiced, -2),
        ]),
    );
    lake.prepare().await;
    assert_eq!(
        lake.published("sales_orders", "order_number, order_kind, order_status, is_purchase, total_amount").await,
        [
            "S1 | order | invoiced | true | 10",
            "S2 | return | invoiced | false | -10",
            "S3 | order | open | true | 30",
            "S4 | order | canceled | false | 0",
            "S5 | order | canceled | false | 0",
            "S8 | return | invoiced | false | -20",
        ]
    );
    assert_eq!(
        lake.published("sales_order_lines", "sales_order_line_id, line_kind, line_status, is_purchase").await,
        [
            "usmf-11 | sale | invoiced | true",
            "usmf-21 | return | invoiced | false",
            "usmf-31 | sale | open | true",
            "usmf-32 | sale | canceled | false",
            "usmf-41 | sale | canceled | false",
            "usmf-51 | sale | canceled | false",
            "usmf-81 | return | invoiced | false",
        ]
    );
    assert_eq!(
        lake.rejected().await,
        [
            "salesline-61 | order_left_out",
            "salesline-71 | order_left_out",
            "salestable-6 | journal",
            "salestable-7 | other_type"
        ]
    );
}

/// The notebook takes the time at which a line was written for the time of the purchase, and a sum over its amounts adds euros
/// to dollars. These orders of Christmas were imported in January: all of them would be January's, and S1 worth 110 of nothing.
#[tokio::test]
async fn orders_keep_their_own_time_and_currencies_are_never_added() {
    let mut lake = Lake::new();
    let line = |record: i64, order: &str, amount: i32, currency: &str| {
        json!({"recid": record, "salesid": order, "salesqty": 1, "salesstatus": 3, "lineamount": amount,
            "currencycode": currency, "createddatetime": "2026-01-15T04:00:00Z"})
    };
    lake.add(
        "salestable",
        json!([
            {"salesid": "S1", "createddatetime": "2025-12-24T10:00:00Z"},
            {"salesid": "S2", "createddatetime": "2025-12-24T11:00:00Z"},
            {"salesid": "S3", "createddatetime": "1900-01-01T00:00:00Z"}, // how an export says: never
        ]),
    )
    .add(
        "salesline",
        json!([
            line(11, "S1", 10, "USD"),
            line(12, "S1", 100, "EUR"),
            line(21, "S2", 7, "EUR"),
            line(22, "S2", 8, "EUR"),
            line(31, "S3", 1, "USD"),
        ]),
    );
    lake.prepare().await;
    assert_eq!(
        lake.published("sales_orders", "order_number, ordered_at, has_mixed_currencies, currency, total_amount").await,
        [
            "S1 | 2025-12-24T10:00:00Z | true | - | -",
            "S2 | 2025-12-24T11:00:00Z | false | EUR | 15",
            "S3 | 2026-01-15T04:00:00Z | false | USD | 1",
        ]
    );
    assert_eq!(
        lake.published("sales_order_lines", "sales_order_line_id, ordered_at, currency, line_amount").await,
        [
            "usmf-11 | 2025-12-24T10:00:00Z | USD | 10",
            "usmf-12 | 2025-12-24T10:00:00Z | EUR | 100",
            "usmf-21 | 2025-12-24T11:00:00Z | EUR | 7",
            "usmf-22 | 2025-12-24T11:00:00Z | EUR | 8",
            "usmf-31 | 2026-01-15T04:00:00Z | USD | 1",
        ]
    );
}
