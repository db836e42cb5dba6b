//! Sales orders and their lines.

use std::{borrow::Cow, sync::Arc};

use crate::{
    channel::channel_recid,
    ratios::Kind,
    record::{Record, RowData, RowMetadata},
    sale::{OrderState, Sale},
    shape::{Shape, Table},
    shop::Shop,
    timestamp::{DAY, Timestamp},
};

use super::{ORDERS, amount, sales, whole};

/// Lines that one order can have.
pub(super) const LINES_PER_SALE: u64 = 8;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![Box::new(sales_line()), Box::new(sales_table())]
}

#[derive(Clone)]
pub(super) struct Order {
    pub(super) sale: Arc<Sale>,
    pub(super) id: String,
}

impl RowData for Order {
    fn outdate(&mut self) {
        Arc::make_mut(&mut self.sale).outdate();
    }
}

pub(super) fn order_of(shop: &Shop, number: u64) -> Option<(Arc<Sale>, RowMetadata)> {
    let sale = shop.sale(number);
    let mut metadata = RowMetadata::new(number, sale.company, sale.ordered());
    if let Some((when, round)) = sale.changed {
        metadata = metadata.changed(round, when);
    }
    metadata.deleted = sale.deleted;
    sale.has_order().then(|| (Arc::new(sale), metadata))
}

impl Order {
    fn sales_type(&self) -> i64 {
        match self.sale.kind {
            Kind::Journal => 0,
            Kind::ReturnOrder => 4,
            _ => 3,
        }
    }

    fn due(&self) -> Timestamp {
        if self.sale.kind == Kind::Journal { Timestamp::NEVER } else { self.sale.ordered().0.date().plus(3 * DAY) }
    }
}

/// Number of the table of sales orders.
pub(super) const SALES_TABLE: u32 = 10_672;

fn sales_table() -> Shape<Order> {
    Shape::new("salestable", SALES_TABLE, sales, |shop, number, rows| {
        let order = order_of(shop, number);
        rows.extend(order.map(|(sale, metadata)| {
            let id = sale.order_id(shop.companies.len());
            Record { metadata, data: Order { sale, id } }
        }));
    })
    .per_company()
    .sharing_lifecycle(ORDERS)
    .changing(Shop::sale_changed)
    .text("salesid", |row| Cow::from(&row.id))
    .text("salesname", |_| Cow::from(""))
    .text("custaccount", |row| Cow::from(row.sale.order_account()))
    .text("invoiceaccount", |row| Cow::from(row.sale.order_account()))
    .long("salestype", Order::sales_type)
    .long("salesstatus", |row| row.sale.state as i64)
    .text("currencycode", |row| Cow::from(row.sale.currency))
    .long("retailchanneltable", |row| channel_recid(row.sale.channel))
    .text("customerref", |row| Cow::from(if row.sale.number % 50 == 0 { "For \"Ada\",\nsecond floor" } else { "" }))
    .time("shippingdaterequested", Order::due)
    .long("defaultdimension", |_| 0)
}

#[derive(Clone)]
struct OrderLine {
    order: Order,
    place: usize,
    item: String,
    variant: String,
    name: String,
}

impl RowData for OrderLine {
    fn outdate(&mut self) {
        self.order.outdate();
    }
}

impl OrderLine {
    fn line(&self) -> &crate::sale::Line {
        &self.order.sale.lines[self.place]
    }

    fn state(&self) -> OrderState {
        if self.line().void { OrderState::Canceled } else { self.order.sale.state }
    }

    fn lot(&self) -> String {
        format!("L{:010}", self.order.sale.number * LINES_PER_SALE + self.place as u64)
    }
}

fn sales_line() -> Shape<OrderLine> {
    Shape::new("salesline", 10_662, sales, |shop, number, rows| {
        let Some((sale, metadata)) = order_of(shop, number) else { return };
        let language = shop.companies[sale.company].language;
        let order = Order { id: sale.order_id(shop.companies.len()), sale };
        rows.extend(order.sale.lines.iter().enumerate().map(|(place, line)| Record {
            metadata:
                RowMetadata { number: number * LINES_PER_SALE + place as u64, ..metadata.clone() }.of_family(number),
            data: OrderLine {
                order: order.clone(),
                place,
                item: shop.item_id(line.product),
                variant: shop.variant_number(line.product, number),
                name: shop.product_name(line.product, language, 0),
            },
        }));
    })
    .per_company()
    .sharing_lifecycle(ORDERS)
    .changing(Shop::sale_changed)
    .text("salesid", |row| Cow::from(&row.order.id))
    .decimal("linenum", |row| whole(row.place as i64 + 1))
    .text("itemid", |row| Cow::from(&row.item))
    .text("name", |row| Cow::from(&row.name))
    .decimal("salesqty", |row| whole(row.line().pieces))
    .decimal("qtyordered", |row| whole(row.line().pieces))
    .text("salesunit", |_| Cow::from("ea"))
    .decimal("salesprice", |row| amount(row.line().price))
    .decimal("priceunit", |_| whole(1))
    .decimal("lineamount", |row| amount(row.line().net()))
    .decimal("linedisc", |row| amount(row.line().discount / row.line().pieces.abs().max(1)))
    .decimal("linepercent", |_| 0)
    .decimal("costprice", |row| amount(row.line().price / 2))
    .text("currencycode", |row| Cow::from(row.order.sale.currency))
    .long("salesstatus", |row| row.state() as i64)
    .long("salestype", |row| row.order.sales_type())
    .text("inventtransid", |row| Cow::from(row.lot()))
    .text("custaccount", |row| Cow::from(row.order.sale.order_account()))
    .text("retailvariantid", |row| Cow::from(&row.variant))
    .text("inventdimid", |_| Cow::from("AllBlank"))
    .time("shippingdateconfirmed", |_| Timestamp::NEVER)
}
