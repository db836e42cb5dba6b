//! The tables of the export, by area.

mod addresses;
mod catalogue;
mod loyalty;
mod orders;
mod people;
mod store;

use super::{shape::Table, world::World};

/// Group of the tables of sales orders: header and lines share their fate.
const ORDERS: u32 = 1;
/// Group of the tables of store transactions.
const RECEIPTS: u32 = 2;

/// All tables, those with most rows first.
pub(crate) fn all() -> Vec<Box<dyn Table>> {
    let mut tables = orders::tables();
    tables.extend(store::tables());
    tables.extend(loyalty::tables());
    tables.extend(addresses::tables());
    tables.extend(people::tables());
    tables.extend(catalogue::tables());
    tables
}

fn sales(world: &World, round: u32) -> u64 {
    world.rounds[round as usize].sales
}

fn customers(world: &World, round: u32) -> u64 {
    world.rounds[round as usize].customers
}

/// An amount in millionths, from hundredths.
fn amount(hundredths: i64) -> i64 {
    hundredths * 10_000
}

/// A whole number in millionths.
fn whole(number: i64) -> i64 {
    number * 1_000_000
}
