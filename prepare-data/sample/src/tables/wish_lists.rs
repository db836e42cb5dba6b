//! Wish lists of customers, and the products on them.

use std::borrow::Cow;

use crate::{
    customer::Customer,
    random::Subject,
    ratios,
    record::{Record, RowData, RowMetadata, recid},
    shape::{Shape, Table},
    shop::Shop,
};

use super::{customers, whole};

/// Lines of one list: those that it began with, and one for each change.
const LINES_PER_LIST: u64 = 32;
/// First of the numbers of lines that were added later.
const FIRST_ADDED: u64 = 8;
/// Most lines that a list begins with.
const MOST_AT_FIRST: u64 = 4;

const NAMES: &[&str] = &["Birthday", "New flat", "For \"later\"", "Wishes, all"];

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![Box::new(retail_wish_list_line_table()), Box::new(retail_wish_list_table())]
}

#[derive(Clone)]
struct WishList {
    number: u64,
    account: String,
    name: &'static str,
    private: bool,
}

impl RowData for WishList {}

fn list_of(shop: &Shop, number: u64) -> Option<(Customer, WishList)> {
    let mut random = shop.random(Subject::WishList, number);
    if !random.chance(ratios::WITH_WISH_LIST) {
        return None;
    }
    let customer = shop.customer(number);
    let (name, private) = (random.pick(NAMES), random.chance(0.3));
    let list = WishList { number, account: customer.account.clone(), name, private };
    Some((customer, list))
}

fn retail_wish_list_table() -> Shape<WishList> {
    Shape::new("retailwishlisttable", 10_920, customers, |shop, number, rows| {
        rows.extend(list_of(shop, number).map(|(customer, data)| {
            let metadata = RowMetadata::new(number, customer.company, customer.since);
            Record { metadata, data }
        }));
    })
    .per_company()
    .text("customerid", |row| Cow::from(&row.account))
    .text("name", |row| Cow::from(row.name))
    .long("isfavorite", |_| 0)
    .long("isrecurring", |_| 0)
    .long("isprivate", |row| i64::from(row.private))
    .long("iscollaborative", |row| i64::from(!row.private && row.number % 5 == 0))
    .time("duedatetime", |_| crate::timestamp::Timestamp::NEVER)
}

#[derive(Clone)]
struct Wish {
    list: WishList,
    product: u64,
    pieces: i64,
}

impl RowData for Wish {
    fn outdate(&mut self) {
        self.pieces += 1;
    }
}

fn retail_wish_list_line_table() -> Shape<Wish> {
    Shape::new("retailwishlistlinetable", 10_921, customers, |shop, number, rows| {
        let Some((customer, list)) = list_of(shop, number) else { return };
        rows.extend(lines_at_first(shop, &customer, &list));
        rows.extend(lines_added(shop, &customer, &list));
    })
    .per_company()
    .changing(Shop::customer_changed)
    .long("wishlistid", |row| recid(row.list.number))
    .text("customerid", |row| Cow::from(&row.list.account))
    .long("productid", |row| recid(row.product))
    .decimal("quantity", |row| whole(row.pieces))
    .text("unitofmeasure", |_| Cow::from("ea"))
    .long("isfavorite", |row| i64::from(row.product % 7 == 0))
    .long("isrecurring", |_| 0)
    .long("isprivate", |row| i64::from(row.list.private))
}

fn wish(shop: &Shop, list: &WishList, place: u64) -> Wish {
    let mut random = shop.random_again(Subject::WishList, list.number, 1 + place as u32);
    Wish { list: list.clone(), product: random.favouring_small(shop.products), pieces: 1 + random.below(2) as i64 }
}

/// The customer's first change takes the first line off the list.
fn lines_at_first(shop: &Shop, customer: &Customer, list: &WishList) -> Vec<Record<Wish>> {
    let count = 1 + shop.random_again(Subject::WishList, list.number, u32::MAX).below(MOST_AT_FIRST);
    let line = |place| {
        let mut metadata = RowMetadata::new(list.number * LINES_PER_LIST + place, customer.company, customer.since);
        if let Some(change) = customer.changes.first().filter(|_| place == 0) {
            metadata = metadata.changed(change.round, change.when);
            metadata.deleted = true;
        }
        Record { metadata, data: wish(shop, list, place) }
    };
    (0..count).map(line).collect()
}

/// Each further change adds one.
fn lines_added(shop: &Shop, customer: &Customer, list: &WishList) -> Vec<Record<Wish>> {
    let added = (FIRST_ADDED..LINES_PER_LIST).zip(customer.changes.iter());
    let line = |(place, change): (u64, &crate::customer::Change)| {
        let number = list.number * LINES_PER_LIST + place;
        let metadata = RowMetadata::new(number, customer.company, (change.when, change.round));
        Record { metadata, data: wish(shop, list, place) }
    };
    added.map(line).collect()
}
