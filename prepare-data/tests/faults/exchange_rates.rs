//! Amounts in one currency: by the rate of the day, and never by a rate that was not valid.

use chrono::TimeDelta;
use prepare_data::run::{How, Layer, Report};
use prepare_data::settings::Settings;
use serde_json::{Value, json};

use crate::lake::Lake;

const DOLLARS_TO_EUROS: i64 = 11;
const EUROS_TO_POUNDS: i64 = 12;
const FRANCS_TO_EUROS: i64 = 13;
const EUROS_TO_FRANCS: i64 = 14;
const BUDGETED: i64 = 15;
const FOR_EVER: &str = "2154-12-31T00:00:00Z";

/// A rate is that of a hundred units.
fn rate(number: i64, pair: i64, rate: f64, from: &str, to: &str) -> Value {
    json!({"recid": number, "exchangeratecurrencypair": pair, "exchangerate": rate, "validfrom": from, "validto": to})
}

fn pair(number: i64, kind: i64, from: &str, to: &str) -> Value {
    json!({"recid": number, "exchangeratetype": kind, "fromcurrencycode": from, "tocurrencycode": to})
}

/// An export with rates of euros: of dollars to them, of them to pounds, and of francs both ways.
fn with_rates() -> Lake {
    let mut lake = Lake::new();
    let new_year = "2026-01-01T00:00:00Z";
    lake.add("exchangeratetype", json!([{"recid": 1, "name": "default"}, {"recid": 2, "name": "Budget"}]))
        .add(
            "exchangeratecurrencypair",
            json!([
                pair(DOLLARS_TO_EUROS, 1, "USD", "EUR"),
                pair(EUROS_TO_POUNDS, 1, "EUR", "GBP"),
                pair(FRANCS_TO_EUROS, 1, "CHF", "EUR"),
                pair(EUROS_TO_FRANCS, 1, "eur", "chf"),
                pair(BUDGETED, 2, "USD", "EUR"),
            ]),
        )
        .add(
            "exchangerate",
            json!([
                rate(21, DOLLARS_TO_EUROS, 92.0, new_year, "2026-01-31T00:00:00Z"),
                rate(22, DOLLARS_TO_EUROS, 91.0, "2026-02-01T00:00:00Z", FOR_EVER),
                rate(23, EUROS_TO_POUNDS, 80.0, new_year, FOR_EVER),
                rate(24, FRANCS_TO_EUROS, 110.0, "2026-01-10T00:00:00Z", "2026-01-10T00:00:00Z"),
                rate(25, EUROS_TO_FRANCS, 80.0, new_year, "2026-01-20T00:00:00Z"),
                rate(26, BUDGETED, 50.0, new_year, FOR_EVER),
            ]),
        );
    lake
}

/// An order of one line, over a hundred.
fn add_order(lake: &mut Lake, number: i64, currency: &str, ordered: &str) {
    let id = format!("S{number}");
    lake.add("salestable", json!([{"recid": number, "salesid": id, "salestype": 3, "createddatetime": ordered}])).add(
        "salesline",
        json!([{"recid": number, "salesid": id, "salesqty": 1, "lineamount": 100, "currencycode": currency}]),
    );
}

fn in_euros(settings: &mut Settings) {
    settings.parameters.insert("reporting_currency".to_owned(), "EUR".to_owned());
}

fn gap(report: &Report, check: &str) -> (u64, u64) {
    let gap = report.gaps.iter().find(|gap| gap.check == check).unwrap();
    (gap.gaps, gap.of)
}

#[tokio::test]
async fn an_amount_is_converted_by_the_rate_of_its_day() {
    let mut lake = with_rates();
    for (number, currency, ordered) in [
        (1, "usd", "2026-01-05T10:00:00Z"),
        (2, "GBP", "2026-01-05T10:00:00Z"), // the reciprocal of the opposite pair
        (3, "EUR", "2025-01-05T10:00:00Z"), // needs no rate
        (4, "CHF", "2026-01-10T10:00:00Z"), // both pairs have a rate
        (5, "CHF", "2026-01-11T10:00:00Z"),
        (6, "CHF", "2026-01-25T10:00:00Z"), // too late
        (7, "SEK", "2026-01-05T10:00:00Z"),
        (8, "USD", "2026-01-31T23:59:59Z"), // the last day counts, to its end
        (9, "USD", "2026-02-01T00:00:00Z"),
    ] {
        add_order(&mut lake, number, currency, ordered);
    }
    let report = lake.run(in_euros).await;
    assert!(report.published_all(), "{report}");
    let first = [
        "S1 | 92 | EUR",
        "S2 | 125 | EUR",
        "S3 | 100 | EUR",
        "S4 | 110 | EUR",
        "S5 | 125 | EUR",
        "S6 | - | EUR",
        "S7 | - | EUR",
        "S8 | 92 | EUR",
        "S9 | 91 | EUR",
    ];
    for table in ["sales_orders", "sales_order_lines"] {
        assert_eq!(lake.published(table, "order_number, reporting_amount, reporting_currency").await, first, "{table}");
    }
    assert_eq!(gap(&report, "orders_without_rate"), (2, 9));
    assert_eq!(gap(&report, "order_lines_without_rate"), (2, 9));

    // A rate is corrected, a budgeted one too, and one for francs comes late: the rows of their days change, and no others.
    lake.add(
        "exchangerate",
        json!([
            rate(21, DOLLARS_TO_EUROS, 93.0, "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z"),
            rate(26, BUDGETED, 51.0, "2026-01-01T00:00:00Z", FOR_EVER),
            rate(27, FRANCS_TO_EUROS, 120.0, "2026-01-21T00:00:00Z", FOR_EVER),
        ]),
    );
    lake.now += TimeDelta::hours(6);
    let report = lake.run(in_euros).await;
    for table in ["sales_orders", "sales_order_lines"] {
        let entry = report.table(Layer::Gold, table).unwrap();
        assert_eq!((entry.how, entry.counts.updated, entry.counts.inserted), (How::Changes, 3, 0), "{report}");
        let rows = lake.published(table, "order_number, reporting_amount").await;
        let changed: Vec<_> = rows.iter().filter(|row| !first.iter().any(|line| line.starts_with(*row))).collect();
        assert_eq!(changed, ["S1 | 93", "S6 | 120", "S8 | 93"], "{table}");
    }
    assert_eq!(gap(&report, "orders_without_rate"), (1, 9));
    whole_run_finds_nothing(&mut lake).await;
}

/// Each table has the time and the currency of its own. A pair is deleted, and another becomes one of the type.
#[tokio::test]
async fn a_changed_rate_reaches_each_table_of_amounts() {
    let mut lake = with_rates();
    let sale = |number: i64, kind: i32, status: i32| {
        json!({"recid": number, "transactionid": format!("T{number}"), "store": "HOUSTON", "terminal": "H1", "channel": 5,
            "type": kind, "entrystatus": status, "currency": "USD", "grossamount": -100, "netamount": -100,
            "transdate": "2026-01-07T00:00:00Z"})
    };
    let part = |number: i64, more: Value| {
        let mut row =
            json!({"recid": number, "transactionid": "T31", "store": "HOUSTON", "channel": 5, "transactionstatus": 0});
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    add_order(&mut lake, 1, "GBP", "2026-01-05T10:00:00Z");
    lake.add("retailtransactiontable", json!([sale(31, 2, 0), sale(32, 2, 5)]))
        .add(
            "retailtransactionsalestrans",
            json!([part(33, json!({"terminalid": "H1", "qty": -1, "netamount": -100}))]),
        )
        .add(
            "retailtransactionpaymenttrans",
            json!([part(34, json!({"terminal": "H1", "tendertype": "1", "amounttendered": 100, "changeline": 0}))]),
        )
        .add(
            "mcrcustpaymtable",
            json!([{"recid": 35, "refrecid": 1, "status": 4, "amount": 100, "currencycode": "USD"}]),
        );
    assert!(lake.run(in_euros).await.published_all());
    let tables = ["sales_orders", "store_transactions", "store_transaction_lines", "payments", "carts"];
    assert_eq!(amounts(&lake, &tables).await, [["125"].as_slice(), &["92"], &["92"], &["92", "92"], &["92"]]);

    let mut former = pair(DOLLARS_TO_EUROS, 1, "USD", "EUR");
    former["isdelete"] = json!(true);
    lake.add("exchangeratecurrencypair", json!([former, pair(BUDGETED, 1, "USD", "EUR")]));
    lake.now += TimeDelta::hours(6);
    let report = lake.run(in_euros).await;
    assert_eq!(
        amounts(&lake, &tables).await,
        [["125"].as_slice(), &["50"], &["50"], &["50", "50"], &["50"]],
        "{report}"
    );
    assert!(tables[1..].iter().all(|table| report.table(Layer::Gold, table).unwrap().how == How::Changes), "{report}");
    whole_run_finds_nothing(&mut lake).await;

    // Without a currency nothing is converted, and nothing is missing.
    let report = lake.run(|_| ()).await;
    assert_eq!(amounts(&lake, &tables[..2]).await, [["-"], ["-"]]);
    assert_eq!(gap(&report, "payments_without_rate"), (0, 0));
}

async fn amounts(lake: &Lake, tables: &[&str]) -> Vec<Vec<String>> {
    let mut amounts = Vec::new();
    for table in tables {
        amounts.push(lake.published(table, "reporting_amount").await);
    }
    amounts
}

async fn whole_run_finds_nothing(lake: &mut Lake) {
    let report = lake.run(|settings| {
        in_euros(settings);
        settings.full = true;
    });
    let report = report.await;
    assert!(report.reconciled && report.tables.iter().all(|table| !table.changed()), "a whole run differs: {report}");
}
