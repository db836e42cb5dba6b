//! Truncation of messages that exceed the size limit.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::{ObjectText, RawObject, is_array};

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
pub(super) fn truncate_order(order: &ObjectText, level: Truncation) -> Cow<'_, str> {
    let truncated = match level {
        Truncation::AllArrays => without(order.fields(), |_| true),
        Truncation::Lines => without(order.fields(), |name| LINES.contains(&name)),
        Truncation::LineDetails => truncate_lines(order.fields()),
    };
    text_or(truncated, order)
}

/// The customer at a truncation level.
pub(super) fn truncate_customer(customer: &ObjectText, level: Truncation) -> Cow<'_, str> {
    let truncated = match level {
        Truncation::AllArrays => without(customer.fields(), |_| true),
        Truncation::LineDetails | Truncation::Lines => None,
    };
    text_or(truncated, customer)
}

fn text_or(truncated: Option<Box<RawValue>>, whole: &ObjectText) -> Cow<'_, str> {
    truncated.map_or(Cow::Borrowed(whole.as_str()), |truncated| Cow::Owned(truncated.get().to_owned()))
}

/// The fields that contain the lines of orders and carts.
const LINES: [&str; 2] = ["SalesLines", "CartLines"];

fn without(mut fields: RawObject<'_>, which: impl Fn(&str) -> bool) -> Option<Box<RawValue>> {
    fields.empty_arrays(which);
    fields.to_raw().ok()
}

fn truncate_lines(mut fields: RawObject<'_>) -> Option<Box<RawValue>> {
    for (name, value) in &mut fields.0 {
        if LINES.contains(&name.as_ref()) && is_array(value) {
            let lines: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            let short: Vec<_> = lines.into_iter().map(truncate_line).collect();
            *value = Cow::Owned(serde_json::value::to_raw_value(&short).ok()?);
        }
    }
    fields.to_raw().ok()
}

/// A line that is no object stays as it is.
fn truncate_line(line: &RawValue) -> Cow<'_, RawValue> {
    RawObject::split(line).and_then(|fields| without(fields, |_| true)).map_or(Cow::Borrowed(line), Cow::Owned)
}
