//! Reproducible random numbers: each sequence belongs to a subject and a number, so that two tables compute the same values
//! for the same entity.

use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// The subject of a sequence. Subjects never share a sequence.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    Customer = 1,
    CustomerName,
    CustomerAddress,
    CustomerChange,
    Card,
    Product,
    ProductChange,
    Sale,
    SaleLine,
    SaleChange,
    Points,
    Lifecycle,
    Spelling,
    Cart,
    WishList,
}

/// A sequence of random numbers. The generator is small enough to have one for every row, and its sequences never change.
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The sequence of one entity. `turn` is the repetition (a name change, a round of changes).
    pub(crate) fn of(seed: u64, subject: Subject, number: u64, turn: u64) -> Self {
        let mixed = [seed, subject as u64, number]
            .into_iter()
            .fold(turn, |mixed, word| Xoshiro256PlusPlus::seed_from_u64(mixed ^ word).next_u64());
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// True in `share` of all cases. Uses one number for every share: a clean lake and a dirty one of the same seed
    /// have the same customers.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.0.random::<f64>() < share
    }

    /// A number from 0 up to, and not including, `end`; 0 when there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end.max(1))
    }

    /// As [`Random::below`], with small numbers more often: half of all results are in the first quarter.
    pub(crate) fn favouring_small(&mut self, end: u64) -> u64 {
        let part = self.0.random::<f64>();
        ((part * part * end as f64) as u64).min(end.saturating_sub(1))
    }

    /// One of the choices, of which there is at least one.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// The first choice whose running total of shares reaches the number; otherwise the last one.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(f64, T)], otherwise: T) -> T {
        let mut left = self.0.random::<f64>();
        for (share, choice) in choices {
            left -= share;
            if left < 0.0 {
                return *choice;
            }
        }
        otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_entity_has_the_same_numbers() {
        let draws = |seed, number| Random::of(seed, Subject::Sale, number, 0).below(u64::MAX);
        assert_eq!(draws(1, 7), draws(1, 7));
        assert_ne!(draws(1, 7), draws(1, 8));
        assert_ne!(draws(1, 7), draws(2, 7));
    }

    /// The lake must not change under anyone who upgrades a dependency.
    #[test]
    fn the_sequence_is_the_one_it_always_was() {
        let mut random = Random::of(42, Subject::Customer, 1, 0);
        assert_eq!([random.below(1000), random.below(1000), random.below(1000)], [991, 834, 987]);
    }
}
