//! Payments: what a customer paid and how, without what was only handed over and given back, and each payment once.

use prepare_data::run::{How, Layer};
use serde_json::{Value, json};

use crate::lake::Lake;

const KINDS: &str = "payment_id, payment_kind, method_kind, payment_method, amount, currency";

fn transaction(number: i64, kind: i32, more: Value) -> Value {
    let mut row = json!({"recid": number, "transactionid": format!("T{number}"), "store": "HOUSTON", "terminal": "H1",
        "channel": 5, "type": kind, "currency": "USD", "begindatetime": "2026-01-30T15:00:00Z"});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn payment(number: i64, transaction: i64, method: &str, amount: i64, more: Value) -> Value {
    let mut row = json!({"recid": number, "transactionid": format!("T{transaction}"), "store": "HOUSTON", "terminal": "H1",
        "channel": 5, "tendertype": method, "amounttendered": amount, "currency": "USD", "changeline": 0});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

fn methods() -> Value {
    let method = |id: &str, name: &str, function: i32, operation: i32| json!({"channel": 5, "tendertypeid": id, "name": name, "function": function, "posoperation": operation});
    json!([
        method("1", "Cash", 0, 200),
        method("2", "Cards", 1, 201),
        method("4", "Gift card", 0, 214),
        method("5", "Points", 0, 207)
    ])
}

fn a_store() -> Lake {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("retailstoretendertypetable", methods())
        .add("retailtendertypetable", json!([{"tendertypeid": "9", "name": "House account", "defaultfunction": 3}]))
        .add("retailtransactionsalestrans", json!([]));
    lake
}

/// Who gives 50 for 38 paid 38. Money that goes back is change in one case and a refund in another; a card that was refused paid
/// nothing; a gift card and points are payments, too.
#[tokio::test]
async fn change_and_refunds_are_told_from_payments() {
    let mut lake = a_store();
    lake.add(
        "retailtransactiontable",
        json!([
            transaction(1, 2, json!({"netamount": -38, "custaccount": "c1"})),
            transaction(2, 2, json!({"netamount": -38})),
            transaction(3, 2, json!({"netamount": 20, "saleisreturnsale": 1})),
            transaction(4, 2, json!({"netamount": -60})),
            transaction(5, 2, json!({"netamount": -9, "entrystatus": 1})),
        ]),
    )
    .add(
        "retailtransactionpaymenttrans",
        json!([
            payment(11, 1, "1", 50, json!({})),
            payment(12, 1, "1", 12, json!({"changeline": 1})), // whatever the sign, it goes back
            payment(13, 1, "2", 38, json!({"transactionstatus": 1})),
            payment(21, 2, "1", 50, json!({"changeline": null})),
            payment(22, 2, "1", -12, json!({"changeline": null})),
            payment(31, 3, "1", -20, json!({"changeline": null})),
            payment(41, 4, "4", 25, json!({})),
            payment(42, 4, "5", 15, json!({})),
            payment(43, 4, "9", 10, json!({})),
            payment(44, 4, "1", 10, json!({"currency": "EUR", "amountcur": 9})),
            payment(51, 5, "1", 9, json!({})),
        ]),
    );
    lake.prepare().await;
    assert_eq!(
        lake.published("payments", KINDS).await,
        [
            "usmf-11 | payment | cash | Cash | 50 | USD",
            "usmf-12 | change | cash | Cash | -12 | USD",
            "usmf-21 | payment | cash | Cash | 50 | USD",
            "usmf-22 | change | cash | Cash | -12 | USD",
            "usmf-31 | refund | cash | Cash | -20 | USD",
            "usmf-41 | payment | gift_card | Gift card | 25 | USD",
            "usmf-42 | payment | loyalty | Points | 15 | USD",
            "usmf-43 | payment | customer_account | House account | 10 | USD",
            "usmf-44 | payment | cash | Cash | 10 | USD",
        ]
    );
    let references =
        "payment_id, store_transaction_id, sales_order_id, customer_id, paid_at, payment_amount, payment_currency";
    let rows = lake.published("payments", references).await;
    assert_eq!(rows[0], "usmf-11 | usmf|5|HOUSTON|H1|T1 | - | usmf-C1 | 2026-01-30T15:00:00Z | 50 | USD");
    assert_eq!(rows[8], "usmf-44 | usmf|5|HOUSTON|H1|T4 | - | - | 2026-01-30T15:00:00Z | 9 | EUR");
    let rejected = lake.rejected().await;
    for reason in
        ["retailtransactionpaymenttrans-13 | voided", "retailtransactionpaymenttrans-51 | transaction_left_out"]
    {
        assert!(rejected.iter().any(|row| row == reason), "{reason}: {rejected:?}");
    }
}

/// Headquarters copies the payments of a customer order. An order by telephone has no others. What was declined paid nothing, and
/// what refers to another table's record of the same number is no payment of the order.
#[tokio::test]
async fn payments_of_orders_count_once_and_follow_their_order() {
    let mut lake = a_store();
    let order = |number: i64| {
        json!({"recid": number, "salesid": format!("S{number}"), "custaccount": "C1", "salestype": 3, "salesstatus": 1,
            "retailchanneltable": 6, "currencycode": "USD", "createddatetime": "2026-01-20T10:00:00Z"})
    };
    let paid = |number: i64, order: i64, status: i32, account: &str| {
        json!({"recid": number, "refrecid": order, "status": status, "amount": 70, "currencycode": "USD", "tendertypeid": "2",
            "custaccount": account, "channel": 5, "createddatetime": "2026-01-21T10:00:00Z"})
    };
    lake.add("salestable", json!([order(61), order(62)]))
        .add("retailtransactiontable", json!([transaction(7, 19, json!({"salesorderid": "s61", "custaccount": "C1"}))]))
        .add("retailtransactionpaymenttrans", json!([payment(71, 7, "2", 70, json!({}))]))
        .add(
            "mcrcustpaymtable",
            json!([
                paid(81, 61, 4, "C1"),
                paid(82, 62, 1, "c1"),
                paid(83, 62, 2, "C1"),
                paid(84, 62, 1, "C7"),
                paid(85, 99, 1, "C1")
            ]),
        );
    lake.prepare().await;
    let columns =
        "payment_id, store_transaction_id, sales_order_id, payment_status, method_kind, amount, paid_at, customer_id";
    assert_eq!(
        lake.published("payments", columns).await,
        [
            "usmf-71 | usmf|5|HOUSTON|H1|T7 | usmf-S61 | - | card | 70 | 2026-01-30T15:00:00Z | usmf-C1",
            "usmf-order-82 | - | usmf-S62 | authorized | card | 70 | 2026-01-21T10:00:00Z | usmf-C1",
        ]
    );
    let reasons = ["81 | in_transaction", "83 | declined", "84 | order_missing", "85 | order_missing"];
    assert_eq!(lake.rejected().await, reasons.map(|reason| format!("mcrcustpaymtable-{reason}")));

    // A day later: the transaction's payment is voided, so that the order's own counts; the other order's payment is collected;
    // the method has another name.
    lake.now += chrono::TimeDelta::hours(6);
    lake.add("retailtransactionpaymenttrans", json!([payment(71, 7, "2", 70, json!({"transactionstatus": 1}))]))
        .add("mcrcustpaymtable", json!([paid(82, 62, 4, "c1")]));
    let report = lake.prepare().await;
    assert_eq!(report.table(Layer::Gold, "payments").unwrap().how, How::Changes, "{report}");
    assert_eq!(
        lake.published("payments", "payment_id, sales_order_id, payment_status").await,
        ["usmf-order-81 | usmf-S61 | paid", "usmf-order-82 | usmf-S62 | paid"]
    );
    lake.add("retailtendertypetable", json!([{"tendertypeid": "2", "name": "Plastic", "defaultfunction": 1}])).add(
        "mcrcustpaymtable",
        json!([{"recid": 86, "refrecid": 62, "status": 3, "amount": -5, "tendertypeid": "2"}]),
    );
    lake.now += chrono::TimeDelta::hours(6);
    lake.prepare().await;
    assert_eq!(
        lake.published("payments", "payment_id, payment_method, payment_kind, currency, channel_id").await,
        [
            "usmf-order-81 | Cards | payment | USD | 5",
            "usmf-order-82 | Cards | payment | USD | 5",
            "usmf-order-86 | Plastic | refund | USD | 6",
        ]
    );
}
