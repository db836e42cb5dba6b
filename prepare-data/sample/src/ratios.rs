//! All ratios of a sample lake: how a shop's business looks, and how many errors its data has.

/// What a sale is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bought in a store, paid and taken along; statement posting makes a sales order of it later.
    CashAndCarry,
    /// Ordered in the online store.
    Online,
    /// Ordered by telephone.
    CallCenter,
    /// Ordered in a store, delivered later: a store transaction and a sales order.
    CustomerOrder,
    /// The same, made while headquarters was out of reach: the order does not exist yet.
    AsyncCustomerOrder,
    /// Brought back to a store.
    StoreReturn,
    /// Sent back: a return order.
    ReturnOrder,
    /// A journal, as quotes are kept: nothing was bought.
    Journal,
    /// Abandoned at the till.
    Voided,
    /// Rung up for practice.
    Training,
    /// Put aside at the till.
    Suspended,
    /// A till's own transaction: logging on, opening the drawer, counting money. Nothing is sold.
    TillOnly,
}

/// How often each kind of sale occurs; the rest is cash and carry.
pub(crate) const KINDS: &[(f64, Kind)] = &[
    (0.22, Kind::Online),
    (0.06, Kind::CallCenter),
    (0.05, Kind::CustomerOrder),
    (0.01, Kind::AsyncCustomerOrder),
    (0.04, Kind::StoreReturn),
    (0.02, Kind::ReturnOrder),
    (0.01, Kind::Journal),
    (0.015, Kind::Voided),
    (0.005, Kind::Training),
    (0.005, Kind::Suspended),
    (0.015, Kind::TillOnly),
];

/// Share of sales that are cash and carry: what [`KINDS`] leaves.
pub(crate) const CASH_AND_CARRY: f64 = 0.55;

/// Share of receipts, bought or brought back, that statement posting made sales orders of once they were
/// [`POSTED_AFTER_DAYS`] old.
pub(crate) const POSTED: f64 = 0.8;
/// Days until a receipt is posted.
pub(crate) const POSTED_AFTER_DAYS: i64 = 2;

/// How often a sale has 1, 2, 3, ... lines; the rest has [`MOST_LINES`].
pub(crate) const LINES: &[(f64, u64)] = &[(0.40, 1), (0.25, 2), (0.17, 3), (0.10, 4), (0.05, 5)];
/// Most lines of a sale.
pub(crate) const MOST_LINES: u64 = 6;

/// Lines, of sales orders and store transactions together, that a sale has on average.
pub(crate) fn lines_per_sale() -> f64 {
    let counted: f64 = LINES.iter().map(|(share, lines)| share * *lines as f64).sum();
    let rest = 1.0 - LINES.iter().map(|(share, _)| share).sum::<f64>();
    let lines = counted + rest * MOST_LINES as f64;
    let kinds = KINDS.iter().copied().chain([(CASH_AND_CARRY, Kind::CashAndCarry)]);
    let copies = kinds.map(|(share, kind)| {
        let posted = if kind.is_posted_by_statements() { POSTED } else { 0.0 };
        share * (f64::from(kind.copies()) + posted)
    });
    lines * copies.sum::<f64>()
}

impl Kind {
    /// Headquarters makes a sales order of the receipt, days later.
    pub(crate) fn is_posted_by_statements(self) -> bool {
        matches!(self, Self::CashAndCarry | Self::StoreReturn)
    }

    /// Tables of lines that a sale of this kind appears in, apart from statement posting.
    fn copies(self) -> u8 {
        match self {
            Self::CustomerOrder => 2,
            Self::TillOnly => 0,
            Self::CashAndCarry
            | Self::Online
            | Self::CallCenter
            | Self::AsyncCustomerOrder
            | Self::StoreReturn
            | Self::ReturnOrder
            | Self::Journal
            | Self::Voided
            | Self::Training
            | Self::Suspended => 1,
        }
    }
}

/// Share of store sales without a customer.
pub(crate) const ANONYMOUS_IN_STORE: f64 = 0.45;
/// Share of orders that were canceled, and of lines of the others.
pub(crate) const CANCELED: f64 = 0.04;
/// Share of lines with a discount.
pub(crate) const DISCOUNTED: f64 = 0.2;
/// Share of sales in another currency than the company's.
pub(crate) const FOREIGN_CURRENCY: f64 = 0.03;
/// Share of customers that are organisations.
pub(crate) const ORGANISATIONS: f64 = 0.08;
/// Share of customers with a loyalty card, and of their sales that it was shown at.
pub(crate) const WITH_CARD: f64 = 0.4;
/// Share of a card holder's sales at which the card was shown.
pub(crate) const CARD_SHOWN: f64 = 0.8;
/// Share of those at which points were spent, too.
pub(crate) const POINTS_SPENT: f64 = 0.1;
/// Carts that were left in the online store, for each sale.
pub(crate) const CART_LEFT_ONLINE: f64 = 0.5;
/// Share of those that were emptied.
pub(crate) const CART_EMPTIED: f64 = 0.08;
/// Share of carts left online whose customer had not signed in.
pub(crate) const ANONYMOUS_ONLINE: f64 = 0.4;
/// Share of cash and carry sales that were put on hold before.
pub(crate) const PUT_ON_HOLD: f64 = 0.02;
/// Share of customers with a wish list.
pub(crate) const WITH_WISH_LIST: f64 = 0.15;
/// Share of customers with a name (marriage) or an address (move) before the present one.
pub(crate) const FORMER: f64 = 0.15;
/// Share of customers whose next address is known already.
pub(crate) const FUTURE_ADDRESS: f64 = 0.03;
/// Share of customers with a second postal address, and with a second e-mail address.
pub(crate) const SECOND_ADDRESS: f64 = 0.2;

/// How the changes of a round (`sample-lake --change`) are divided.
pub(crate) mod change {
    /// Part of the share by which the number of sales grows. Their receipts are not posted yet, so that they have fewer
    /// lines than sales have in the long run.
    pub(crate) const NEW_SALES: f64 = 0.7;
    /// Part of the share by which older sales change: orders move on, receipts are posted.
    pub(crate) const CHANGED_SALES: f64 = 0.5;
    /// Share of the sales of the last weeks that can still change; the rest is done.
    pub(crate) const OPEN_SALES: f64 = 0.48;
    /// Part of the share by which the number of customers grows.
    pub(crate) const NEW_CUSTOMERS: f64 = 0.4;
    /// Days that sales go on changing for.
    pub(crate) const SALES_STAY_OPEN_DAYS: i64 = 28;
    /// Share of changed customers and of changed orders that are deleted.
    pub(crate) const DELETED: f64 = 0.03;
    /// Share of changed orders that are canceled.
    pub(crate) const CANCELED: f64 = 0.08;
    /// Part of the share by which products are renamed.
    pub(crate) const RENAMED_PRODUCTS: f64 = 0.2;
}

/// Errors in the data: shares of the rows that can have them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dirt {
    /// Company codes in upper or mixed case.
    pub(crate) mixed_case: f64,
    /// Rows whose empty values are '' and 1900-01-01 instead of NULL.
    pub(crate) marks_for_empty: f64,
    /// Customers without a party.
    pub(crate) no_party: f64,
    /// Customers that share their party with a customer of another company.
    pub(crate) shared_party: f64,
    /// Parties whose primary e-mail reference points to a phone number.
    pub(crate) phone_as_email: f64,
    /// Customers that use another customer's e-mail address.
    pub(crate) shared_email: f64,
    /// E-mail addresses with capitals and blanks around them.
    pub(crate) untidy_email: f64,
    /// Names and addresses that overlap the present one.
    pub(crate) overlapping: f64,
    /// Names and addresses that begin at the same moment as the present one.
    pub(crate) tied: f64,
    /// Orders and receipts of customers that do not exist.
    pub(crate) unknown_customer: f64,
    /// Products without a name in the company's language.
    pub(crate) no_translation: f64,
    /// Loyalty cards without an owner.
    pub(crate) ownerless_card: f64,
    /// Rows whose older version follows the newer one.
    pub(crate) outdated: f64,
    /// Duplicate rows.
    pub(crate) repeated: f64,
    /// Rows that are deleted.
    pub(crate) deleted: f64,
    /// Rows whose delete has the version of the row.
    pub(crate) deleted_in_a_tie: f64,
    /// Rows whose delete stands beside them without a version (CSV).
    pub(crate) deleted_beside: f64,
    /// Rows that were deleted and made again under the same id.
    pub(crate) recreated: f64,
}

impl Dirt {
    /// The usual amount times `factor`; 0 for a clean lake.
    pub(crate) fn times(factor: f64) -> Self {
        let usual = |share: f64| (share * factor).clamp(0.0, 1.0);
        Self {
            mixed_case: usual(0.3),
            marks_for_empty: usual(0.7).min(0.9), // some empty values are always NULL
            no_party: usual(0.005),
            shared_party: usual(0.02),
            phone_as_email: usual(0.01),
            shared_email: usual(0.02),
            untidy_email: usual(0.03),
            overlapping: usual(0.02),
            tied: usual(0.01),
            unknown_customer: usual(0.005),
            no_translation: usual(0.05),
            ownerless_card: usual(0.05),
            outdated: usual(0.01),
            repeated: usual(0.005),
            deleted: usual(0.004),
            deleted_in_a_tie: usual(0.001),
            deleted_beside: usual(0.001),
            recreated: usual(0.001),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_add_up() {
        let listed: f64 = KINDS.iter().map(|(share, _)| share).sum();
        assert!((listed + CASH_AND_CARRY - 1.0).abs() < 1e-9, "{listed}");
    }
}
