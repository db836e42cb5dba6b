//! Exchange rates: a rate for each week, of some pairs of currencies.

use std::borrow::Cow;

use crate::{
    record::{Record, RowData, RowMetadata, recid},
    shape::{Shape, Table},
    shop::{DAYS_OF_SALES, Shop},
    timestamp::{DAY, HOUR, Timestamp},
};

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![Box::new(exchange_rate()), Box::new(exchange_rate_currency_pair()), Box::new(exchange_rate_type())]
}

const TYPES: &[&str] = &["DEFAULT", "Budget"];

/// A pair of currencies.
#[derive(Debug, Clone, Copy)]
struct Pair {
    exchange_rate_type: u64,
    from: &'static str,
    to: &'static str,
    /// About what a hundred units are worth, in hundredths.
    rate: i64,
    /// Of so many weeks one has no rate; 0 for none.
    without: u64,
}

impl RowData for Pair {}

const fn pair(exchange_rate_type: u64, from: &'static str, to: &'static str, rate: i64, without: u64) -> Pair {
    Pair { exchange_rate_type, from, to, rate, without }
}

/// Into euros: dollars directly, pounds by the opposite pair only and with gaps, francs by both.
const PAIRS: &[Pair] = &[
    pair(0, "USD", "EUR", 9_200, 0),
    pair(0, "EUR", "GBP", 8_600, 10),
    pair(0, "CHF", "EUR", 10_400, 2),
    pair(0, "eur", "chf", 9_500, 0),
    pair(1, "USD", "EUR", 5_000, 0),
];

/// The rate of a pair in a week.
#[derive(Debug, Clone)]
struct Rate {
    pair: u64,
    /// Of a hundred units, in hundredths.
    rate: i64,
    from: Timestamp,
    to: Timestamp,
}

impl RowData for Rate {
    fn outdate(&mut self) {
        self.rate -= 7;
    }
}

/// The first day of a week. The first week begins before the first sale.
fn week_start(shop: &Shop, week: u64) -> Timestamp {
    shop.rounds[0].as_of.date().plus((7 * week as i64 - DAYS_OF_SALES - 1) * DAY)
}

/// Weeks that began before the shop's state of this round.
fn weeks(shop: &Shop, round: u32) -> u64 {
    let days = (shop.rounds[round as usize].as_of.0 - week_start(shop, 0).0) / DAY;
    days as u64 / 7 + 1
}

/// Each round corrects the rates of one week, and gives those of the last week an end when another week begins.
fn has_changed(shop: &Shop, week: u64, round: u32) -> bool {
    let is_corrected = week == u64::from(round) * 41 % weeks(shop, 0);
    is_corrected || (week + 1 == weeks(shop, round - 1) && weeks(shop, round) > week + 1)
}

fn rates_of(shop: &Shop, week: u64, rows: &mut Vec<Record<Rate>>) {
    let born = (0..shop.round()).find(|round| week < weeks(shop, *round)).unwrap_or(shop.round());
    let within = |round: u32| shop.rounds[round as usize].as_of.plus(-6 * HOUR);
    let from = week_start(shop, week);
    let changes: Vec<u32> = (born + 1..=shop.round()).filter(|round| has_changed(shop, week, *round)).collect();
    let to = if week + 1 == weeks(shop, shop.round()) { Timestamp::FOREVER } else { from.plus(6 * DAY) };
    for (number, pair) in (0..).zip(PAIRS) {
        if pair.without > 0 && week % pair.without == pair.without - 1 {
            continue;
        }
        let created = if born == 0 { from.min(within(0)) } else { within(born) };
        let metadata = RowMetadata::new(week * PAIRS.len() as u64 + number, 0, (created, born));
        let metadata = changes.iter().fold(metadata, |metadata, round| metadata.changed(*round, within(*round)));
        let rate = pair.rate + (week * 37 % 101) as i64 + changes.len() as i64;
        rows.push(Record { metadata, data: Rate { pair: number, rate, from, to } });
    }
}

fn exchange_rate() -> Shape<Rate> {
    Shape::new("exchangerate", 2_851, weeks, rates_of)
        .changing(has_changed)
        .long("exchangeratecurrencypair", |row| recid(row.pair))
        .decimal("exchangerate", |row| super::amount(row.rate))
        .time("validfrom", |row| row.from)
        .time("validto", |row| row.to)
}

fn exchange_rate_currency_pair() -> Shape<Pair> {
    Shape::new(
        "exchangeratecurrencypair",
        2_852,
        |_, _| PAIRS.len() as u64,
        |shop, number, rows| {
            let metadata = RowMetadata::new(number, 0, (shop.linked(), 0));
            rows.push(Record { metadata, data: PAIRS[number as usize] });
        },
    )
    .settled()
    .long("exchangeratetype", |row| recid(row.exchange_rate_type))
    .text("fromcurrencycode", |row| Cow::from(row.from))
    .text("tocurrencycode", |row| Cow::from(row.to))
    .long("exchangeratedisplayfactor", |_| 2)
}

/// A type of exchange rates, by its place.
#[derive(Clone)]
struct RateType(u64);

impl RowData for RateType {}

fn exchange_rate_type() -> Shape<RateType> {
    Shape::new(
        "exchangeratetype",
        2_853,
        |_, _| TYPES.len() as u64,
        |shop, number, rows| {
            rows.push(Record { metadata: RowMetadata::new(number, 0, (shop.linked(), 0)), data: RateType(number) });
        },
    )
    .settled()
    .text("name", |row| Cow::from(TYPES[row.0 as usize]))
}
