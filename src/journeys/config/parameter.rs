//! One parameter of a journey's trigger.

use serde_json::value::RawValue;

use super::fields::{Fields, Mistakes, flag, list, one_of, text};
use crate::journeys::parameters::{Parameter, Source, Type};
use crate::journeys::pointer::Pointer;

/// The types by their names in `journeys.json`.
const TYPES: [(&str, Type); 8] = [
    ("String", Type::String),
    ("DateTime", Type::DateTime),
    ("Decimal", Type::Decimal),
    ("Integer", Type::Integer),
    ("Boolean", Type::Boolean),
    ("Float", Type::Float),
    ("Money", Type::Money),
    ("Guid", Type::Guid),
];

/// Reads a parameter.
pub(super) fn parameter(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Parameter> {
    let mut fields = Fields::split(value, path, mistakes)?;
    let source = fields.required("from", source, mistakes);
    let kind = fields.required("type", one_of(&TYPES), mistakes);
    let default = fields.optional("default", |value, path, mistakes| default(value, kind?, path, mistakes), mistakes);
    let optional = fields.optional("optional", flag, mistakes).unwrap_or_default();
    let type_path = fields.path("type");
    fields.finish(mistakes);
    let (source, kind) = (source?, kind?);
    let is_compatible = match source {
        Source::Now => matches!(kind, Type::DateTime | Type::String),
        Source::ContactId => matches!(kind, Type::Guid | Type::String),
        Source::Message(_) => true,
    };
    if !is_compatible {
        mistakes.add(&type_path, "\"now\" is a DateTime or String, \"contactId\" a Guid or String");
        return None;
    }
    Some(Parameter { source, kind, default, optional })
}

/// `now`, `contactId`, a pointer, or a list of pointers.
fn source(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Source> {
    if value.get().starts_with('[') {
        let items = list(value, path, mistakes)?;
        if items.is_empty() {
            mistakes.add(path, "contains no pointer");
            return None;
        }
        let pointers = items.iter().map(|(path, item)| pointer(&text(item, path, mistakes)?, path, mistakes));
        return pointers.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Source::Message);
    }
    match text(value, path, mistakes)?.as_str() {
        "now" => Some(Source::Now),
        "contactId" => Some(Source::ContactId),
        text => pointer(text, path, mistakes).map(|pointer| Source::Message(vec![pointer])),
    }
}

fn pointer(text: &str, path: &str, mistakes: &mut Mistakes) -> Option<Pointer> {
    let parsed = Pointer::parse(text);
    parsed.map_err(|error| mistakes.add(path, format!("{error}, or be \"now\" or \"contactId\""))).ok()
}

/// The default in the form of the parameter's type. `null` is none.
fn default(value: &RawValue, kind: Type, path: &str, mistakes: &mut Mistakes) -> Option<Box<RawValue>> {
    if value.get() == "null" {
        return None;
    }
    let is_empty_text = value.get() == "\"\"" && kind == Type::String;
    let converted = if is_empty_text { Some(value.to_owned()) } else { kind.convert(value) };
    if converted.is_none() {
        mistakes.add(path, format!("is no {kind:?}"));
    }
    converted
}
