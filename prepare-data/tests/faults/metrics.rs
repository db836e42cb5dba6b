//! Metrics of customers: what counts, once, and in its own currency.

use serde_json::json;

use crate::lake::Lake;

/// A pipeline that sums whatever order lines there are counts quotations and canceled lines, adds dollars to euros, takes the
/// cost of one piece for that of all, and writes every row again on every day.
#[tokio::test]
async fn metrics_count_purchases_once_and_by_currency_and_change_with_events_only() {
    let mut lake = Lake::new();
    let order = |number: &str, kind: i32, currency: &str| {
        json!({"salesid": number, "custaccount": "c1", "salestype": kind, "salesstatus": 3, "currencycode": currency,
            "retailchanneltable": 5, "createddatetime": "2026-01-10T08:00:00Z"})
    };
    let line = |number: &str, status: i32, quantity: i32, amount: i32, currency: &str| {
        json!({"salesid": number, "itemid": "81120", "salesqty": quantity, "lineamount": amount, "salesstatus": status,
            "currencycode": currency, "salesprice": 12, "costprice": 4})
    };
    let receipt = json!({"transactionid": "T1", "store": "HOUSTON", "terminal": "H1", "channel": 6, "type": 2,
        "custaccount": "C1", "begindatetime": "2026-01-20T15:00:00Z", "currency": "USD"});
    let sold = |quantity: i32, amount: i32| {
        json!({"transactionid": "T1", "store": "HOUSTON", "terminalid": "H1", "channel": 6, "itemid": "81121",
            "qty": quantity, "netamount": amount, "discamount": 1, "costamount": 5})
    };
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("salestable", json!([order("S1", 3, "USD"), order("S2", 0, "USD"), order("S3", 3, "EUR")]))
        .add(
            "salesline",
            json!([
                line("S1", 3, 3, 30, "USD"), // 6 less than the list price
                line("S1", 4, 9, 90, "USD"), // canceled
                line("S2", 1, 5, 50, "USD"), // of a quotation
                line("S3", 1, 2, 24, "EUR"),
            ]),
        )
        .add("retailtransactiontable", json!([receipt]))
        .add("retailtransactionsalestrans", json!([sold(-2, -20), sold(1, 8)])) // an exchange
        .add("retailloyaltycard", json!([{"recid": 9, "cardnumber": "L1", "party": 1}]))
        .add(
            "retailloyaltycardrewardpointtrans",
            json!([{"cardnumber": "L1", "entrytype": 1,
            "rewardpointamountqty": 30, "loyaltytransdataareaid": "USMF", "entrydate": "2026-01-21T00:00:00Z"}]),
        );
    lake.prepare().await;
    let counts =
        "customer_metrics_id, order_count, purchase_count, return_count, active_days, channel_count, product_count";
    assert_eq!(
        lake.published("customer_metrics", counts).await,
        ["usmf-C1|EUR | 1 | 1 | 0 | 1 | 1 | 1", "usmf-C1|USD | 1 | 2 | 1 | 2 | 2 | 2"]
    );
    let amounts = "currency, revenue, returned_amount, discount_amount, cost_amount, margin_amount, average_purchase";
    assert_eq!(
        lake.published("customer_metrics", amounts).await,
        ["EUR | 24 | 0 | 0 | 8 | 16 | 24", "USD | 50 | 8 | 7 | 12 | 30 | 25"]
    );
    let main = "currency, is_main_currency, points_balance, as_of_date, last_purchase_at";
    assert_eq!(
        lake.published("customer_metrics", main).await,
        [
            "EUR | false | - | 2026-01-10T00:00:00Z | 2026-01-10T08:00:00Z",
            "USD | true | 30 | 2026-01-21T00:00:00Z | 2026-01-20T15:00:00Z"
        ]
    );
    let before = lake.everything().await["gold/customer_metrics"].clone();
    lake.now += chrono::TimeDelta::days(1);
    lake.prepare().await;
    assert_eq!(lake.everything().await["gold/customer_metrics"], before, "a day without an event");
}
