//! The tables of the export, by area.

mod addresses;
mod attributes;
mod carts;
mod catalogue;
mod exchange_rates;
mod loyalty;
mod orders;
mod payments;
mod people;
mod programs;
mod store;
mod variants;
mod wish_lists;

use crate::{shape::Table, shop::Shop};

/// Group of the tables of sales orders: header and lines share their lifecycle.
const ORDERS: u32 = 1;
/// Group of the tables of store transactions.
const RECEIPTS: u32 = 2;

/// All tables, those with most rows first.
pub(crate) fn all() -> Vec<Box<dyn Table>> {
    let mut tables = orders::tables();
    tables.extend(store::tables());
    tables.extend(payments::tables());
    tables.extend(carts::tables());
    tables.extend(loyalty::tables());
    tables.extend(programs::tables());
    tables.extend(addresses::tables());
    tables.extend(people::tables());
    tables.extend(wish_lists::tables());
    tables.extend(catalogue::tables());
    tables.extend(variants::tables());
    tables.extend(attributes::tables());
    tables.extend(exchange_rates::tables());
    tables
}

fn sales(shop: &Shop, round: u32) -> u64 {
    shop.rounds[round as usize].sales
}

fn customers(shop: &Shop, round: u32) -> u64 {
    shop.rounds[round as usize].customers
}

/// An amount in millionths, from hundredths.
fn amount(hundredths: i64) -> i64 {
    hundredths * 10_000
}

/// A whole number in millionths.
fn whole(number: i64) -> i64 {
    number * 1_000_000
}
