//! The system functions: <https://learn.microsoft.com/azure/cosmos-db/nosql/query/system-functions>.

use std::borrow::Cow;

use serde_json::Value;

use super::value::{equal, number};

/// A function by its name and the numbers of arguments that it takes.
#[derive(Debug)]
pub(super) struct Definition {
    name: &'static str,
    arguments: std::ops::RangeInclusive<usize>,
    call: fn(&[Argument<'_>]) -> Option<Value>,
}

pub(super) type Function = &'static Definition;

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// An evaluated argument; `None` is undefined.
pub(super) type Argument<'a> = Option<Cow<'a, Value>>;

const FUNCTIONS: &[Definition] = &[
    define("IS_DEFINED", 1, 1, |arguments| Some(arguments[0].is_some().into())),
    define("IS_NULL", 1, 1, |arguments| is(arguments, Value::is_null)),
    define("IS_BOOL", 1, 1, |arguments| is(arguments, Value::is_boolean)),
    define("IS_NUMBER", 1, 1, |arguments| is(arguments, Value::is_number)),
    define("IS_STRING", 1, 1, |arguments| is(arguments, Value::is_string)),
    define("IS_ARRAY", 1, 1, |arguments| is(arguments, Value::is_array)),
    define("IS_OBJECT", 1, 1, |arguments| is(arguments, Value::is_object)),
    define("IS_PRIMITIVE", 1, 1, |arguments| is(arguments, |value| !value.is_array() && !value.is_object())),
    define("CONTAINS", 2, 3, |arguments| search(arguments, |text, part| text.contains(part))),
    define("STARTSWITH", 2, 3, |arguments| search(arguments, |text, part| text.starts_with(part))),
    define("ENDSWITH", 2, 3, |arguments| search(arguments, |text, part| text.ends_with(part))),
    define("STRINGEQUALS", 2, 3, |arguments| search(arguments, |text, part| text == part)),
    define("UPPER", 1, 1, |arguments| Some(text(arguments, 0)?.to_uppercase().into())),
    define("LOWER", 1, 1, |arguments| Some(text(arguments, 0)?.to_lowercase().into())),
    define("TRIM", 1, 1, |arguments| Some(text(arguments, 0)?.trim().into())),
    define("LTRIM", 1, 1, |arguments| Some(text(arguments, 0)?.trim_start().into())),
    define("RTRIM", 1, 1, |arguments| Some(text(arguments, 0)?.trim_end().into())),
    define("LENGTH", 1, 1, |arguments| Some(text(arguments, 0)?.chars().count().into())),
    define("CONCAT", 2, 64, |arguments| {
        let texts: Option<String> = (0..arguments.len()).map(|index| text(arguments, index)).collect();
        texts.map(Value::from)
    }),
    define("SUBSTRING", 3, 3, |arguments| {
        let (start, length) = (size(arguments, 1)?, size(arguments, 2)?);
        Some(text(arguments, 0)?.chars().skip(start).take(length).collect::<String>().into())
    }),
    define("LEFT", 2, 2, |arguments| {
        Some(text(arguments, 0)?.chars().take(size(arguments, 1)?).collect::<String>().into())
    }),
    define("RIGHT", 2, 2, |arguments| {
        let text = text(arguments, 0)?;
        let skipped = text.chars().count().saturating_sub(size(arguments, 1)?);
        Some(text.chars().skip(skipped).collect::<String>().into())
    }),
    define("REPLACE", 3, 3, |arguments| {
        Some(text(arguments, 0)?.replace(text(arguments, 1)?, text(arguments, 2)?).into())
    }),
    define("INDEX_OF", 2, 2, |arguments| {
        let (text, part) = (text(arguments, 0)?, text(arguments, 1)?);
        Some(text.find(part).map_or(Value::from(-1), |at| text[..at].chars().count().into()))
    }),
    define("TOSTRING", 1, 1, |arguments| match arguments[0].as_deref()? {
        Value::String(text) => Some(text.as_str().into()),
        other => Some(other.to_string().into()),
    }),
    define("ARRAY_LENGTH", 1, 1, |arguments| Some(arguments[0].as_deref()?.as_array()?.len().into())),
    define("ARRAY_CONTAINS", 2, 3, array_contains),
    define("ABS", 1, 1, |arguments| number(double(arguments)?.abs())),
    define("CEILING", 1, 1, |arguments| number(double(arguments)?.ceil())),
    define("FLOOR", 1, 1, |arguments| number(double(arguments)?.floor())),
    define("ROUND", 1, 1, |arguments| number(double(arguments)?.round())),
];

const fn define(
    name: &'static str,
    least: usize,
    most: usize,
    call: fn(&[Argument<'_>]) -> Option<Value>,
) -> Definition {
    Definition { name, arguments: least..=most, call }
}

/// The function of this name, in any case.
pub(super) fn find(name: &str) -> Option<Function> {
    FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
}

impl Definition {
    pub(super) fn takes(&self, arguments: usize) -> bool {
        self.arguments.contains(&arguments)
    }

    pub(super) fn call(&self, arguments: &[Argument<'_>]) -> Option<Value> {
        (self.call)(arguments)
    }

    /// Whether this is `ARRAY_CONTAINS` without partial matches.
    pub(super) fn is_array_contains(&self, arguments: &[super::ast::Expr]) -> bool {
        self.name == "ARRAY_CONTAINS" && arguments.len() == 2
    }
}

fn is(arguments: &[Argument<'_>], check: fn(&Value) -> bool) -> Option<Value> {
    Some(arguments[0].as_deref().is_some_and(check).into())
}

fn text<'a>(arguments: &'a [Argument<'_>], index: usize) -> Option<&'a str> {
    arguments.get(index)?.as_deref()?.as_str()
}

fn double(arguments: &[Argument<'_>]) -> Option<f64> {
    arguments[0].as_deref()?.as_f64()
}

fn size(arguments: &[Argument<'_>], index: usize) -> Option<usize> {
    usize::try_from(arguments.get(index)?.as_deref()?.as_u64()?).ok()
}

fn flag(arguments: &[Argument<'_>]) -> bool {
    matches!(arguments.get(2), Some(Some(value)) if value.as_bool() == Some(true))
}

fn search(arguments: &[Argument<'_>], matches: fn(&str, &str) -> bool) -> Option<Value> {
    let (text, part) = (text(arguments, 0)?, text(arguments, 1)?);
    let found = if flag(arguments) { matches(&text.to_lowercase(), &part.to_lowercase()) } else { matches(text, part) };
    Some(found.into())
}

fn array_contains(arguments: &[Argument<'_>]) -> Option<Value> {
    let (list, wanted) = (arguments[0].as_deref()?.as_array()?, arguments[1].as_deref()?);
    let partial = flag(arguments);
    let matches = |element: &Value| {
        if partial && let (Value::Object(element), Value::Object(wanted)) = (element, wanted) {
            return wanted
                .iter()
                .all(|(name, wanted)| element.get(name).is_some_and(|value| equal(value, wanted) == Some(true)));
        }
        equal(element, wanted) == Some(true)
    };
    Some(list.iter().any(matches).into())
}

/// `text LIKE pattern`, where `%` stands for any text and `_` for one character.
pub(super) fn like(text: &str, pattern: &str) -> bool {
    fn matches(text: &[char], pattern: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|skipped| matches(&text[skipped..], rest)),
            ['_', rest @ ..] => !text.is_empty() && matches(&text[1..], rest),
            [char, rest @ ..] => text.first() == Some(char) && matches(&text[1..], rest),
        }
    }
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    matches(&text, &pattern)
}
