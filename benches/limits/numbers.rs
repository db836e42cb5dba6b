//! Conversions of counts.

/// A count as a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

/// A number of items as a floating-point number.
pub(crate) fn count(of: usize) -> f64 {
    number(u64::try_from(of).unwrap_or(u64::MAX))
}
