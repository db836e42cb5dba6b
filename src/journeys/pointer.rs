//! JSON pointers (RFC 6901) into a message. The values stay text.

use std::borrow::Cow;
use std::fmt;

use jsonptr::PointerBuf;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::events::{Message, Numbers};
use crate::json::{RawObject, string, value_at};

/// A pointer that begins with one of the message's three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer(PointerBuf);

/// What the extension stored with an event.
const EVENT_DATA: (&str, &str) = ("EventDetails", "EventData");

const PARTS: [&str; 3] = ["OrderDetails", "CustomerDetails", "EventDetails"];

impl Pointer {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let pointer =
            PointerBuf::parse(text).map_err(|error| format!("{text:?} is not a JSON pointer (RFC 6901): {error}"))?;
        match pointer.first() {
            Some(first) if PARTS.contains(&first.decoded().as_ref()) => Ok(Self(pointer)),
            _ => Err(format!("{text:?} must begin with /OrderDetails, /CustomerDetails or /EventDetails")),
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A message with its three parts split into fields, so that each part is parsed only once.
pub struct View<'a> {
    parts: [Option<Part<'a>>; 3],
}

struct Part<'a> {
    whole: &'a RawValue,
    fields: RawObject<'a>,
}

impl<'a> View<'a> {
    /// Splits the parts of `message`.
    pub fn new(message: &'a Message) -> Self {
        let part = |whole: &'a RawValue| Part { whole, fields: RawObject::split(whole).unwrap_or_default() };
        let (order, customer) = (message.order.as_deref(), message.customer.as_deref());
        Self { parts: [order.map(part), customer.map(part), Some(part(&message.event_text))] }
    }

    /// The numbers in the order or the cart.
    pub fn numbers(&self) -> Numbers {
        self.parts[0].as_ref().map(|order| Numbers::of(&order.fields)).unwrap_or_default()
    }

    /// Leaves out `CustomerDetails`, as if the message had none.
    pub fn hide_customer(&mut self) {
        self.parts[1] = None;
    }

    /// The text of a field of a part without the blanks around it, unless it is empty.
    pub fn text(&self, part: &str, field: &str) -> Option<String> {
        let value = self.part(part)?.fields.get(field)?;
        scalar(value).map(|text| text.trim().to_owned()).filter(|text| !is_empty_text(text))
    }

    fn part(&self, name: &str) -> Option<&Part<'a>> {
        let index = PARTS.iter().position(|part| *part == name)?;
        self.parts[index].as_ref()
    }

    /// The value at the pointer. `EventData` is JSON that the event store keeps as text: pointers lead into it.
    pub(super) fn get(&self, pointer: &Pointer) -> Option<Cow<'_, RawValue>> {
        let mut tokens = pointer.0.tokens();
        let name = tokens.next()?;
        let part = self.part(&name.decoded())?;
        let Some(field) = tokens.next() else { return Some(Cow::Borrowed(part.whole)) };
        let value = part.fields.get(&field.decoded())?;
        let rest: Vec<String> = tokens.map(|token| token.decoded().into_owned()).collect();
        if (&*name.decoded(), &*field.decoded()) == EVENT_DATA && !rest.is_empty() && value.get().starts_with('"') {
            return value_at(&string(value.get())?, &rest).map(Cow::Owned);
        }
        rest.iter().try_fold(value, |value, token| child(value, token)).map(Cow::Borrowed)
    }
}

fn child<'v>(value: &'v RawValue, token: &str) -> Option<&'v RawValue> {
    match value.get().as_bytes().first()? {
        b'{' => {
            let fields: std::collections::HashMap<std::borrow::Cow<'v, str>, &'v RawValue> =
                serde_json::from_str(value.get()).ok()?;
            fields.get(token).copied()
        }
        b'[' => {
            let items: Vec<&'v RawValue> = serde_json::from_str(value.get()).ok()?;
            items.get(token.parse::<usize>().ok()?).copied()
        }
        _ => None,
    }
}

/// Dates that Commerce writes where there is none: those of SQL, .NET and OLE, also after a change of the time zone.
const NO_DATES: [&str; 5] = ["0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01"];

/// Whether a text stands for no value: blanks, a date that is none, with or without time and zone, or the empty GUID.
fn is_empty_text(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
    let is_guid = || text.len() >= 36 && Uuid::parse_str(text).is_ok_and(|id| id.is_nil());
    text.is_empty() || is_no_date(text) || is_guid()
}

fn is_no_date(text: &str) -> bool {
    let Some((date, time)) = text.split_at_checked(10) else { return false };
    NO_DATES.contains(&date) && (time.is_empty() || time.starts_with(['T', 't', ' ', 'Z', 'z', '+', '-']))
}

/// Whether the value is `null`, `[]` or `{}`, or a text that stands for no value. Commerce uses all of them.
pub(super) fn is_empty(value: &RawValue) -> bool {
    let text = value.get();
    if text.starts_with('"') {
        return scalar(value).is_some_and(|text| is_empty_text(&text));
    }
    let inside = |open, close| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|rest| rest.trim().is_empty())
    };
    text == "null" || inside('[', ']') || inside('{', '}')
}

/// The text of a string, or of a number or boolean as written.
pub(super) fn scalar(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'"' => string(value.get()),
        b'{' | b'[' | b'n' => None,
        _ => Some(value.get().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_empty_mark_is_empty() {
        let empty = [
            "null",
            "[ ]",
            "{\n}",
            "\"\"",
            "\" \\t\"",
            "\"1900-01-01\"",
            "\"1900-01-01T00:00:00Z\"",
            "\"1900-01-01T00:00:00.0000000+02:00\"",
            "\"1899-12-31T18:00:00-06:00\"",
            "\"1900-01-01 12:00:00\"",
            "\"0001-01-01T00:00:00\"",
            "\"00000000-0000-0000-0000-000000000000\"",
            "\"{00000000-0000-0000-0000-000000000000}\"",
        ];
        let full = [
            "0",
            "false",
            "[0]",
            "\"0\"",
            "\"1900-01-010\"",
            "\"1900-01-02\"",
            "\"00000000000000000000000000000000\"",
            "\"2cf6659a-a87e-4603-b4a9-4438ccb27fad\"",
        ];
        let is_empty = |text: &str| is_empty(&RawValue::from_string(text.to_owned()).unwrap());
        empty.iter().for_each(|text| assert!(is_empty(text), "{text}"));
        full.iter().for_each(|text| assert!(!is_empty(text), "{text}"));
    }
}
