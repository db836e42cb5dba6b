//! The shop of the lake: its size, its times and its companies. Everything else is computed from here and from the number
//! of an entity.

use crate::{
    random::{Random, Subject},
    ratios::{Dirt, change, lines_per_sale},
    state::State,
    timestamp::{DAY, HOUR, Timestamp},
};

/// Stores of each company; each also has an online store and a call centre.
pub(crate) const STORES_PER_COMPANY: u64 = 6;
/// Channels of each company.
pub(crate) const CHANNELS_PER_COMPANY: u64 = STORES_PER_COMPANY + 2;
/// Days before the lake's time that the first sale happened.
pub(crate) const DAYS_OF_SALES: i64 = 730;
/// Days before the lake's time that the first customer came.
const DAYS_OF_CUSTOMERS: i64 = 5 * 365;
/// Nothing happens in the last hours before the export.
const REST: i64 = 4 * HOUR;

/// A legal entity.
#[derive(Debug, Clone)]
pub(crate) struct Company {
    pub(crate) code: String,
    pub(crate) currency: &'static str,
    pub(crate) country: &'static str,
    pub(crate) language: &'static str,
}

/// Codes, currencies, countries and languages of the first companies; further ones are numbered.
const COMPANIES: &[(&str, &str, &str, &str)] = &[
    ("usrt", "USD", "USA", "en-us"),
    ("dert", "EUR", "DEU", "de"),
    ("gbrt", "GBP", "GBR", "en-gb"),
    ("frrt", "EUR", "FRA", "fr"),
];

/// One state of the shop: the first, or what a round of change made of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// When this state was exported.
    pub(crate) as_of: Timestamp,
    /// Share of customers and lines that changed to arrive here; 0 for the first state.
    pub(crate) share: f64,
    /// Customers that ever were.
    pub(crate) customers: u64,
    /// Sales that ever were.
    pub(crate) sales: u64,
}

/// The shop in its latest state.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) seed: u64,
    pub(crate) dirt: Dirt,
    pub(crate) companies: Vec<Company>,
    pub(crate) rounds: Vec<Round>,
    pub(crate) products: u64,
    pub(crate) party_types: crate::PartyTypes,
    /// Soft deletes that were written before this time are removed from Delta tables.
    pub(crate) purged_before: Timestamp,
}

impl Shop {
    /// The shop that a lake's state describes.
    pub(crate) fn of(state: &State) -> Self {
        let options = &state.options;
        let sales = (options.lines as f64 / lines_per_sale()).ceil() as u64;
        let first = Round { as_of: Timestamp::from(options.as_of), share: 0.0, customers: options.customers, sales };
        let mut rounds = vec![first];
        for step in &state.rounds {
            let before = rounds[rounds.len() - 1];
            let grown = |count: u64, part: f64| count + (count as f64 * step.share * part).round() as u64;
            rounds.push(Round {
                as_of: before.as_of.plus(i64::from(step.days) * DAY),
                share: step.share,
                customers: grown(before.customers, change::NEW_CUSTOMERS),
                sales: grown(before.sales, change::NEW_SALES),
            });
        }
        Self {
            seed: options.seed,
            dirt: Dirt::times(options.dirt),
            companies: (0..options.companies.max(1)).map(company).collect(),
            rounds,
            products: (options.lines / 400).clamp(24, 20_000),
            party_types: options.party_types,
            purged_before: state.purged_before.unwrap_or(Timestamp::NEVER),
        }
    }

    /// Number of the latest round.
    pub(crate) fn round(&self) -> u32 {
        (self.rounds.len() - 1) as u32
    }

    /// When the latest state was exported.
    pub(crate) fn as_of(&self) -> Timestamp {
        self.rounds[self.rounds.len() - 1].as_of
    }

    pub(crate) fn random(&self, subject: Subject, number: u64) -> Random {
        Random::of(self.seed, subject, number, 0)
    }

    /// The random numbers of an entity in one of its repetitions.
    pub(crate) fn random_again(&self, subject: Subject, number: u64, turn: u32) -> Random {
        Random::of(self.seed, subject, number, u64::from(turn))
    }

    /// Index of the company of the entity with this number. Numbers alternate between the companies, so
    /// that each company numbers its own entities from one, and all have the same account and order numbers.
    pub(crate) fn company_of(&self, number: u64) -> usize {
        (number % self.companies.len() as u64) as usize
    }

    /// The entity's number within its company.
    pub(crate) fn number_in_company(&self, number: u64) -> u64 {
        number / self.companies.len() as u64
    }

    /// When the export was set up: rows older than that were written then.
    pub(crate) fn linked(&self) -> Timestamp {
        self.rounds[0].as_of.plus(-180 * DAY)
    }

    /// When a customer came, and in which round.
    pub(crate) fn customer_since(&self, customer: u64) -> (Timestamp, u32) {
        self.created_at(customer, |round| round.customers, DAYS_OF_CUSTOMERS)
    }

    /// When a sale was made, and in which round. Sales are numbered in the order of time.
    pub(crate) fn sold_at(&self, sale: u64) -> (Timestamp, u32) {
        self.created_at(sale, |round| round.sales, DAYS_OF_SALES)
    }

    /// A random time in the round, at which an entity changed.
    pub(crate) fn within_round(&self, round: u32, random: &mut Random) -> Timestamp {
        let (start, end) = self.span(round, DAYS_OF_SALES);
        start.plus(random.below((end.0 - start.0) as u64) as i64).to_second()
    }

    /// Rounds in which the entity changed, after the one in which it was created. `share` is the probability.
    pub(crate) fn changes(&self, subject: Subject, number: u64, born: u32, share: impl Fn(&Round) -> f64) -> Vec<u32> {
        let later = (1u32..).zip(&self.rounds[1..]).filter(|(round, _)| *round > born);
        let changed = later.filter(|(round, there)| self.random_again(subject, number, *round).chance(share(there)));
        changed.map(|(round, _)| round).collect()
    }

    fn created_at(&self, number: u64, count: fn(&Round) -> u64, days: i64) -> (Timestamp, u32) {
        let born = self.rounds.partition_point(|round| count(round) <= number).min(self.rounds.len() - 1);
        let first = born.checked_sub(1).map_or(0, |before| count(&self.rounds[before]));
        let of = count(&self.rounds[born]).saturating_sub(first).max(1);
        let (start, end) = self.span(born as u32, days);
        let step = (end.0 - start.0) as i128 * (number - first) as i128 / of as i128;
        (start.plus(step as i64).to_second(), born as u32)
    }

    fn span(&self, round: u32, days: i64) -> (Timestamp, Timestamp) {
        let end = self.rounds[round as usize].as_of.plus(-REST);
        let start = match round {
            0 => end.plus(-days * DAY),
            later => self.rounds[later as usize - 1].as_of,
        };
        (start, end)
    }
}

fn company(index: u32) -> Company {
    let model = COMPANIES[index as usize % COMPANIES.len()];
    let (code, currency, country, language) = model;
    let code = if (index as usize) < COMPANIES.len() { code.to_owned() } else { format!("c{index:03}") };
    Company { code, currency, country, language }
}
