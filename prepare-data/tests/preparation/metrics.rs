//! Metrics of customers, against a computation from the exported tables that shares nothing with the product's SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sample_lake::PartyTypes;

use crate::export::{Row, present};
use crate::lake::{Lake, published};
use crate::totals::decimal;

/// What counts at a register: not voided, canceled, suspended or training.
const COUNTED: [i64; 5] = [0, 2, 3, 7, 8];

/// A line of an order or a receipt, sold quantities and amounts positive.
struct Line {
    sale: String,
    is_order: bool,
    is_return: bool,
    day: String,
    channel: String,
    item: String,
    amount: i128,
    discount: i128,
    cost: i128,
}

/// Lines by customer and currency.
type Lines = BTreeMap<(String, String), Vec<Line>>;

pub(crate) async fn are_those_of_the_export(lake: &Lake) {
    let export = lake.export();
    let persons = persons(&export).await;
    let mut lines = Lines::new();
    let posted = posted_orders(&export).await;
    add_orders(&export, &posted, &mut lines).await;
    add_receipts(&export, &mut lines).await;
    let expected: BTreeSet<String> =
        lines.iter().filter(|((customer, _), _)| persons.contains_key(customer)).map(metrics_of).collect();
    let columns = ["customer_id", "currency", "order_count", "purchase_count", "return_count", "revenue"];
    let more = ["returned_amount", "discount_amount", "cost_amount", "margin_amount", "active_days", "channel_count"];
    let columns = [&columns[..], &more, &["product_count", "substr(cast(as_of_date as string), 1, 10)"]].concat();
    // as_of_date of a main row can be the day of an entry of points: that column is compared in the other rows.
    let has_sales = "currency is not null";
    let found = published(lake, "customer_metrics", &columns[..13], has_sales).await;
    let without_day = |line: &String| line.rsplit_once(' ').unwrap().0.to_owned();
    assert_eq!(found, expected.iter().map(without_day).collect::<Vec<_>>());
    assert!(found.len() > 100, "only {} rows", found.len());
    let others = published(lake, "customer_metrics", &columns, "not is_main_currency").await;
    assert!(!others.is_empty() && others.iter().all(|line| expected.contains(line)), "{others:#?}");
    points(lake, &persons).await;
}

fn metrics_of(((customer, currency), lines): (&(String, String), &Vec<Line>)) -> String {
    let count = |of: &dyn Fn(&Line) -> Option<String>| lines.iter().filter_map(of).collect::<BTreeSet<_>>().len();
    let bought = |text: fn(&Line) -> &String| count(&|line| (!line.is_return).then(|| text(line).clone()));
    let sum = |of: &dyn Fn(&Line) -> i128| lines.iter().map(of).sum::<i128>();
    // A sale is as old as the oldest of its lines, which all have its day.
    let day = lines.iter().map(|line| line.day.clone()).max().unwrap();
    let counts = [
        count(&|line| (line.is_order && !line.is_return).then(|| line.sale.clone())),
        bought(|line| &line.sale),
        count(&|line| line.is_return.then(|| line.sale.clone())),
    ];
    let sums = [
        sum(&|line| if line.is_return { 0 } else { line.amount }),
        sum(&|line| if line.is_return { -line.amount } else { 0 }),
        sum(&|line| if line.is_return { 0 } else { line.discount }),
        sum(&|line| line.cost),
        sum(&|line| line.amount - line.cost),
    ];
    let more = [bought(|line| &line.day), bought(|line| &line.channel), bought(|line| &line.item)];
    let texts = counts.iter().map(usize::to_string).chain(sums.map(decimal)).chain(more.iter().map(usize::to_string));
    format!("{customer} {currency} {} {day}", texts.collect::<Vec<_>>().join(" "))
}

/// Customers who are persons, with their parties.
async fn persons(export: &Path) -> BTreeMap<String, String> {
    let parties = present(export, "dirpartytable", &["recid", "instancerelationtype"]).await;
    let person = PartyTypes::default().person;
    let parties = parties.iter().filter(|row| row.number("instancerelationtype") == person);
    let parties: BTreeSet<&str> = parties.map(|row| row.text("recid")).collect();
    let customers = present(export, "custtable", &["dataareaid", "accountnum", "party"]).await;
    let persons = customers.iter().filter(|row| parties.contains(row.text("party")));
    persons.map(|row| (row.of_company("dataareaid", "accountnum").unwrap(), row.text("party").to_owned())).collect()
}

/// Orders that statement posting made of receipts.
async fn posted_orders(export: &Path) -> BTreeSet<String> {
    let columns = ["dataareaid", "salesorderid", "type", "entrystatus"];
    let receipts = present(export, "retailtransactiontable", &columns).await;
    let sales = receipts.iter().filter(|row| row.number("type") == 2 && COUNTED.contains(&row.number("entrystatus")));
    sales.filter_map(|row| row.of_company("dataareaid", "salesorderid")).collect()
}

async fn add_orders(export: &Path, posted: &BTreeSet<String>, lines: &mut Lines) {
    let columns = ["dataareaid", "salesid", "custaccount", "retailchanneltable", "salestype", "salesstatus"];
    let columns = [&columns[..], &["createddatetime"]].concat();
    let orders = present(export, "salestable", &columns).await;
    let orders: BTreeMap<String, &Row> = orders
        .iter()
        .filter(|row| [3, 4].contains(&row.number("salestype")))
        .map(|row| (row.of_company("dataareaid", "salesid").unwrap(), row))
        .filter(|(order, _)| !posted.contains(order))
        .collect();
    let columns = ["dataareaid", "salesid", "itemid", "salesqty", "salesprice", "lineamount", "costprice"];
    let columns = [&columns[..], &["currencycode", "salesstatus"]].concat();
    for row in present(export, "salesline", &columns).await {
        let sale = row.of_company("dataareaid", "salesid").unwrap();
        let Some(order) = orders.get(&sale) else { continue };
        let counts = [1, 2, 3].contains(&row.number("salesstatus")) && order.number("salesstatus") != 4;
        let Some(customer) = order.of_company("dataareaid", "custaccount").filter(|_| counts) else { continue };
        let (quantity, amount) = (row.millionths("salesqty"), row.millionths("lineamount"));
        let of_quantity = |column: &str| row.millionths(column) * quantity / 1_000_000;
        lines.entry((customer, row.text("currencycode").to_owned())).or_default().push(Line {
            sale,
            is_order: true,
            is_return: order.number("salestype") == 4 || quantity < 0,
            day: order.text("createddatetime")[..10].to_owned(),
            channel: order.text("retailchanneltable").to_owned(),
            item: row.text("itemid").to_owned(),
            amount,
            discount: of_quantity("salesprice") - amount,
            cost: of_quantity("costprice"),
        });
    }
}

async fn add_receipts(export: &Path, lines: &mut Lines) {
    let key = |row: &Row, terminal: &str| {
        let parts = ["channel", "store", terminal, "transactionid"].map(|column| row.text(column).to_owned());
        format!("{} {}", row.text("dataareaid").to_lowercase(), parts.join(" "))
    };
    let columns = ["dataareaid", "channel", "store", "terminal", "transactionid", "custaccount", "type", "entrystatus"];
    let columns = [&columns[..], &["begindatetime", "transdate"]].concat();
    let receipts = present(export, "retailtransactiontable", &columns).await;
    let sales = receipts.iter().filter(|row| row.number("type") == 2 && COUNTED.contains(&row.number("entrystatus")));
    let sales: BTreeMap<String, &Row> = sales.map(|row| (key(row, "terminal"), row)).collect();
    let columns = ["dataareaid", "channel", "store", "terminalid", "transactionid", "itemid", "qty", "netamount"];
    let columns = [&columns[..], &["discamount", "costamount", "currency", "transactionstatus", "giftcard"]].concat();
    for row in present(export, "retailtransactionsalestrans", &columns).await {
        let sale = key(&row, "terminalid");
        let counts = COUNTED.contains(&row.number("transactionstatus")) && row.number("giftcard") == 0;
        let Some(receipt) = sales.get(&sale).filter(|_| counts) else { continue };
        let Some(customer) = receipt.of_company("dataareaid", "custaccount") else { continue };
        let began = receipt.text("begindatetime");
        let quantity = -row.millionths("qty");
        lines.entry((customer, row.text("currency").to_owned())).or_default().push(Line {
            sale,
            is_order: false,
            is_return: quantity < 0,
            day: if began.is_empty() { receipt.text("transdate") } else { began }[..10].to_owned(),
            channel: receipt.text("channel").to_owned(),
            item: row.text("itemid").to_owned(),
            amount: -row.millionths("netamount"),
            discount: row.millionths("discamount"),
            cost: row.millionths("costamount") * quantity.signum(),
        });
    }
}

/// Balances of all persons who ever had points.
async fn points(lake: &Lake, persons: &BTreeMap<String, String>) {
    let export = lake.export();
    let cards = present(&export, "retailloyaltycard", &["cardnumber", "party"]).await;
    let parties: BTreeMap<&str, &str> = cards.iter().map(|row| (row.text("cardnumber"), row.text("party"))).collect();
    let columns = ["cardnumber", "custaccount", "custaccountdataareaid", "loyaltytransdataareaid", "entrytype"];
    let columns = [&columns[..], &["rewardpointamountqty"]].concat();
    let mut balances: BTreeMap<String, i128> = BTreeMap::new();
    for entry in present(&export, "retailloyaltycardrewardpointtrans", &columns).await {
        let amount = entry.millionths("rewardpointamountqty");
        let amount = if [2, 3].contains(&entry.number("entrytype")) { -amount.abs() } else { amount };
        let company = entry.text("custaccountdataareaid").to_lowercase();
        let named = entry.of_company("custaccountdataareaid", "custaccount");
        let party = parties.get(entry.text("cardnumber")).filter(|party| !party.is_empty() && **party != "0");
        let held: Vec<_> =
            persons.iter().filter(|(_, of)| Some(&of.as_str()) == party).map(|(customer, _)| customer).collect();
        let in_company = held.iter().find(|customer| customer.starts_with(&format!("{company}-")));
        let holder = in_company.or(held.first()).map(|customer| (*customer).clone());
        if let Some(customer) = named.or(holder).filter(|customer| persons.contains_key(customer)) {
            *balances.entry(customer).or_default() += amount;
        }
    }
    let balances = balances.iter().filter(|(_, points)| **points != 0);
    let expected: Vec<String> = balances.map(|(customer, points)| format!("{customer} {}", decimal(*points))).collect();
    let with_points = "is_main_currency and points_balance <> 0";
    let found = published(lake, "customer_metrics", &["customer_id", "points_balance"], with_points).await;
    assert!(!found.is_empty(), "nobody has points");
    assert_eq!(found, expected);
}
