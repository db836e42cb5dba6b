//! Sales: an order, a receipt, or both, with their changes.

use crate::{
    random::{Random, Subject},
    ratios::{self, Kind, change},
    shop::{CHANNELS_PER_COMPANY, DAYS_OF_SALES, STORES_PER_COMPANY, Shop},
    timestamp::{DAY, Timestamp},
};

/// A sale of one company.
#[derive(Debug, Clone)]
pub(crate) struct Sale {
    pub(crate) number: u64,
    pub(crate) company: usize,
    pub(crate) kind: Kind,
    /// Number of the channel.
    pub(crate) channel: u64,
    pub(crate) buyer: Buyer,
    /// Number of the customer whose loyalty card was shown.
    pub(crate) card: Option<u64>,
    pub(crate) currency: &'static str,
    /// When it was made, and in which round.
    pub(crate) made: (Timestamp, u32),
    pub(crate) state: OrderState,
    /// When statement posting took the receipt up.
    pub(crate) posted: Option<(Timestamp, u32)>,
    /// Latest change.
    pub(crate) changed: Option<(Timestamp, u32)>,
    pub(crate) deleted: bool,
    pub(crate) lines: Vec<Line>,
}

/// Who bought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Buyer {
    Customer(String),
    /// An account number that no customer has.
    Unknown(String),
    Anonymous,
}

/// State of an order, as `SalesStatus` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderState {
    Open = 1,
    Delivered = 2,
    Invoiced = 3,
    Canceled = 4,
}

/// A line of a sale.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) product: u64,
    /// Pieces; negative when they came back.
    pub(crate) pieces: i64,
    /// Price of a piece, in hundredths.
    pub(crate) price: i64,
    /// Discount on the line, in hundredths.
    pub(crate) discount: i64,
    /// The line was canceled, or voided at the till.
    pub(crate) void: bool,
}

/// Account of the walk-in customer, each company's first.
const WALK_IN: &str = "000001";
/// Customer accounts that no company has.
const UNKNOWN: &str = "WEB-";
/// Another currency than that of the company.
pub(crate) const FOREIGN: &str = "CHF";

impl Line {
    /// What the line comes to without tax, in hundredths.
    pub(crate) fn net(&self) -> i64 {
        self.pieces * self.price - self.discount * self.pieces.signum()
    }

    /// Tax on the line, in hundredths.
    pub(crate) fn tax(&self) -> i64 {
        self.net() / 10
    }
}

impl Shop {
    /// The sale with this number, in the latest state.
    pub(crate) fn sale(&self, number: u64) -> Sale {
        let mut random = self.random(Subject::Sale, number);
        let company = self.company_of(number);
        let made = self.sold_at(number);
        let kind = random.weighted(ratios::KINDS, Kind::CashAndCarry);
        let channel = self.channel_of(number, kind, &mut random);
        let (buyer, customer) = self.buyer(number, kind, &mut random);
        let foreign = random.chance(ratios::FOREIGN_CURRENCY);
        let currency = if foreign { FOREIGN } else { self.companies[company].currency };
        let card = customer.filter(|customer| self.has_card(*customer) && random.chance(ratios::CARD_SHOWN));
        let canceled = random.chance(ratios::CANCELED);
        let mut sale = Sale {
            number,
            company,
            kind,
            channel,
            buyer,
            card,
            currency,
            made,
            state: self.first_state(kind, made.0, canceled),
            posted: None,
            changed: None,
            deleted: false,
            lines: self.lines(number, kind),
        };
        sale.posted = self.posted_at_first(&sale, random.chance(ratios::POSTED));
        self.apply_rounds(&mut sale);
        sale
    }

    /// Whether a sale changed in a round.
    pub(crate) fn sale_changed(&self, number: u64, round: u32) -> bool {
        let share = self.share_of_open_sales(round);
        self.still_changes(self.sold_at(number).0, round)
            && self.random_again(Subject::SaleChange, number, round).chance(share)
    }

    /// Whether the customer has a loyalty card.
    pub(crate) fn has_card(&self, customer: u64) -> bool {
        self.random(Subject::Card, customer).chance(ratios::WITH_CARD)
    }

    /// Changes of older sales all fall on those of the last weeks; at most, all of them change.
    fn share_of_open_sales(&self, round: u32) -> f64 {
        const OPEN_OF_ALL: f64 = change::OPEN_SALES * change::SALES_STAY_OPEN_DAYS as f64 / DAYS_OF_SALES as f64;
        self.rounds[round as usize].share * change::CHANGED_SALES / OPEN_OF_ALL
    }

    fn still_changes(&self, made: Timestamp, round: u32) -> bool {
        let before = self.rounds[round as usize - 1].as_of;
        made > before.plus(-change::SALES_STAY_OPEN_DAYS * DAY) && made < before
    }

    fn apply_rounds(&self, sale: &mut Sale) {
        for round in 1..=self.round() {
            if sale.deleted || !self.sale_changed(sale.number, round) {
                continue;
            }
            let mut random = self.random_again(Subject::SaleChange, sale.number, round);
            random.chance(1.0); // the draw that decided that something changes
            let outcome = random.weighted(&[(change::DELETED, 0), (change::CANCELED, 1)], 2);
            let when = (self.within_round(round, &mut random), round);
            sale.change(outcome, when);
        }
    }

    fn channel_of(&self, number: u64, kind: Kind, random: &mut Random) -> u64 {
        // Tills of dependencying stores use the same transaction numbers: see `Sale::transaction_id`.
        let parity = self.number_in_company(number) % 2;
        let place = match kind {
            Kind::Online | Kind::ReturnOrder => STORES_PER_COMPANY,
            Kind::CallCenter | Kind::Journal => STORES_PER_COMPANY + 1,
            _ => random.below(STORES_PER_COMPANY / 2) * 2 + parity,
        };
        self.company_of(number) as u64 * CHANNELS_PER_COMPANY + place
    }

    fn buyer(&self, number: u64, kind: Kind, random: &mut Random) -> (Buyer, Option<u64>) {
        let unknown = random.chance(self.dirt.unknown_customer);
        let anonymous = random.chance(ratios::ANONYMOUS_IN_STORE) && kind.may_be_anonymous();
        let customers = self.rounds[self.sold_at(number).1 as usize].customers;
        let companies = self.companies.len() as u64;
        let company = self.company_of(number) as u64;
        let own = customers.saturating_sub(company).div_ceil(companies);
        // Sales without a known customer are booked on the first customer of each company.
        let customer = (1 + random.favouring_small(own.saturating_sub(1))) * companies + company;
        if kind == Kind::TillOnly || anonymous || own < 2 {
            (Buyer::Anonymous, None)
        } else if unknown {
            (Buyer::Unknown(format!("{UNKNOWN}{number}")), None)
        } else {
            (Buyer::Customer(self.account(customer)), Some(customer))
        }
    }

    fn first_state(&self, kind: Kind, made: Timestamp, canceled: bool) -> OrderState {
        let age = self.rounds[0].as_of.0.saturating_sub(made.0);
        match kind {
            Kind::Journal => OrderState::Open,
            _ if kind.is_posted_by_statements() => OrderState::Invoiced,
            _ if canceled => OrderState::Canceled,
            _ if age > change::SALES_STAY_OPEN_DAYS * DAY => OrderState::Invoiced,
            _ if age > change::SALES_STAY_OPEN_DAYS / 2 * DAY => OrderState::Delivered,
            _ => OrderState::Open,
        }
    }

    fn posted_at_first(&self, sale: &Sale, chosen: bool) -> Option<(Timestamp, u32)> {
        let (made, round) = sale.made;
        let due = made.plus(ratios::POSTED_AFTER_DAYS * DAY);
        let is_due = due < self.rounds[round as usize].as_of.plus(-DAY);
        (sale.kind.is_posted_by_statements() && chosen && is_due).then_some((due, round))
    }

    fn lines(&self, number: u64, kind: Kind) -> Vec<Line> {
        let mut random = self.random(Subject::SaleLine, number);
        let count = if kind == Kind::TillOnly { 0 } else { random.weighted(ratios::LINES, ratios::MOST_LINES) };
        let sign = if matches!(kind, Kind::StoreReturn | Kind::ReturnOrder) { -1 } else { 1 };
        let line = |random: &mut Random| {
            let product = random.favouring_small(self.products);
            let price = self.price(product);
            let pieces = 1 + random.favouring_small(4) as i64;
            let discount = if random.chance(ratios::DISCOUNTED) { pieces * price / 10 } else { 0 };
            Line { product, pieces: pieces * sign, price, discount, void: random.chance(ratios::CANCELED) }
        };
        (0..count).map(|_| line(&mut random)).collect()
    }
}

impl Kind {
    /// There is a store transaction.
    pub(crate) fn is_in_store(self) -> bool {
        !matches!(self, Self::Online | Self::CallCenter | Self::ReturnOrder | Self::Journal)
    }

    fn may_be_anonymous(self) -> bool {
        self.is_in_store() && !matches!(self, Self::CustomerOrder | Self::AsyncCustomerOrder)
    }
}

impl Sale {
    /// There is a sales order.
    pub(crate) fn has_order(&self) -> bool {
        match self.kind {
            Kind::Online | Kind::CallCenter | Kind::CustomerOrder | Kind::ReturnOrder | Kind::Journal => true,
            Kind::CashAndCarry | Kind::StoreReturn => self.posted.is_some(),
            Kind::AsyncCustomerOrder | Kind::Voided | Kind::Training | Kind::Suspended | Kind::TillOnly => false,
        }
    }

    /// When the sales order was made, and in which round: by statement posting, or at once.
    pub(crate) fn ordered(&self) -> (Timestamp, u32) {
        self.posted.unwrap_or(self.made)
    }

    /// The order's number, which orders of other companies have, too.
    pub(crate) fn order_id(&self, companies: usize) -> String {
        let prefix = if self.kind == Kind::ReturnOrder { "RMA" } else { "SO" };
        format!("{prefix}-{:07}", self.number / companies as u64 + 1)
    }

    /// The transaction's number: unique in its store only.
    pub(crate) fn transaction_id(&self, companies: usize) -> String {
        format!("T{:09}", self.number / companies as u64 / 2 + 1)
    }

    /// The customer account; empty if the customer is not known.
    pub(crate) fn account(&self) -> &str {
        match &self.buyer {
            Buyer::Customer(account) | Buyer::Unknown(account) => account,
            Buyer::Anonymous => "",
        }
    }

    /// The customer account of the sales order: the walk-in customer if the customer is not known.
    pub(crate) fn order_account(&self) -> &str {
        if self.buyer == Buyer::Anonymous { WALK_IN } else { self.account() }
    }

    /// Lines that count, in hundredths without tax.
    pub(crate) fn net(&self) -> i64 {
        self.lines.iter().filter(|line| !line.void).map(Line::net).sum()
    }

    /// Their tax.
    pub(crate) fn tax(&self) -> i64 {
        self.lines.iter().filter(|line| !line.void).map(Line::tax).sum()
    }

    fn change(&mut self, outcome: u8, when: (Timestamp, u32)) {
        use OrderState as State;
        let posts = self.kind.is_posted_by_statements() && self.posted.is_none();
        match (outcome, self.state) {
            _ if posts => self.posted = Some(when),
            _ if !self.has_order() => return,
            (0, _) => self.deleted = true,
            (1, State::Open | State::Delivered) => self.state = State::Canceled,
            (_, State::Open) => self.state = State::Delivered,
            (_, State::Delivered) => self.state = State::Invoiced,
            (_, State::Invoiced | State::Canceled) => return,
        }
        self.changed = Some(when);
    }

    /// What the sale was before its latest change: its order open, its receipt not posted.
    pub(crate) fn outdate(&mut self) {
        self.state = OrderState::Open;
        self.posted = None;
    }
}
