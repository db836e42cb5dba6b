//! Transactions of the point of sale and their lines.

use std::{borrow::Cow, sync::Arc};

use crate::{
    channel::channel_recid,
    ratios::Kind,
    record::{Record, RowData, RowMetadata},
    sale::{Line, Sale},
    shape::{Shape, Table},
    shop::Shop,
    timestamp::Timestamp,
};

use super::{RECEIPTS, amount, loyalty::card_number, orders::LINES_PER_SALE, sales, whole};

/// First of the numbers of transactions that were put on hold and recalled: above those of all sales.
const ON_HOLD_FROM: u64 = 4_000_000_000;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![Box::new(retail_transaction_sales_trans()), Box::new(retail_transaction_table())]
}

/// A transaction: what was sold, and the numbers that tills write for it.
#[derive(Clone)]
pub(super) struct Receipt {
    pub(super) sale: Arc<Sale>,
    pub(super) id: String,
    pub(super) store: String,
    pub(super) terminal: String,
    order_id: String,
    /// Number of the transaction when it was put on hold, if it was.
    on_hold_id: Option<String>,
}

impl RowData for Receipt {
    fn outdate(&mut self) {
        Arc::make_mut(&mut self.sale).outdate();
    }
}

pub(super) fn receipt_of(shop: &Shop, number: u64) -> Option<Record<Receipt>> {
    let sale = shop.sale(number);
    if !sale.kind.is_in_store() {
        return None;
    }
    let mut metadata = RowMetadata::new(number, sale.company, sale.made);
    if let Some((when, round)) = sale.posted.filter(|(_, round)| *round > sale.made.1) {
        metadata = metadata.changed(round, when);
    }
    let companies = shop.companies.len();
    let store = shop.store_id(sale.channel);
    let data = Receipt {
        id: sale.transaction_id(companies),
        terminal: format!("{store}-{}", 1 + number / 16 % 3),
        store,
        order_id: sale.order_id(companies),
        on_hold_id: shop.was_on_hold(&sale).then(|| sale.id_on_hold(companies)),
        sale: Arc::new(sale),
    };
    Some(Record { metadata, data })
}

/// The receipt, after the transaction that was put on hold before it.
fn transactions_of(shop: &Shop, number: u64) -> Vec<Record<Receipt>> {
    let Some(receipt) = receipt_of(shop, number) else { return Vec::new() };
    let on_hold = receipt.data.on_hold_id.clone().map(|id| {
        let sale = &receipt.data.sale;
        let metadata = RowMetadata::new(number + ON_HOLD_FROM, sale.company, sale.made).of_family(number);
        let data = Receipt { id, sale: Arc::new(sale.on_hold()), on_hold_id: None, ..receipt.data.clone() };
        Record { metadata, data }
    });
    on_hold.into_iter().chain([receipt]).collect()
}

impl Receipt {
    /// As `RetailTransactionType` counts.
    fn transaction_type(&self) -> i64 {
        match self.sale.kind {
            Kind::CustomerOrder => 19,
            Kind::AsyncCustomerOrder => 27,
            Kind::TillOnly => [1, 5, 9, 13, 20][(self.sale.number % 5) as usize],
            _ => 2,
        }
    }

    /// As `RetailEntryStatus` counts.
    fn entry_status(&self) -> i64 {
        match self.sale.kind {
            Kind::Voided => 1,
            Kind::Training => 6,
            Kind::Suspended => 5,
            _ if self.sale.posted.is_some() => 2,
            _ => 0,
        }
    }

    /// The number of the sales order that came of it.
    fn sales_order(&self) -> &str {
        let has_number = matches!(self.sale.kind, Kind::CustomerOrder) || self.sale.posted.is_some();
        if has_number { &self.order_id } else { "" }
    }

    fn is_async(&self) -> bool {
        self.sale.kind == Kind::AsyncCustomerOrder
    }

    /// Accounts made while headquarters was out of reach have a provisional number of their own.
    fn async_account(&self) -> Cow<'_, str> {
        if self.is_async() { Cow::from(format!("async-{}", self.sale.number)) } else { Cow::from("") }
    }

    fn account(&self) -> &str {
        if self.is_async() { "" } else { self.sale.account() }
    }

    fn number(&self) -> String {
        format!("R{:010}", self.sale.number)
    }

    fn statement(&self) -> Cow<'_, str> {
        match self.sale.posted {
            Some((when, _)) => Cow::from(format!("ST{}", when.utc().format("%Y%m%d"))),
            None => Cow::from(""),
        }
    }

    /// When the transaction began; old tills do not record it.
    fn began(&self) -> Timestamp {
        if self.sale.number % 40 == 7 { Timestamp::NEVER } else { self.sale.made.0 }
    }

    fn card(&self) -> Cow<'_, str> {
        self.sale.card.map_or(Cow::from(""), |customer| Cow::from(card_number(customer)))
    }
}

/// The point of sale books what it sells with a minus sign.
fn booked(amount: i64) -> i64 {
    -amount
}

fn retail_transaction_table() -> Shape<Receipt> {
    Shape::new("retailtransactiontable", 10_804, sales, |shop, number, rows| rows.extend(transactions_of(shop, number)))
        .per_company()
        .sharing_lifecycle(RECEIPTS)
        .changing(Shop::sale_changed)
        .text("transactionid", |row| Cow::from(&row.id))
        .text("store", |row| Cow::from(&row.store))
        .text("terminal", |row| Cow::from(&row.terminal))
        .long("channel", |row| channel_recid(row.sale.channel))
        .text("receiptid", |row| Cow::from(row.number()))
        .text("custaccount", |row| Cow::from(row.account()))
        .text("custaccountasync", Receipt::async_account)
        .long("type", Receipt::transaction_type)
        .long("entrystatus", Receipt::entry_status)
        .time("transdate", |row| row.sale.made.0.date())
        .long("transtime", |row| row.sale.made.0.second_of_day())
        .time("businessdate", |row| row.sale.made.0.date())
        .time("begindatetime", Receipt::began)
        .text("currency", |row| Cow::from(row.sale.currency))
        .decimal("exchrate", |_| whole(100))
        .decimal("netamount", |row| amount(booked(row.sale.net())))
        .decimal("grossamount", |row| amount(booked(row.sale.net() + row.sale.tax())))
        .decimal("paymentamount", |row| amount(row.sale.net() + row.sale.tax()))
        .decimal("discamount", |row| amount(row.sale.lines.iter().map(|line| line.discount).sum()))
        .long("saleisreturnsale", |row| i64::from(row.sale.kind == Kind::StoreReturn))
        .text("salesorderid", |row| Cow::from(row.sales_order()))
        .text("statementid", Receipt::statement)
        .text("loyaltycardid", Receipt::card)
        .text("channelreferenceid", |row| Cow::from(format!("CR{}", row.sale.number)))
        .text("staff", |row| Cow::from(format!("{:06}", row.sale.number % 97)))
        .text("receiptemail", |_| Cow::from(""))
        .text("suspendedtransactionid", |row| Cow::from(row.on_hold_id.as_deref().unwrap_or_default()))
}

#[derive(Clone)]
struct ReceiptLine {
    receipt: Receipt,
    place: usize,
    item: String,
    variant: String,
}

impl RowData for ReceiptLine {
    fn outdate(&mut self) {
        self.receipt.outdate();
    }
}

impl ReceiptLine {
    fn line(&self) -> &Line {
        &self.receipt.sale.lines[self.place]
    }
}

fn retail_transaction_sales_trans() -> Shape<ReceiptLine> {
    Shape::new("retailtransactionsalestrans", 10_805, sales, |shop, number, rows| {
        for receipt in transactions_of(shop, number) {
            let metadata = &receipt.metadata;
            let first = metadata.number * LINES_PER_SALE;
            rows.extend(receipt.data.sale.lines.iter().enumerate().map(|(place, line)| Record {
                metadata: RowMetadata { number: first + place as u64, ..metadata.clone() }.of_family(number),
                data: ReceiptLine {
                    receipt: receipt.data.clone(),
                    place,
                    item: shop.item_id(line.product),
                    variant: shop.variant_number(line.product, number),
                },
            }));
        }
    })
    .per_company()
    .sharing_lifecycle(RECEIPTS)
    .changing(Shop::sale_changed)
    .text("transactionid", |row| Cow::from(&row.receipt.id))
    .text("store", |row| Cow::from(&row.receipt.store))
    .text("terminalid", |row| Cow::from(&row.receipt.terminal))
    .long("channel", |row| channel_recid(row.receipt.sale.channel))
    .decimal("linenum", |row| whole(row.place as i64 + 1))
    .text("itemid", |row| Cow::from(&row.item))
    .text("variantid", |row| Cow::from(&row.variant))
    .text("barcode", |_| Cow::from(""))
    .text("receiptid", |row| Cow::from(row.receipt.number()))
    .text("custaccount", |row| Cow::from(row.receipt.account()))
    .decimal("qty", |row| whole(booked(row.line().pieces)))
    .text("unit", |_| Cow::from("ea"))
    .decimal("price", |row| amount(row.line().price))
    .decimal("netamount", |row| amount(booked(row.line().net())))
    .decimal("netamountincltax", |row| amount(booked(row.line().net() + row.line().tax())))
    .decimal("taxamount", |row| amount(booked(row.line().tax())))
    .decimal("discamount", |row| amount(row.line().discount))
    .decimal("costamount", |row| amount(row.line().price / 2 * row.line().pieces.abs()))
    .text("currency", |row| Cow::from(row.receipt.sale.currency))
    .long("transactionstatus", |row| i64::from(row.line().void || row.receipt.sale.kind == Kind::Voided))
    .long("returnnosale", |row| i64::from(row.receipt.sale.kind == Kind::StoreReturn))
    .time("transdate", |row| row.receipt.sale.made.0.date())
    .long("transtime", |row| row.receipt.sale.made.0.second_of_day())
    .long("giftcard", |_| 0)
}
