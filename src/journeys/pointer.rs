//! JSON pointers (RFC 6901) into a message. The values stay text.

use std::fmt;

use jsonptr::PointerBuf;
use serde_json::value::RawValue;

use crate::events::Message;
use crate::json::RawObject;

/// A pointer that begins with one of the message's three parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer(PointerBuf);

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

    /// Leaves out `CustomerDetails`, as if the message had none.
    pub fn hide_customer(&mut self) {
        self.parts[1] = None;
    }

    /// The text of a field of a part without the blanks around it, unless it is empty.
    pub fn text(&self, part: &str, field: &str) -> Option<String> {
        let value = self.part(part)?.fields.get(field)?;
        scalar(value).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn part(&self, name: &str) -> Option<&Part<'a>> {
        let index = PARTS.iter().position(|part| *part == name)?;
        self.parts[index].as_ref()
    }

    pub(super) fn get(&self, pointer: &Pointer) -> Option<&RawValue> {
        let mut tokens = pointer.0.tokens();
        let part = self.part(&tokens.next()?.decoded())?;
        let Some(field) = tokens.next() else { return Some(part.whole) };
        tokens.try_fold(part.fields.get(&field.decoded())?, |value, token| child(value, &token.decoded()))
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

/// Whether the value is `null`, `""`, `[]` or `{}`. The CSU uses all of them for an absent value.
pub(super) fn is_empty(value: &RawValue) -> bool {
    let text = value.get();
    let inside = |open, close| {
        text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|rest| rest.trim().is_empty())
    };
    text == "null" || text == "\"\"" || inside('[', ']') || inside('{', '}')
}

/// The text of a string, or of a number or boolean as written.
pub(super) fn scalar(value: &RawValue) -> Option<String> {
    match value.get().as_bytes().first()? {
        b'"' => serde_json::from_str(value.get()).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(value.get().to_owned()),
    }
}
