//! Totals of published tables, against a computation from the exported tables that shares nothing with the product's SQL.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use sample_lake::Format;

use crate::export::{Row, present};
use crate::lake::{Lake, published};
use crate::metrics;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_are_those_of_the_export() {
    let mut lake = Lake::prepared_complete(Format::Delta, "out").await;
    lake.goes_on().await;
    lake.prepare("out").await;
    loyalty_cards(&lake).await;
    metrics::are_those_of_the_export(&lake).await;
    calendar(&lake).await;
}

/// What a card's entries come to: number, points, and points that expired unused.
#[derive(Default)]
struct Points {
    entries: i64,
    balance: i128,
    expired: i128,
}

async fn loyalty_cards(lake: &Lake) {
    let columns = ["cardnumber", "entrytype", "rewardpointamountqty", "remaining", "expirationdate"];
    let mut points: BTreeMap<String, Points> = BTreeMap::new();
    for entry in present(&lake.export(), "retailloyaltycardrewardpointtrans", &columns).await {
        let card = points.entry(entry.text("cardnumber").to_owned()).or_default();
        let amount = entry.millionths("rewardpointamountqty");
        let amount = if [2, 3].contains(&entry.number("entrytype")) { -amount.abs() } else { amount };
        card.entries += 1;
        card.balance += amount;
        let expires = entry.text("expirationdate");
        let today = lake.now().format("%Y-%m-%d").to_string();
        if !expires.is_empty() && amount > 0 && expires < today.as_str() {
            card.expired += entry.millionths("remaining");
        }
    }
    let tiers = tiers_of_cards(lake).await;
    let mut expected: Vec<String> = present(&lake.export(), "retailloyaltycard", &["recid", "cardnumber"])
        .await
        .iter()
        .map(|card| {
            let number = card.text("cardnumber");
            let tier = tiers.get(card.text("recid")).map_or("", String::as_str);
            let Points { entries, balance, expired } = points.remove(number).unwrap_or_default();
            let sums = if entries == 0 {
                [const { String::new() }; 3]
            } else {
                [balance, expired, balance - expired].map(decimal)
            };
            let line = format!("{number} {tier} {entries} {}", sums.join(" "));
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    expected.sort();
    let found = published(
        lake,
        "loyalty_cards",
        &[
            "loyalty_card_number",
            "loyalty_program",
            "loyalty_tier",
            "entry_count",
            "points_balance",
            "points_expired",
            "points_available",
        ],
        "true",
    )
    .await;
    assert_eq!(found, expected);
    assert!(found.iter().any(|card| card.contains("Gold")), "no card has a tier: {found:?}");
}

/// Program and tier of each card, by the card's record id.
async fn tiers_of_cards(lake: &Lake) -> BTreeMap<String, String> {
    let names = |rows: Vec<Row>, name: &'static str| -> BTreeMap<String, String> {
        rows.iter().map(|row| (row.text("recid").to_owned(), row.text(name).to_owned())).collect()
    };
    let programs = names(present(&lake.export(), "retailaffiliation", &["recid", "name"]).await, "name");
    let tiers = names(present(&lake.export(), "retailloyaltytier", &["recid", "tierid"]).await, "tierid");
    let columns = ["loyaltycard", "loyaltytier", "affiliation", "validfrom", "validto"];
    let today = lake.now().format("%Y-%m-%d").to_string();
    let of_cards = present(&lake.export(), "retailloyaltycardtier", &columns).await;
    let valid =
        of_cards.iter().filter(|row| row.text("validfrom")[..10] <= *today && *today <= row.text("validto")[..10]);
    valid
        .map(|row| {
            let (program, tier) = (&programs[row.text("affiliation")], &tiers[row.text("loyaltytier")]);
            (row.text("loyaltycard").to_owned(), format!("{program} {tier}"))
        })
        .collect()
}

/// A decimal number with six digits after the point.
pub(crate) fn decimal(millionths: i128) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let digits = millionths.unsigned_abs();
    format!("{sign}{}.{:06}", digits / 1_000_000, digits % 1_000_000)
}

/// The sample's orders are of the two years before its time.
async fn calendar(lake: &Lake) {
    let last = lake.now().year();
    let first = (lake.now() - chrono::TimeDelta::days(730)).year();
    let days = NaiveDate::from_ymd_opt(first, 1, 1).unwrap().iter_days().take_while(|day| day.year() <= last);
    let mut expected: Vec<String> = days
        .map(|day| {
            let week = day.iso_week();
            let number = day.weekday().number_from_monday();
            let text = day.format("%Y%m%d %Y-%m-%dT00:00:00Z %B %A");
            format!("{text} {} {} {} {number} {}", day.ordinal(), week.year(), week.week(), number > 5)
        })
        .collect();
    expected.sort();
    let columns = ["date_id", "calendar_date", "month_name", "day_name", "day_of_year", "iso_year", "iso_week"];
    let columns = [&columns[..], &["day_of_week", "is_weekend"]].concat();
    assert_eq!(published(lake, "calendar", &columns, "true").await, expected);
}
