//! Truncation of messages that exceed the size limit.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{RawObject, is_array};

/// How much was left out of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truncation {
    /// The arrays inside the order lines.
    LineDetails,
    /// The order lines.
    Lines,
    /// All arrays of the order and of the customer.
    AllArrays,
}

impl Truncation {
    pub(super) const LEVELS: [Self; 3] = [Self::LineDetails, Self::Lines, Self::AllArrays];

    /// The name in the record and in the message's `Slimmed` property.
    pub fn name(self) -> &'static str {
        match self {
            Self::LineDetails => "lineDetails",
            Self::Lines => "lines",
            Self::AllArrays => "allArrays",
        }
    }
}

/// The order at a truncation level.
pub(super) fn truncate_order(order: &RawValue, level: Truncation) -> Box<RawValue> {
    match level {
        Truncation::AllArrays => without_arrays(order),
        Truncation::Lines => without(order, |name| LINES.contains(&name)),
        Truncation::LineDetails => truncate_lines(order).unwrap_or_else(|| order.to_owned()),
    }
}

/// The customer at a truncation level.
pub(super) fn truncate_customer(customer: &RawValue, level: Truncation) -> Box<RawValue> {
    match level {
        Truncation::AllArrays => without_arrays(customer),
        Truncation::LineDetails | Truncation::Lines => customer.to_owned(),
    }
}

/// The fields that contain the lines of orders and carts.
const LINES: [&str; 2] = ["SalesLines", "CartLines"];

fn without_arrays(object: &RawValue) -> Box<RawValue> {
    without(object, |_| true)
}

fn without(object: &RawValue, which: impl Fn(&str) -> bool) -> Box<RawValue> {
    let truncated = RawObject::split(object).and_then(|mut fields| {
        fields.empty_arrays(which);
        fields.to_raw().ok()
    });
    truncated.unwrap_or_else(|| object.to_owned())
}

fn truncate_lines(order: &RawValue) -> Option<Box<RawValue>> {
    let mut fields = RawObject::split(order)?;
    for (name, value) in &mut fields.0 {
        if LINES.contains(&name.as_ref()) && is_array(value) {
            let lines: Vec<Box<RawValue>> = serde_json::from_str(value.get()).ok()?;
            let short: Vec<_> = lines.iter().map(|line| without_arrays(line)).collect();
            *value = Cow::Owned(serde_json::value::to_raw_value(&short).ok()?);
        }
    }
    fields.to_raw().ok()
}
