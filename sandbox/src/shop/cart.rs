//! Carts, and their form in the Retail Server.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, SecondsFormat, Utc};

use super::catalog::{Channel, ChannelKind, Product};
use super::customers::Customer;
use super::fields::{Fields, Json};
use super::money::Money;

/// A quantity of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The product's record id.
    pub product: i64,
    /// The quantity; at least one.
    pub quantity: u32,
}

/// A product in a cart or an order, with its price at that time.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) product: &'static Product,
    pub(super) quantity: u32,
    pub(super) price: Money,
}

/// A cart, before and after its checkout.
#[derive(Clone, Debug)]
pub(super) struct Cart {
    pub(super) id: String,
    pub(super) channel: &'static Channel,
    pub(super) terminal: String,
    pub(super) staff: String,
    pub(super) customer: Option<Arc<Customer>>,
    pub(super) loyalty_card: String,
    pub(super) receipt_email: String,
    pub(super) begun: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    pub(super) lines: Vec<Line>,
    pub(super) version: i64,
    pub(super) checked_out: bool,
}

/// The amounts of a cart or an order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) subtotal: Money,
    pub(super) charges: Money,
    pub(super) tax: Money,
    pub(super) tax_on_charges: Money,
}

impl Totals {
    pub(super) fn total(&self) -> Money {
        self.subtotal + self.charges + self.tax + self.tax_on_charges
    }
}

impl Line {
    pub(super) fn net(&self) -> Money {
        self.price.times(self.quantity)
    }

    pub(super) fn tax(&self, channel: &Channel) -> Money {
        self.net().share(channel.tax)
    }

    /// Shipping charge of two per cent for online orders.
    pub(super) fn charge(&self, channel: &Channel) -> Money {
        match channel.kind {
            ChannelKind::Online => self.net().share(200),
            ChannelKind::InStore => Money::default(),
        }
    }
}

pub(super) fn totals(lines: &[Line], channel: &Channel) -> Totals {
    Totals {
        subtotal: lines.iter().map(Line::net).sum(),
        charges: lines.iter().map(|line| line.charge(channel)).sum(),
        tax: lines.iter().map(|line| line.tax(channel)).sum(),
        tax_on_charges: lines.iter().map(|line| line.charge(channel).share(channel.tax)).sum(),
    }
}

impl Cart {
    pub(super) fn account(&self) -> &str {
        self.customer.as_ref().map_or("", |customer| &customer.account)
    }

    /// The cart as the Retail Server returns it.
    ///
    /// UNCONFIRMED: whether a cart can be read after its checkout. Here it can, so that the result does not depend on
    /// timing. Use `Shop::lose_cart` for the other case.
    pub(super) fn body(&self) -> String {
        static CART: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/cart.json")));
        let totals = totals(&self.lines, self.channel);
        let money = |amount: Money| amount.json(self.channel.decimals);
        let mut fields = CART.clone();
        fields
            .set("Id", &self.id)
            .set("AmountDue", money(if self.checked_out { Money::default() } else { totals.total() }))
            .set("AmountPaid", money(if self.checked_out { totals.total() } else { Money::default() }))
            .set("BeginDateTime", time(self.begun))
            .set("BusinessDate", "0001-01-01T00:00:00Z")
            .set("CartLines", self.lines.iter().enumerate().map(|(i, line)| self.line(i, line)).collect::<Json>())
            .set("ChannelId", self.channel.id)
            .set("ChargeAmount", money(totals.charges))
            .set("CustomerId", self.account())
            .set("LoyaltyCardId", &self.loyalty_card)
            .set("ModifiedDateTime", time(self.modified))
            .set("Name", self.customer.as_ref().map(|customer| customer.name()).unwrap_or_default())
            .set("ReceiptEmail", &self.receipt_email)
            .set("StaffId", &self.staff)
            .set("SubtotalAmount", money(totals.subtotal))
            .set("TaxAmount", money(totals.tax + totals.tax_on_charges))
            .set("TerminalId", &self.terminal)
            .set("TotalAmount", money(totals.total()))
            .set("TotalItems", pieces(&self.lines))
            .set("Version", self.version);
        fields.entity("Carts")
    }

    fn line(&self, index: usize, line: &Line) -> Fields {
        static LINE: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/cart_line.json")));
        let money = |amount: Money| amount.json(self.channel.decimals);
        let mut fields = LINE.clone();
        fields
            .set("LineId", &line.id)
            .set("ItemId", line.product.item_id)
            .set("Description", line.product.name)
            .set("ProductId", line.product.id)
            .set("Quantity", Json::number(format!("{}.0", line.quantity)))
            .set("Price", money(line.price))
            .set("ExtendedPrice", money(line.net()))
            .set("TaxAmount", money(line.tax(self.channel)))
            .set("TotalAmount", money(line.net() + line.tax(self.channel)))
            .set("NetAmountWithoutTax", money(line.net()))
            .set("LineNumber", Json::number(format!("{}.0", index + 1)))
            .set("StaffId", &self.staff);
        fields
    }

    /// `TotalItems`.
    pub(super) fn item_count(&self) -> String {
        pieces(&self.lines).as_str().to_owned()
    }

    /// `TotalAmount`.
    pub(super) fn total(&self) -> String {
        totals(&self.lines, self.channel).total().json(self.channel.decimals).as_str().to_owned()
    }

    /// The extension's data of an `AddCartLines` event: the request's lines as JSON. The column truncates it later.
    pub(super) fn event_data(&self, added: &[Line]) -> String {
        let line = |line: &Line| {
            let (mut data, mut whole) = (Fields::default(), Fields::default());
            data.set("StaffId", &self.staff).set("ItemId", line.product.item_id).set("ProductId", line.product.id);
            whole.set("LineId", &line.id).set("LineData", &data);
            whole
        };
        added.iter().map(line).collect::<Json>().as_str().to_owned()
    }
}

/// The number of pieces, as a decimal like all quantities.
pub(super) fn pieces(lines: &[Line]) -> Json {
    let pieces: u64 = lines.iter().map(|line| u64::from(line.quantity)).sum();
    Json::number(format!("{pieces}.0"))
}

pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
