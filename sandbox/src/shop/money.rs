//! Amounts of money and their formats.

use std::iter::Sum;
use std::ops::{Add, Neg};

use super::fields::Json;

/// An amount in hundredths of a currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i64);

/// The format of amounts in a channel's bodies. Both formats occur in live orders, and both are the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimals {
    /// As few digits as possible, with at least one decimal: `184.22`, `20.0`.
    Few,
    /// In the format of SQL's `numeric(32,16)`: `184.2200000000000000`.
    Sixteen,
}

impl Money {
    /// The amount for `quantity` pieces.
    pub fn times(self, quantity: u32) -> Self {
        Self(self.0 * i64::from(quantity))
    }

    /// A share in hundredths of a per cent, rounded half up.
    pub fn share(self, basis_points: i64) -> Self {
        Self((self.0 * basis_points + 5_000).div_euclid(10_000))
    }

    /// The amount as the text of a JSON number.
    pub fn text(self, decimals: Decimals) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, cents) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        match decimals {
            Decimals::Sixteen => format!("{sign}{whole}.{cents:02}{}", "0".repeat(14)),
            Decimals::Few if cents % 10 == 0 => format!("{sign}{whole}.{}", cents / 10),
            Decimals::Few => format!("{sign}{whole}.{cents:02}"),
        }
    }

    pub(crate) fn json(self, decimals: Decimals) -> Json {
        Json::number(self.text(decimals))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Neg for Money {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_exact_digits() {
        let written = |cents, decimals| Money(cents).text(decimals);
        assert_eq!(written(18_422, Decimals::Few), "184.22");
        assert_eq!(written(2_000, Decimals::Few), "20.0");
        assert_eq!(written(-17_338, Decimals::Few), "-173.38");
        assert_eq!(written(5, Decimals::Few), "0.05");
        assert_eq!(written(18_422, Decimals::Sixteen), "184.2200000000000000");
    }

    #[test]
    fn shares_are_rounded_to_the_cent() {
        assert_eq!(Money(12_999).share(625), Money(812));
        assert_eq!(Money(3_999).share(625), Money(250));
    }
}
