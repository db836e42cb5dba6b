//! Payments of receipts and of orders, and the methods of payment.

use std::{borrow::Cow, sync::Arc};

use crate::{
    channel::channel_recid,
    ratios::Kind,
    record::{Record, RowData, RowMetadata, recid},
    sale::{FOREIGN, OrderState},
    shape::{Shape, Table},
    shop::{CHANNELS_PER_COMPANY, Shop},
};

use super::{
    ORDERS, RECEIPTS, amount,
    orders::{Order, SALES_TABLE, order_of},
    sales,
    store::{Receipt, receipt_of},
    whole,
};

/// Payments that one receipt can have.
const PAYMENTS_PER_SALE: u64 = 4;
/// A banknote of ten, in hundredths: who pays cash gives whole ones.
const BANKNOTE: i64 = 1_000;
/// What a unit of any currency is worth in the foreign one, in hundredths.
const EXCHANGE: i64 = 90;

const CASH: Method = Method { id: "1", name: "Cash", function: 0, operation: 200 };
const CARD: Method = Method { id: "2", name: "Cards", function: 1, operation: 201 };
const GIFT_CARD: Method = Method { id: "4", name: "Gift card", function: 0, operation: 214 };
const POINTS: Method = Method { id: "5", name: "Loyalty", function: 0, operation: 207 };
const CURRENCY: Method = Method { id: "6", name: "Currency", function: 0, operation: 203 };
const METHODS: &[Method] = &[CASH, CARD, GIFT_CARD, POINTS, CURRENCY];

/// A method of payment, with `RetailTenderFunction` and `RetailOperation` as these count.
#[derive(Debug, Clone, Copy)]
struct Method {
    id: &'static str,
    name: &'static str,
    function: i64,
    operation: i64,
}

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![
        Box::new(retail_transaction_payment_trans()),
        Box::new(mcr_cust_paym_table()),
        Box::new(retail_store_tender_type_table()),
        Box::new(retail_tender_type_table()),
    ]
}

/// A payment of a receipt.
#[derive(Clone)]
struct Payment {
    receipt: Receipt,
    place: usize,
    method: Method,
    /// In hundredths of the receipt's currency; negative when money goes back.
    amount: i64,
    is_change: bool,
    is_void: bool,
}

impl RowData for Payment {
    fn outdate(&mut self) {
        self.receipt.outdate();
    }
}

impl Payment {
    fn currency(&self) -> &'static str {
        if self.method.id == CURRENCY.id { FOREIGN } else { self.receipt.sale.currency }
    }

    fn in_its_currency(&self) -> i64 {
        if self.currency() == self.receipt.sale.currency { self.amount } else { self.amount * EXCHANGE / 100 }
    }

    fn card(&self) -> Cow<'_, str> {
        let is_card = self.method.id == CARD.id;
        Cow::from(if is_card { format!("411111******{:04}", self.receipt.sale.number % 10_000) } else { String::new() })
    }
}

/// How a receipt of this amount was paid. Voided card payments, of cards that were refused, come on top.
fn parts(number: u64, due: i64) -> Vec<(Method, i64, bool)> {
    let whole_notes = due.div_euclid(BANKNOTE) * BANKNOTE + BANKNOTE;
    let half = due / 2;
    match number % 10 {
        4..=6 if due > 0 => vec![(CASH, whole_notes, false), (CASH, due - whole_notes, true)],
        4..=6 => vec![(CASH, due, false)],
        7 if due > 0 => vec![(GIFT_CARD, half, false), (CARD, due - half, false)],
        8 if due > 0 => vec![(POINTS, half, false), (CASH, due - half, false)],
        9 => vec![(CURRENCY, due, false)],
        _ => vec![(CARD, due, false)],
    }
}

fn payments_of(shop: &Shop, number: u64, rows: &mut Vec<Record<Payment>>) {
    let Some(receipt) = receipt_of(shop, number).filter(|receipt| !receipt.data.sale.lines.is_empty()) else { return };
    let sale = &receipt.data.sale;
    let due = sale.net() + sale.tax();
    let is_void = sale.kind == Kind::Voided;
    let mut paid: Vec<_> = parts(number, due).into_iter().map(|part| (part, is_void)).collect();
    if number % 25 == 3 {
        paid.push(((CARD, due, false), true));
    }
    rows.extend(paid.into_iter().enumerate().map(|(place, ((method, amount, is_change), is_void))| {
        Record {
            metadata: RowMetadata { number: number * PAYMENTS_PER_SALE + place as u64, ..receipt.metadata.clone() }
                .of_family(number),
            data: Payment { receipt: receipt.data.clone(), place, method, amount, is_change, is_void },
        }
    }));
}

/// The one table with card data: as masked as tills write it.
fn retail_transaction_payment_trans() -> Shape<Payment> {
    Shape::new("retailtransactionpaymenttrans", 10_798, sales, payments_of)
        .per_company()
        .sharing_lifecycle(RECEIPTS)
        .changing(Shop::sale_changed)
        .text("transactionid", |row| Cow::from(&row.receipt.id))
        .text("store", |row| Cow::from(&row.receipt.store))
        .text("terminal", |row| Cow::from(&row.receipt.terminal))
        .long("channel", |row| channel_recid(row.receipt.sale.channel))
        .decimal("linenum", |row| whole(row.place as i64 + 1))
        .text("cardtypeid", |row| Cow::from(if row.method.id == CARD.id { "VISA" } else { "" }))
        .text("cardoraccount", Payment::card)
        .text("paymentauthorization", |row| Cow::from(format!("<auth \"{}\"/>", row.receipt.sale.number)))
        .decimal("amounttendered", |row| amount(row.amount))
        .decimal("amountcur", |row| amount(row.in_its_currency()))
        .text("currency", |row| Cow::from(row.currency()))
        .text("tendertype", |row| Cow::from(row.method.id))
        .long("changeline", |row| i64::from(row.is_change))
        .long("transactionstatus", |row| i64::from(row.is_void))
        .time("transdate", |row| row.receipt.sale.made.0.date())
        .long("transtime", |row| row.receipt.sale.made.0.second_of_day())
        .decimal("qty", |_| whole(1))
}

/// A payment of an order in headquarters.
#[derive(Clone)]
struct OrderPayment {
    order: Order,
}

impl RowData for OrderPayment {
    fn outdate(&mut self) {
        self.order.outdate();
    }
}

impl OrderPayment {
    /// As `MCRCustPaymStatus` counts.
    fn status(&self) -> i64 {
        match self.order.sale.state {
            OrderState::Open if self.order.sale.number.is_multiple_of(5) => 0,
            OrderState::Open => 1,
            OrderState::Canceled => 2,
            OrderState::Delivered => 3,
            OrderState::Invoiced => 4,
        }
    }

    fn method(&self) -> Method {
        if self.order.sale.number.is_multiple_of(9) { GIFT_CARD } else { CARD }
    }
}

/// Orders that headquarters has payments of. Those of customer orders are copies of the transaction's payments.
fn is_paid_in_headquarters(kind: Kind) -> bool {
    matches!(kind, Kind::Online | Kind::CallCenter | Kind::CustomerOrder | Kind::ReturnOrder)
}

fn order_payments_of(shop: &Shop, number: u64, rows: &mut Vec<Record<OrderPayment>>) {
    let order = order_of(shop, number).filter(|(sale, _)| is_paid_in_headquarters(sale.kind));
    rows.extend(order.map(|(sale, metadata)| {
        let order = Order { id: sale.order_id(shop.companies.len()), sale: Arc::clone(&sale) };
        Record { metadata, data: OrderPayment { order } }
    }));
}

fn mcr_cust_paym_table() -> Shape<OrderPayment> {
    Shape::new("mcrcustpaymtable", 30_648, sales, order_payments_of)
        .per_company()
        .sharing_lifecycle(ORDERS)
        .changing(Shop::sale_changed)
        .long("reftableid", |_| i64::from(SALES_TABLE))
        .long("refrecid", |row| recid(row.order.sale.number))
        .text("custaccount", |row| Cow::from(row.order.sale.order_account()))
        .long("channel", |row| channel_recid(row.order.sale.channel))
        .text("tendertypeid", |row| Cow::from(row.method().id))
        .decimal("amount", |row| amount(row.order.sale.net() + row.order.sale.tax()))
        .text("currencycode", |row| Cow::from(row.order.sale.currency))
        .long("status", OrderPayment::status)
}

impl RowData for Method {}

/// A method of payment in a channel.
#[derive(Clone)]
struct ChannelMethod {
    method: Method,
    channel: u64,
}

impl RowData for ChannelMethod {}

fn retail_store_tender_type_table() -> Shape<ChannelMethod> {
    const METHODS_OF_ONE: u64 = METHODS.len() as u64;
    let count = |shop: &Shop, _| shop.channels() * METHODS_OF_ONE;
    Shape::new("retailstoretendertypetable", 10_760, count, |shop, number, rows| {
        let (channel, method) = (number / METHODS_OF_ONE, METHODS[(number % METHODS_OF_ONE) as usize]);
        let company = (channel / CHANNELS_PER_COMPANY) as usize;
        let metadata = RowMetadata::new(number, company, (shop.linked(), 0));
        rows.push(Record { metadata, data: ChannelMethod { method, channel } });
    })
    .per_company()
    .settled()
    .long("channel", |row| channel_recid(row.channel))
    .text("tendertypeid", |row| Cow::from(row.method.id))
    .text("name", |row| Cow::from(row.method.name))
    .long("function", |row| row.method.function)
    .long("posoperation", |row| row.method.operation)
}

fn retail_tender_type_table() -> Shape<Method> {
    const METHODS_OF_ONE: u64 = METHODS.len() as u64;
    let count = |shop: &Shop, _| shop.companies.len() as u64 * METHODS_OF_ONE;
    Shape::new("retailtendertypetable", 10_762, count, |shop, number, rows| {
        let company = (number / METHODS_OF_ONE) as usize;
        let metadata = RowMetadata::new(number, company, (shop.linked(), 0));
        rows.push(Record { metadata, data: METHODS[(number % METHODS_OF_ONE) as usize] });
    })
    .per_company()
    .settled()
    .text("tendertypeid", |row| Cow::from(row.id))
    .text("name", |row| Cow::from(row.name))
    .long("defaultfunction", |row| row.function)
}
