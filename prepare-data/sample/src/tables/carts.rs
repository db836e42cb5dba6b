//! Carts of the channel database: those of sales in a store, and those that were filled online and left.

use std::borrow::Cow;

use crate::{
    channel::channel_recid,
    random::{Random, Subject},
    ratios::{self, Kind},
    record::{Record, RowData, RowMetadata},
    sale::Sale,
    shape::{Shape, Table},
    shop::{CHANNELS_PER_COMPANY, STORES_PER_COMPANY, Shop},
    timestamp::{DAY, HOUR, MINUTE, Timestamp},
};

use super::{amount, sales, whole};

/// Most time that a customer fills a cart.
const FILLING: i64 = 3 * HOUR;
/// Days before the first state of the lake that the channel database has carts of.
const KEPT_DAYS: i64 = 60;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![Box::new(sales_transaction())]
}

#[derive(Clone)]
struct Cart {
    id: String,
    channel: u64,
    account: String,
    /// In hundredths, with tax.
    amount: i64,
    on_hold: bool,
    created: Timestamp,
    modified: Timestamp,
    /// Checked out, or emptied.
    deleted: Timestamp,
}

impl RowData for Cart {
    fn outdate(&mut self) {
        self.modified = self.created;
        self.deleted = Timestamp::NEVER;
    }
}

fn sales_transaction() -> Shape<Cart> {
    Shape::new("salestransaction", 20_001, sales, |shop, number, rows| {
        if is_purged(shop, number) {
            return;
        }
        rows.extend(cart_left_online(shop, number));
        rows.extend(cart_of_sale(shop, number));
    })
    .changing(Shop::sale_changed)
    .text("dataareaid", |_| Cow::from("")) // the channel database knows no company
    .text("transactionid", |row| Cow::from(&row.id))
    .long("channelid", |row| channel_recid(row.channel))
    .text("terminalid", |_| Cow::from(""))
    .text("customerid", |row| Cow::from(&row.account))
    .decimal("amount", |row| amount(row.amount))
    .long("issuspended", |row| i64::from(row.on_hold))
    .long("bytelength", |row| row.amount % 4096)
    .decimal("storagetype", |_| whole(0))
    .time("createddatetime", |row| row.created)
    .time("modifieddatetime", |row| row.modified)
    .time("deleteddatetime", |row| row.deleted)
}

/// The channel database keeps carts for some weeks only.
fn is_purged(shop: &Shop, number: u64) -> bool {
    shop.sold_at(number).0 < shop.rounds[0].as_of.plus(-KEPT_DAYS * DAY)
}

/// A cart that was filled at the time of the sale with this number, and never bought. Some customers come back for it.
fn cart_left_online(shop: &Shop, number: u64) -> Option<Record<Cart>> {
    let mut random = shop.random(Subject::Cart, number);
    if !random.chance(ratios::CART_LEFT_ONLINE) {
        return None;
    }
    let company = shop.company_of(number);
    let made = shop.sold_at(number);
    let mut metadata = RowMetadata::new(number * 2, company, made);
    let filled = made.0.plus(random.below(FILLING as u64) as i64).to_second();
    let mut cart = Cart {
        id: format!("C{number:010}"),
        channel: company as u64 * CHANNELS_PER_COMPANY + STORES_PER_COMPANY,
        account: shop.account_of_cart(number, &mut random),
        amount: shop.price(random.favouring_small(shop.products)) * (1 + random.below(3) as i64),
        on_hold: false,
        created: made.0,
        modified: filled,
        deleted: if random.chance(ratios::CART_EMPTIED) { filled } else { Timestamp::NEVER },
    };
    for round in (made.1 + 1..=shop.round()).filter(|round| shop.sale_changed(number, *round)) {
        let mut random = shop.random_again(Subject::Cart, number, round);
        cart.modified = shop.within_round(round, &mut random);
        metadata = metadata.changed(round, cart.modified);
    }
    Some(Record { metadata, data: cart })
}

/// The cart that a sale in a store was made of.
fn cart_of_sale(shop: &Shop, number: u64) -> Option<Record<Cart>> {
    let sale = shop.sale(number);
    let on_hold = sale.kind == Kind::Suspended;
    let kept = match sale.kind {
        Kind::CustomerOrder | Kind::AsyncCustomerOrder | Kind::Suspended => true,
        Kind::CashAndCarry => number % 10 == 3,
        _ => false,
    };
    let cart = Cart {
        id: number_of_cart(shop, &sale),
        channel: sale.channel,
        account: sale.account().to_owned(),
        amount: sale.net() + sale.tax(),
        on_hold,
        created: sale.made.0,
        modified: sale.made.0.plus(2 * MINUTE),
        deleted: if on_hold { Timestamp::NEVER } else { sale.made.0.plus(3 * MINUTE) },
    };
    kept.then(|| Record { metadata: RowMetadata::new(number * 2 + 1, sale.company, sale.made), data: cart })
}

/// A transaction keeps the number of its cart, unless it was put on hold before.
fn number_of_cart(shop: &Shop, sale: &Sale) -> String {
    let companies = shop.companies.len();
    if shop.was_on_hold(sale) { sale.id_on_hold(companies) } else { sale.transaction_id(companies) }
}

impl Shop {
    /// Whether the sale was put on hold at the till before it was paid.
    pub(super) fn was_on_hold(&self, sale: &Sale) -> bool {
        let mut random = self.random_again(Subject::Cart, sale.number, u32::MAX);
        random.chance(ratios::PUT_ON_HOLD) && sale.kind == Kind::CashAndCarry
    }

    fn account_of_cart(&self, number: u64, random: &mut Random) -> String {
        let customers = self.rounds[self.sold_at(number).1 as usize].customers;
        let companies = self.companies.len() as u64;
        let company = self.company_of(number) as u64;
        let own = customers.saturating_sub(company).div_ceil(companies);
        let customer = (1 + random.favouring_small(own.saturating_sub(1))) * companies + company;
        if random.chance(ratios::ANONYMOUS_ONLINE) || own < 2 { String::new() } else { self.account(customer) }
    }
}

impl Sale {
    /// The transaction's number when it was put on hold.
    pub(super) fn id_on_hold(&self, companies: usize) -> String {
        format!("{}H", self.transaction_id(companies))
    }

    /// The sale as it was when it was put on hold.
    pub(super) fn on_hold(&self) -> Self {
        let made = (self.made.0.plus(-20 * MINUTE), self.made.1);
        Self { kind: Kind::Suspended, made, posted: None, changed: None, ..self.clone() }
    }
}
