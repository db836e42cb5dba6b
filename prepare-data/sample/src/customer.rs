//! Customers and their changes.

use crate::{
    random::Subject,
    ratios,
    shop::Shop,
    timestamp::{HOUR, Timestamp},
    vocab::{FIRMS, FIRST_NAMES, LAST_NAMES, MIDDLE_NAMES, NAME_PREFIXES},
};

/// A customer of one company.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) number: u64,
    pub(crate) company: usize,
    pub(crate) account: String,
    pub(crate) group: &'static str,
    /// When it came, and in which round.
    pub(crate) since: (Timestamp, u32),
    pub(crate) owner: Owner,
    pub(crate) organisation: bool,
    /// Sales without a known customer are booked on this one.
    pub(crate) walk_in: bool,
    pub(crate) changes: Vec<Change>,
}

/// Whose party the customer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Its own.
    Own,
    /// The one of the customer with this number, in another company.
    Of(u64),
    Nobody,
}

/// A change of a customer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) round: u32,
    pub(crate) when: Timestamp,
    pub(crate) what: What,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Name,
    Address,
    Email,
    Group,
    Deleted,
}

/// A person's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) first: &'static str,
    pub(crate) middle: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) last: &'static str,
}

const GROUPS: &[&str] = &["30", "80", "90"];

impl Shop {
    /// The customer with this number, in the latest state.
    pub(crate) fn customer(&self, number: u64) -> Customer {
        let mut random = self.random(Subject::Customer, number);
        let since = self.customer_since(number);
        let has_no_party = random.chance(self.dirt.no_party);
        let shares_party = random.chance(self.dirt.shared_party);
        let walk_in = self.is_walk_in(number);
        let organisation = random.chance(ratios::ORGANISATIONS) || walk_in;
        // An odd number shares with the even one before it, which belongs to another company and keeps its own party.
        let owner = match number % 2 {
            _ if walk_in => Owner::Own,
            1 if has_no_party => Owner::Nobody,
            1 if shares_party && self.companies.len() > 1 => Owner::Of(number - 1),
            _ => Owner::Own,
        };
        let changes = self.customer_changes(number, since.1);
        let regrouped = changes.iter().filter(|change| change.what == What::Group).count();
        let group = GROUPS[(random.below(GROUPS.len() as u64) as usize + regrouped) % GROUPS.len()];
        let company = self.company_of(number);
        Customer { number, company, account: self.account(number), group, since, owner, organisation, walk_in, changes }
    }

    /// The customer's account number, which customers of other companies have, too.
    pub(crate) fn account(&self, number: u64) -> String {
        format!("{:06}", self.number_in_company(number) + 1)
    }

    /// Whether a customer changed in a round.
    pub(crate) fn customer_changed(&self, number: u64, round: u32) -> bool {
        let share = self.rounds[round as usize].share;
        !self.is_walk_in(number) && self.random_again(Subject::CustomerChange, number, round).chance(share)
    }

    /// The first customer of each company is used for all unknown customers.
    fn is_walk_in(&self, number: u64) -> bool {
        self.number_in_company(number) == 0
    }

    fn customer_changes(&self, number: u64, born: u32) -> Vec<Change> {
        let rounds = (born + 1..=self.round()).filter(|round| self.customer_changed(number, *round));
        let changes = rounds.map(|round| {
            let mut random = self.random_again(Subject::CustomerChange, number, round);
            random.chance(1.0); // the draw that decided that something changes
            let what = match random.weighted(&[(ratios::change::DELETED, None)], Some(())) {
                None => What::Deleted,
                Some(()) => [What::Name, What::Address, What::Email, What::Group][random.below(4) as usize],
            };
            Change { round, when: self.within_round(round, &mut random), what }
        });
        let mut changes: Vec<_> = changes.collect();
        let end = changes.iter().position(|change| change.what == What::Deleted);
        changes.truncate(end.map_or(changes.len(), |deleted| deleted + 1));
        changes
    }
}

impl Customer {
    /// The changes of one sort, oldest first.
    pub(crate) fn changes_of(&self, what: What) -> impl DoubleEndedIterator<Item = &Change> + Clone {
        self.changes.iter().filter(move |change| change.what == what)
    }

    /// The party's number among those of customers; none for customers without one.
    pub(crate) fn party(&self) -> Option<u64> {
        match self.owner {
            Owner::Own => Some(self.number),
            Owner::Of(other) => Some(other),
            Owner::Nobody => None,
        }
    }

    /// The name of the person after a number of changes.
    pub(crate) fn name(&self, shop: &Shop, turn: u32) -> Name {
        let mut lasting = shop.random(Subject::CustomerName, self.number);
        let first = lasting.pick(FIRST_NAMES);
        let middle = if lasting.chance(0.2) { lasting.pick(MIDDLE_NAMES) } else { "" };
        let prefix = if lasting.chance(0.05) { lasting.pick(NAME_PREFIXES) } else { "" };
        let last = shop.random_again(Subject::CustomerName, self.number, turn + 1).pick(LAST_NAMES);
        Name { first, middle, prefix, last }
    }

    /// The party's name after a number of changes.
    pub(crate) fn full_name(&self, shop: &Shop, turn: u32) -> String {
        if self.walk_in {
            return format!("Walk-in customer {}", shop.companies[self.company].code.to_uppercase());
        }
        if self.organisation {
            let mut random = shop.random_again(Subject::CustomerName, self.number, turn + 1);
            return format!("{} {}", random.pick(FIRMS), self.number);
        }
        let name = self.name(shop, turn);
        let parts = [name.first, name.middle, name.prefix, name.last];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Number of name changes so far.
    pub(crate) fn renamed(&self) -> u32 {
        self.changes_of(What::Name).count() as u32
    }

    /// The e-mail address after a number of changes.
    pub(crate) fn email(&self, shop: &Shop, turn: u32) -> String {
        let mut random = shop.random_again(Subject::CustomerName, self.number, u32::MAX);
        let shared = random.chance(shop.dirt.shared_email);
        let untidy = random.chance(shop.dirt.untidy_email);
        let owner = if shared { self.number.saturating_sub(2) } else { self.number };
        let plain = match turn {
            0 => format!("shopper{owner}@example.com"),
            later => format!("shopper{owner}.{later}@example.org"),
        };
        if untidy { format!(" {} ", plain.replace("shopper", "Shopper")) } else { plain }
    }

    /// The telephone number, of a range that is reserved for fiction.
    pub(crate) fn phone(&self) -> String {
        format!("+1 {:03}-555-01{:02}", 200 + self.number / 100 % 700, self.number % 100)
    }

    /// When the name or address that a change replaced began: before the customer was known here.
    pub(crate) fn long_ago(&self, years: i64) -> Timestamp {
        self.since.0.plus(-years * 365 * 24 * HOUR)
    }
}
