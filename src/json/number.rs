//! Numbers of any notation and size. They are compared digit by digit, so nothing is rounded.

use std::cmp::Ordering;

/// A decimal number: `0.digits × 10^exponent`. Zero has no digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    negative: bool,
    /// Without zeros at either end.
    digits: String,
    exponent: i64,
}

/// Longest text of a number without an exponent.
const MAX_PLAIN: i64 = 100;

impl Number {
    /// Reads a JSON number. `None` if the text is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<&serde_json::value::RawValue>(text).ok()?;
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = all.len() - digits.len();
        let digits = digits.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        let shift = i64::try_from(whole.len()).ok()?.checked_sub(i64::try_from(leading).ok()?)?;
        let exponent = power.parse::<i64>().ok()?.checked_add(shift)?;
        Some(Self { negative, digits, exponent })
    }

    /// The whole number, if it is one and not too large.
    pub(crate) fn whole(&self) -> Option<i64> {
        let digits = i64::try_from(self.digits.len()).ok()?;
        if self.exponent < digits || self.exponent > 19 {
            return (digits == 0).then_some(0);
        }
        self.plain()?.parse().ok()
    }

    /// The number without an exponent. `None` if that is too long.
    pub(crate) fn plain(&self) -> Option<String> {
        let length = i64::try_from(self.digits.len()).ok()?;
        if self.exponent > MAX_PLAIN || self.exponent < -MAX_PLAIN || length > MAX_PLAIN {
            return None;
        }
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
        let sign = if self.negative { "-" } else { "" };
        let text = match (self.exponent.cmp(&0), self.exponent.cmp(&length)) {
            _ if length == 0 => "0".to_owned(),
            (Ordering::Less | Ordering::Equal, _) => format!("0.{}{}", zeros(-self.exponent), self.digits),
            (_, Ordering::Less) => {
                let (whole, fraction) = self.digits.split_at(usize::try_from(self.exponent).ok()?);
                format!("{whole}.{fraction}")
            }
            _ => format!("{}{}", self.digits, zeros(self.exponent - length)),
        };
        Some(format!("{sign}{text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        Number::parse(one).unwrap() == Number::parse(other).unwrap()
    }

    #[test]
    fn notation_does_not_matter_and_every_digit_does() {
        for (one, other) in [
            ("2", "2.0"),
            ("0", "-0.00"),
            ("100", "1e2"),
            ("1E+2", "100.0"),
            ("0.05", "5e-2"),
            ("-12.50", "-1.25E1"),
            ("123456789012345678901234567890", "1.2345678901234567890123456789e29"),
            ("0e99999", "0"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("2", "-2"),
            ("2", "20"),
            ("0.1", "0.10000000000000000001"),
            ("123456789012345678901234567890", "123456789012345678901234567891"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
        for wrong in ["", "-", "true", "\"2\"", "2,0", "0x2", "1e", "1e99999999999999999999"] {
            assert_eq!(Number::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_written_without_an_exponent() {
        for (number, plain, whole) in [
            ("1e2", "100", Some(100)),
            ("-2.0", "-2", Some(-2)),
            ("12.50", "12.5", None),
            ("5e-3", "0.005", None),
            ("-0", "0", Some(0)),
            ("9223372036854775808", "9223372036854775808", None),
        ] {
            let number = Number::parse(number).unwrap();
            assert_eq!((number.plain().as_deref(), number.whole()), (Some(plain), whole));
        }
        assert_eq!(Number::parse("1e101").unwrap().plain(), None);
    }
}
