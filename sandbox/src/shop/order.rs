//! Sales orders, and their form in the Retail Server.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, FixedOffset, SecondsFormat, TimeZone as _, Utc};
use uuid::Uuid;

use super::cart::{self, Cart, Line, Totals};
use super::catalog::ChannelKind;
use super::customers::address;
use super::fields::{Fields, Json};
use super::money::Money;

/// A sale: the cart at its checkout, and the data that the checkout added.
#[derive(Clone, Debug)]
pub(super) struct Sale {
    pub(super) cart: Arc<Cart>,
    pub(super) internal_id: Uuid,
    pub(super) sold: DateTime<Utc>,
    pub(super) receipt_email: String,
    /// The customer's name or, for guests, the name for delivery.
    pub(super) name: String,
    pub(super) channel_reference: String,
    pub(super) sales_id: String,
    pub(super) receipt_id: String,
}

/// The order with the values that its parts share.
struct Context<'a> {
    sale: &'a Sale,
    totals: Totals,
    local: DateTime<FixedOffset>,
}

impl Sale {
    pub(super) fn amount_paid(&self) -> String {
        cart::totals(&self.cart.lines, self.cart.channel).total().text(self.cart.channel.decimals)
    }

    pub(super) fn created(&self) -> String {
        cart::time(self.sold)
    }

    /// The order as the Retail Server returns it: the same bytes every time.
    pub(super) fn body(&self) -> String {
        Context { sale: self, totals: cart::totals(&self.cart.lines, self.cart.channel), local: self.local(self.sold) }
            .order()
            .entity("SalesOrders")
    }

    fn local(&self, time: DateTime<Utc>) -> DateTime<FixedOffset> {
        let offset = FixedOffset::east_opt(self.cart.channel.utc_offset * 60);
        offset.map_or_else(|| time.fixed_offset(), |offset| offset.from_utc_datetime(&time.naive_utc()))
    }

    fn is_online(&self) -> bool {
        self.cart.channel.kind == ChannelKind::Online
    }

    /// Ids of an order's details, the same for every rendering.
    fn detail_id(&self, detail: &str) -> String {
        Uuid::new_v5(&self.internal_id, detail.as_bytes()).to_string()
    }
}

impl Context<'_> {
    fn money(&self, amount: Money) -> Json {
        amount.json(self.sale.cart.channel.decimals)
    }

    /// The warehouse: the store's number, or one shared warehouse for the web shops.
    fn store(&self) -> &str {
        if self.sale.is_online() { "DC-CENTRAL" } else { self.sale.cart.channel.name }
    }

    fn tax_group(&self) -> &str {
        if self.sale.cart.channel.data_area == "demf" { "DE" } else { "TX" }
    }

    fn seconds(&self) -> String {
        self.local.to_rfc3339_opts(SecondsFormat::Secs, false)
    }

    fn midnight(&self) -> String {
        self.local.format("%Y-%m-%dT00:00:00%:z").to_string()
    }

    fn order(&self) -> Fields {
        static ORDER: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/order.json")));
        let mut order = ORDER.clone();
        self.identify(&mut order);
        self.date(&mut order);
        self.sum_up(&mut order);
        let lines = self.sale.cart.lines.iter().enumerate();
        let tender = Json::from_iter([self.tender()]);
        order
            .set("ContactInformationCollection", Json::from_iter(self.contacts()))
            .set("SalesLines", lines.map(|(index, line)| self.line(index + 1, line)).collect::<Json>())
            .set("TaxLines", Json::from_iter([self.tax()]))
            .set("TenderLines", tender.clone())
            .set("RefundableTenderLines", tender);
        if self.sale.is_online() {
            order.set("ShippingAddress", &self.shipping());
        }
        order
    }

    fn identify(&self, order: &mut Fields) {
        let (sale, cart) = (self.sale, &self.sale.cart);
        let customer = cart.customer.as_ref().map(|customer| customer.name()).unwrap_or_default();
        order
            .set("Id", &cart.id)
            .set("InternalTransactionId", sale.internal_id.to_string())
            .set("ChannelId", cart.channel.id)
            .set("ChannelReferenceId", &sale.channel_reference)
            .set("CurrencyCode", cart.channel.currency)
            .set("CustomerId", cart.account())
            .set("CustomerName", customer)
            .set("Name", &sale.name)
            .set("DeliveryMode", if sale.is_online() { "99" } else { "" })
            .set("InventoryLocationId", self.store())
            .set("LanguageId", cart.channel.language)
            .set("LoyaltyCardId", &cart.loyalty_card)
            .set("ReceiptEmail", &sale.receipt_email)
            .set("ReceiptId", &sale.receipt_id)
            .set("SalesId", &sale.sales_id)
            .set_all(&["ShiftTerminalId", "TerminalId"], &cart.terminal)
            .set_all(&["StaffId", "StatementCode", "CommissionSalesGroup"], &cart.staff)
            .set("StoreId", if sale.is_online() { "" } else { cart.channel.name });
    }

    fn date(&self, order: &mut Fields) {
        let begun = self.sale.local(self.sale.cart.begun);
        let since_midnight = self.local.time().signed_duration_since(chrono::NaiveTime::MIN).num_seconds();
        order
            .set("BeginDateTime", begun.to_rfc3339_opts(SecondsFormat::Millis, false))
            .set("CreatedDateTime", self.sale.created())
            .set_all(&["BusinessDate", "RequestedDeliveryDate", "TransactionDate"], self.midnight())
            .set("TransactionTime", since_midnight);
    }

    fn sum_up(&self, order: &mut Fields) {
        let Totals { subtotal, charges, tax, tax_on_charges } = self.totals;
        let all_tax = tax + tax_on_charges;
        order
            .set_all(&["AmountPaid", "GrossAmount", "TotalAmount"], self.money(self.totals.total()))
            .set_all(&["ChargeAmount", "ShippingChargeAmount"], self.money(charges))
            // Negative for an ordinary sale, because goods leave the store.
            .set("NetAmount", self.money(-(subtotal + charges)))
            .set_all(&["NetAmountWithoutTax", "SubtotalAmount"], self.money(subtotal))
            .set_all(&["SubtotalAmountWithoutTax", "SubtotalSalesAmount"], self.money(subtotal))
            .set("NumberOfItems", cart::pieces(&self.sale.cart.lines))
            .set("TaxAmount", self.money(all_tax))
            .set("TaxAmountExclusive", self.money(tax))
            .set("TaxOnShippingCharge", self.money(tax_on_charges));
    }

    fn contacts(&self) -> Vec<Fields> {
        let phone = self.sale.cart.customer.as_ref().map_or("", |customer| &customer.phone);
        let contact = |(kind, value): (i64, &str)| {
            let mut contact = Fields::default();
            contact
                .set("Value", value)
                .set("ContactInformationTypeValue", kind)
                .set("ExtensionProperties", Json::from_iter([]));
            contact
        };
        [(1, phone), (2, &self.sale.receipt_email)].into_iter().filter(|(_, v)| !v.is_empty()).map(contact).collect()
    }

    fn shipping(&self) -> Fields {
        let mut to = address(&self.sale.name, self.sale.cart.channel.data_area);
        to.set("Email", &self.sale.receipt_email);
        to
    }

    fn line(&self, number: usize, line: &Line) -> Fields {
        static LINE: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/sales_line.json")));
        let cart = &self.sale.cart;
        let (net, tax) = (line.net(), line.tax(cart.channel));
        let mut fields = LINE.clone();
        fields
            .set_all(&["StaffId", "CommissionSalesGroup"], &cart.staff)
            .set_all(&["LineId", "OriginLineId"], number.to_string())
            .set("LineNumber", Json::number(format!("{number}.0")))
            .set_all(&["ProductId", "ListingId"], line.product.id)
            .set("MasterProductId", line.product.master_id)
            .set("ItemId", line.product.item_id)
            .set("Quantity", Json::number(format!("{}.0", line.quantity)))
            .set_all(&["OriginalPrice", "Price"], self.money(line.price))
            .set("TaxExemptPriceInclusiveOriginalPrice", self.money(line.price))
            .set("TotalAmount", self.money(net + tax))
            .set("NetPrice", self.money(-net))
            .set_all(&["NetAmount", "GrossAmount", "NetAmountWithAllInclusiveTax"], self.money(net))
            .set_all(&["TaxAmount", "TaxAmountExclusive"], self.money(tax))
            .set("TaxRatePercent", Money(cart.channel.tax).json(cart.channel.decimals))
            .set("SalesTaxGroupId", self.tax_group())
            .set("InventoryLocationId", self.store())
            .set("ReturnChannelId", cart.channel.id)
            .set("RequestedDeliveryDate", self.midnight())
            .set("SalesDate", self.seconds())
            .set("TaxLines", Json::from_iter([self.line_tax(number, line)]));
        if self.sale.is_online() {
            fields.set("DeliveryMode", "99").set("ChargeLines", Json::from_iter([self.charge(number, line)]));
        }
        fields
    }

    fn charge(&self, number: usize, line: &Line) -> Fields {
        static CHARGE: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/charge_line.json")));
        let channel = self.sale.cart.channel;
        let amount = line.charge(channel);
        let mut fields = CHARGE.clone();
        fields
            .set("ChargeLineId", self.sale.detail_id(&format!("charge {number}")))
            .set("CalculatedAmount", self.money(amount))
            .set("TransactionId", &self.sale.cart.id)
            .set("SaleLineNumber", Json::number(format!("{number}.0")))
            .set("SalesTaxGroupId", self.tax_group())
            .set_all(&["TaxAmount", "TaxAmountExclusive"], self.money(amount.share(channel.tax)));
        fields
    }

    fn line_tax(&self, number: usize, line: &Line) -> Fields {
        static TAX: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/line_tax.json")));
        let mut fields = TAX.clone();
        self.fill_tax(&mut fields, number, line.net(), line.tax(self.sale.cart.channel));
        fields.set("TerminalId", &self.sale.cart.terminal);
        fields
    }

    fn tax(&self) -> Fields {
        static TAX: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/order_tax.json")));
        let mut fields = TAX.clone();
        self.fill_tax(&mut fields, 1, self.totals.subtotal, self.totals.tax);
        fields
    }

    fn fill_tax(&self, fields: &mut Fields, number: usize, basis: Money, amount: Money) {
        let channel = self.sale.cart.channel;
        fields
            .set("TaxGroup", self.tax_group())
            .set("Percentage", Money(channel.tax).json(channel.decimals))
            .set("TaxBasis", self.money(basis))
            .set("SaleLineNumber", Json::number(format!("{number}.0")))
            .set("StoreId", self.store())
            .set("TransactionId", &self.sale.cart.id)
            .set("TaxCode", format!("RP_{}", self.tax_group()))
            .set("Amount", self.money(amount));
    }

    fn tender(&self) -> Fields {
        static TENDER: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/tender_line.json")));
        let cart = &self.sale.cart;
        let paid = self.money(self.totals.total());
        let mut fields = TENDER.clone();
        fields
            .set("StoreId", self.store())
            .set("TerminalId", &cart.terminal)
            .set("TransactionId", &cart.id)
            .set("TenderDate", self.seconds())
            .set("ChannelId", cart.channel.id)
            .set_all(&["RefundableAmount", "Amount"], paid.clone())
            .set_all(&["AmountInTenderedCurrency", "AmountInCompanyCurrency"], paid)
            .set("Currency", cart.channel.currency);
        fields
    }
}
