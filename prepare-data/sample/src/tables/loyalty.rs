//! Loyalty cards and their points.

use std::{borrow::Cow, sync::Arc};

use crate::{
    channel::channel_recid,
    random::Subject,
    ratios::{self, Kind},
    record::{Record, RowData, RowMetadata, recid},
    sale::Sale,
    shape::{Shape, Table},
    shop::Shop,
    timestamp::{DAY, Timestamp},
};

use super::{
    customers,
    programs::{program_of, tier_at},
    sales, whole,
};

/// As `RetailLoyaltyRewardPointEntryType` counts.
const EARN: i64 = 1;
const REDEEM: i64 = 2;
const RETURN_EARNED: i64 = 3;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![
        Box::new(retail_loyalty_card_reward_point_trans()),
        Box::new(retail_loyalty_card()),
        Box::new(retail_loyalty_reward_point()),
    ]
}

/// The number of a customer's loyalty card.
pub(super) fn card_number(customer: u64) -> String {
    format!("55{customer:09}")
}

#[derive(Clone)]
struct Card {
    customer: u64,
    party: i64,
}

impl RowData for Card {}

fn retail_loyalty_card() -> Shape<Card> {
    Shape::new("retailloyaltycard", 10_893, customers, |shop, number, rows| {
        if !shop.has_card(number) {
            return;
        }
        let customer = shop.customer(number);
        let ownerless = shop.random_again(Subject::Card, number, 1).chance(shop.dirt.ownerless_card);
        let party = customer.party().filter(|_| !ownerless).map_or(0, |party| shop.party_recid(party));
        let metadata = RowMetadata::new(number, customer.company, customer.since);
        rows.push(Record { metadata, data: Card { customer: number, party } });
    })
    .text("cardnumber", |row| Cow::from(card_number(row.customer)))
    .long("party", |row| row.party)
    .long("cardtendertype", |_| 0)
    .text("replacementcardnumber", |_| Cow::from(""))
}

/// Points earned or spent at a sale.
#[derive(Clone)]
struct Points {
    sale: Arc<Sale>,
    customer: u64,
    kind: i64,
    points: i64,
    /// What is left of earned points: those of the same sale that were not spent.
    remaining: i64,
    tier: i64,
    company: String,
    order_id: String,
    transaction_id: String,
}

impl RowData for Points {
    fn outdate(&mut self) {
        self.points += 1;
    }
}

impl Points {
    fn in_store(&self) -> bool {
        self.sale.kind.is_in_store()
    }

    fn expires(&self) -> Timestamp {
        if self.kind == EARN { self.sale.made.0.date().plus(365 * DAY) } else { Timestamp::NEVER }
    }
}

/// Sales that points are given for.
fn gives_points(kind: Kind) -> bool {
    use Kind as K;
    matches!(kind, K::CashAndCarry | K::Online | K::CallCenter | K::CustomerOrder | K::StoreReturn | K::ReturnOrder)
}

fn points_of(shop: &Shop, number: u64, rows: &mut Vec<Record<Points>>) {
    let sale = shop.sale(number);
    let Some(customer) = sale.card.filter(|_| gives_points(sale.kind)) else { return };
    let earned = sale.net() / 100;
    let kind = if earned < 0 { RETURN_EARNED } else { EARN };
    let spends = shop.random(Subject::Points, number).chance(ratios::POINTS_SPENT) && kind == EARN;
    let companies = shop.companies.len();
    let entries = [(kind, earned), (REDEEM, -earned / 10)];
    let sale = Arc::new(sale);
    for (place, (kind, points)) in (0..).zip(entries).take(if spends { 2 } else { 1 }) {
        let spent = if spends { -entries[1].1 } else { 0 };
        let data = Points {
            customer,
            kind,
            points,
            remaining: if kind == EARN { points - spent } else { 0 },
            tier: tier_at(shop, customer, sale.made.0),
            company: shop.companies[sale.company].code.clone(),
            order_id: sale.order_id(companies),
            transaction_id: sale.transaction_id(companies),
            sale: Arc::clone(&sale),
        };
        rows.push(Record { metadata: RowMetadata::new(number * 2 + place, sale.company, sale.made), data });
    }
}

fn retail_loyalty_card_reward_point_trans() -> Shape<Points> {
    Shape::new("retailloyaltycardrewardpointtrans", 10_899, sales, points_of)
        .text("cardnumber", |row| Cow::from(card_number(row.customer)))
        .long("rewardpoint", |_| recid(0))
        .decimal("rewardpointamountqty", |row| whole(row.points))
        .long("entrytype", |row| row.kind)
        .time("entrydate", |row| row.sale.made.0.date())
        .long("entrytime", |row| row.sale.made.0.second_of_day())
        .time("expirationdate", Points::expires)
        .decimal("remaining", |row| whole(row.remaining))
        .long("loyaltytier", |row| row.tier)
        .long("affiliation", |row| program_of(row.customer))
        .text("custaccount", |row| Cow::from(row.sale.account()))
        .text("custaccountdataareaid", |row| Cow::from(&row.company))
        .text("loyaltytransdataareaid", |row| Cow::from(&row.company))
        .long("channel", |row| channel_recid(row.sale.channel))
        .text("receiptid", |row| {
            Cow::from(if row.in_store() { format!("R{:010}", row.sale.number) } else { String::new() })
        })
        .text("salesid", |row| Cow::from(if row.in_store() { "" } else { &row.order_id }))
        .text("transactionid", |row| Cow::from(if row.in_store() { &row.transaction_id } else { "" }))
}

#[derive(Clone)]
struct RewardPoint;

impl RowData for RewardPoint {}

fn retail_loyalty_reward_point() -> Shape<RewardPoint> {
    Shape::new(
        "retailloyaltyrewardpoint",
        10_911,
        |_, _| 1,
        |shop, number, rows| {
            rows.push(Record { metadata: RowMetadata::new(number, 0, (shop.linked(), 0)), data: RewardPoint });
        },
    )
    .settled()
    .text("rewardpointid", |_| Cow::from("Points"))
    .long("rewardpointtype", |_| 0)
}
