//! Carts and wish lists of a sample lake, computed once more from the tables of the export.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use sample_lake::Format;

use crate::lake::Lake;
use crate::source::{Row, present, rows};

/// What a cart is known by: company, channel and number.
type Key = (String, i64, String);

/// A record of the export that a cart is made of.
struct Record {
    key: Key,
    on_hold: bool,
    transaction: String,
    changed: Option<DateTime<Utc>>,
    deleted: bool,
    /// In hundredths.
    amount: i64,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    carts: usize,
    by_status: BTreeMap<String, usize>,
    amount: i64,
    lines: i64,
    conversions: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_of_carts_and_wish_lists_are_those_of_the_export() {
    let mut lake = Lake::prepared_complete(Format::Delta, "out").await;
    lake.goes_on().await;
    lake.prepare("out").await;

    let expected = totals_of_export(&lake).await;
    for status in ["open", "abandoned", "converted", "closed"] {
        assert!(expected.by_status.get(status).is_some_and(|count| *count > 0), "the sample has no {status} cart");
    }
    assert!(expected.lines > 0 && expected.conversions.len() > 3, "{expected:?}");
    assert_eq!(published(&lake).await, expected);
    assert_eq!(published_wishes(&lake).await, wishes_of_export(&lake).await);
}

async fn published(lake: &Lake) -> Totals {
    let mut totals = Totals::default();
    for row in rows(&lake.results("out").join("gold/carts")).await {
        totals.carts += 1;
        *totals.by_status.entry(row.text("cart_status").unwrap()).or_default() += 1;
        totals.amount += row.hundredths("total_amount").unwrap_or(0);
        totals.lines += row.number("line_count").unwrap_or(0);
        totals.conversions.extend(row.text("store_transaction_id"));
    }
    totals
}

async fn totals_of_export(lake: &Lake) -> Totals {
    let transactions = present(&lake.export(), "retailtransactiontable").await;
    let mut records = records_on_hold(&transactions);
    records.extend(records_of_channel_database(lake).await);
    let mut carts: BTreeMap<Key, Vec<Record>> = BTreeMap::new();
    for record in records {
        carts.entry(record.key.clone()).or_default().push(record);
    }
    let mut totals = Totals { carts: carts.len(), ..Totals::default() };
    for records in carts.values() {
        let (status, conversion) = outcome(records, &transactions, lake.now());
        *totals.by_status.entry(status.to_owned()).or_default() += 1;
        totals.conversions.extend(conversion);
        totals.amount += records.iter().max_by_key(|record| record.changed).map_or(0, |record| record.amount);
    }
    totals.lines = lines_on_hold(lake, &carts).await;
    totals
}

fn records_on_hold(transactions: &[Row]) -> Vec<Record> {
    let on_hold = transactions.iter().filter(|row| row.number("entrystatus") == Some(5));
    let record = |row: &Row| {
        let transaction = row.text("transactionid").unwrap();
        let number = row.text("suspendedtransactionid").unwrap_or_else(|| transaction.clone());
        Record {
            key: (row.lower("dataareaid").unwrap(), row.number("channel").unwrap(), number),
            on_hold: true,
            transaction,
            changed: row.began(),
            deleted: false,
            amount: -row.hundredths("grossamount").unwrap(),
        }
    };
    on_hold.map(record).collect()
}

async fn records_of_channel_database(lake: &Lake) -> Vec<Record> {
    let channels = present(&lake.export(), "retailchanneltable").await;
    let companies: BTreeMap<_, _> = channels
        .iter()
        .map(|row| (row.number("recid").unwrap(), row.lower("inventlocationdataareaid").unwrap()))
        .collect();
    let record = |row: Row| {
        let channel = row.number("channelid").unwrap();
        let transaction = row.text("transactionid").unwrap();
        Record {
            key: (companies[&channel].clone(), channel, transaction.clone()),
            on_hold: false,
            transaction,
            changed: row.time("modifieddatetime"),
            deleted: row.time("deleteddatetime").is_some(),
            amount: row.hundredths("amount").unwrap(),
        }
    };
    present(&lake.export(), "salestransaction").await.into_iter().map(record).collect()
}

/// The status of a cart, and the transaction that it was bought by.
fn outcome(records: &[Record], transactions: &[Row], now: DateTime<Utc>) -> (&'static str, Option<String>) {
    let (company, channel, number) = &records[0].key;
    let mut numbers: BTreeSet<&str> = records.iter().map(|record| record.transaction.as_str()).collect();
    numbers.insert(number);
    let is_named = |row: &&Row| {
        row.lower("dataareaid").as_ref() == Some(company)
            && row.number("channel") == Some(*channel)
            && ["transactionid", "suspendedtransactionid"]
                .iter()
                .any(|column| row.text(column).is_some_and(|name| numbers.contains(name.as_str())))
    };
    let named: Vec<&Row> = transactions.iter().filter(is_named).collect();
    let mut sales: Vec<_> = named.iter().filter(|row| is_sale(row)).map(|row| (row.began(), id_of(row))).collect();
    sales.sort();
    if let Some((_, id)) = sales.into_iter().next() {
        return ("converted", Some(id));
    }
    let held = records.iter().filter(|record| record.on_hold).filter_map(|record| record.changed).max();
    let is_voided =
        |row: &&Row| row.number("entrystatus") == Some(1) && held.is_none_or(|held| row.began() >= Some(held));
    if records.iter().any(|record| record.deleted) || named.iter().any(is_voided) {
        return ("closed", None);
    }
    let changed = records.iter().filter_map(|record| record.changed).max().unwrap();
    (if now - changed >= TimeDelta::hours(24) { "abandoned" } else { "open" }, None)
}

fn is_sale(row: &Row) -> bool {
    let kind = row.number("type").unwrap();
    let is_done = matches!(row.number("entrystatus"), Some(0 | 2 | 3 | 7 | 8));
    is_done && (kind == 2 || kind == 19 || (kind >= 25 && row.text("salesorderid").is_some()))
}

fn id_of(row: &Row) -> String {
    let part = |column: &str| row.text(column).unwrap_or_default();
    let channel = row.number("channel").unwrap();
    format!(
        "{}|{channel}|{}|{}|{}",
        row.lower("dataareaid").unwrap(),
        part("store"),
        part("terminal"),
        part("transactionid")
    )
}

/// Lines of the newest transaction of each cart that was on hold.
async fn lines_on_hold(lake: &Lake, carts: &BTreeMap<Key, Vec<Record>>) -> i64 {
    let newest = |records: &Vec<Record>| {
        let on_hold = records.iter().filter(|record| record.on_hold);
        on_hold.max_by_key(|record| record.changed).map(|record| record.transaction.clone())
    };
    let held: BTreeSet<(String, i64, String)> = carts
        .iter()
        .filter_map(|((company, channel, _), records)| Some((company.clone(), *channel, newest(records)?)))
        .collect();
    let lines = present(&lake.export(), "retailtransactionsalestrans").await;
    let is_held = |row: &&Row| {
        let key =
            (row.lower("dataareaid").unwrap(), row.number("channel").unwrap(), row.text("transactionid").unwrap());
        row.number("transactionstatus") != Some(1) && held.contains(&key)
    };
    i64::try_from(lines.iter().filter(is_held).count()).unwrap()
}

/// Lines, quantity, private lines, and customers with products of wish lists.
type Wishes = (usize, i64, usize, BTreeSet<(String, String)>);

async fn published_wishes(lake: &Lake) -> Wishes {
    let lines = rows(&lake.results("out").join("gold/wish_lists")).await;
    let quantity = lines.iter().filter_map(|row| row.hundredths("quantity")).sum();
    let private = lines.iter().filter(|row| row.flag("is_private")).count();
    let pairs = lines.iter().map(|row| (row.text("customer_id").unwrap(), row.text("product_id").unwrap())).collect();
    (lines.len(), quantity, private, pairs)
}

async fn wishes_of_export(lake: &Lake) -> Wishes {
    let lines = present(&lake.export(), "retailwishlistlinetable").await;
    let items = present(&lake.export(), "inventtable").await;
    let item = |company: &str, product: i64| {
        let is_it =
            |row: &&Row| row.number("product") == Some(product) && row.lower("dataareaid").as_deref() == Some(company);
        items.iter().find(is_it).and_then(|row| row.text("itemid")).unwrap()
    };
    let pair = |row: &Row| {
        let company = row.lower("dataareaid").unwrap();
        let product = item(&company, row.number("productid").unwrap());
        (format!("{company}-{}", row.text("customerid").unwrap()), format!("{company}-{product}"))
    };
    let quantity = lines.iter().filter_map(|row| row.hundredths("quantity")).sum();
    let private = lines.iter().filter(|row| row.flag("isprivate")).count();
    assert!(private > 0 && lines.len() > 20, "the sample has too few wishes");
    (lines.len(), quantity, private, lines.iter().map(pair).collect())
}
