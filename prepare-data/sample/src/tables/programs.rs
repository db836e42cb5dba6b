//! Loyalty programs, their tiers, and the tiers of cards.

use std::borrow::Cow;

use crate::{
    record::{Record, RowData, RowMetadata, recid},
    shape::{Shape, Table},
    shop::Shop,
    timestamp::{DAY, Timestamp},
};

use super::customers;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![Box::new(retail_loyalty_card_tier()), Box::new(retail_loyalty_tier()), Box::new(retail_affiliation())]
}

/// Names of the programs.
const PROGRAMS: &[&str] = &["Club", "Staff"];
/// Tiers of each program, the lowest first.
const TIERS: &[&str] = &["Base", "Silver", "Gold"];
/// Days after which a card gets its next tier.
const DAYS_TO_NEXT_TIER: i64 = 300;

/// The program of a customer's card: record id of the affiliation.
pub(super) fn program_of(customer: u64) -> i64 {
    recid(customer % 16 / 15)
}

/// A customer's tier in the program, and what the program's record id makes of it.
fn tier_recid(customer: u64, tier: u64) -> i64 {
    recid(customer % 16 / 15 * TIERS.len() as u64 + tier)
}

/// Tier of a customer's card at a time.
pub(super) fn tier_at(shop: &Shop, customer: u64, time: Timestamp) -> i64 {
    let since = shop.customer_since(customer).0.date();
    let reached = ((time.0 - since.0).max(0) / (DAYS_TO_NEXT_TIER * DAY)) as u64;
    tier_recid(customer, reached.min(last_tier(customer)))
}

/// The highest tier that a customer ever gets.
fn last_tier(customer: u64) -> u64 {
    customer % TIERS.len() as u64
}

/// A tier that a card has from one day to another.
#[derive(Clone)]
struct CardTier {
    customer: u64,
    tier: u64,
    from: Timestamp,
    to: Timestamp,
}

impl RowData for CardTier {}

fn retail_loyalty_card_tier() -> Shape<CardTier> {
    Shape::new("retailloyaltycardtier", 10_894, customers, |shop, number, rows| {
        if !shop.has_card(number) {
            return;
        }
        let customer = shop.customer(number);
        let (last, since) = (last_tier(number), customer.since.0.date());
        let begins = |tier: u64| since.plus(tier as i64 * DAYS_TO_NEXT_TIER * DAY);
        for tier in 0..=last {
            let to = if tier == last { Timestamp::FOREVER } else { begins(tier + 1).plus(-DAY) };
            let metadata = RowMetadata::new(number * TIERS.len() as u64 + tier, customer.company, customer.since);
            rows.push(Record { metadata, data: CardTier { customer: number, tier, from: begins(tier), to } });
        }
    })
    .long("loyaltycard", |row| recid(row.customer))
    .long("loyaltytier", |row| tier_recid(row.customer, row.tier))
    .long("affiliation", |row| program_of(row.customer))
    .time("validfrom", |row| row.from)
    .time("validto", |row| row.to)
}

/// A program, or a tier of one, by its place.
#[derive(Clone)]
struct Place(u64);

impl RowData for Place {}

fn place(shop: &Shop, number: u64, rows: &mut Vec<Record<Place>>) {
    rows.push(Record { metadata: RowMetadata::new(number, 0, (shop.linked(), 0)), data: Place(number) });
}

fn retail_loyalty_tier() -> Shape<Place> {
    Shape::new("retailloyaltytier", 10_918, |_, _| (PROGRAMS.len() * TIERS.len()) as u64, place)
        .settled()
        .long("affiliation", |row| recid(row.0 / TIERS.len() as u64))
        .text("tierid", |row| Cow::from(TIERS[row.0 as usize % TIERS.len()]))
        .long("tierlevel", |row| (row.0 % TIERS.len() as u64) as i64 + 1)
}

fn retail_affiliation() -> Shape<Place> {
    Shape::new("retailaffiliation", 10_641, |_, _| PROGRAMS.len() as u64, place)
        .settled()
        .text("name", |row| Cow::from(PROGRAMS[row.0 as usize]))
        .long("affiliationtype", |_| 1)
}
