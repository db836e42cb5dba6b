//! JSON objects with a fixed order of fields and exact digits of numbers.
//!
//! `serde_json::Value` would sort the fields and convert amounts to `f64`. Tests that compare the numbers of the
//! handler need their exact text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The fields of an object, with their values as JSON text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(Cow<'static, str>, Cow<'static, str>)>);

/// A JSON value as text.
#[derive(Clone, Debug)]
pub(crate) struct Json(Cow<'static, str>);

impl Fields {
    /// The fields of a template that is part of the program. [`Fields::set`] fills them.
    pub(crate) fn template(text: &'static str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| {
            // This can only be a mistake in the program. The tests render every template.
            tracing::error!(%error, "a body's template is not a JSON object");
            Self::default()
        })
    }

    /// Sets a field at its position, or adds it at the end.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Json>) -> &mut Self {
        let value = value.into().0;
        match self.0.iter_mut().find(|(field, _)| field == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.into(), value)),
        }
        self
    }

    /// Sets several fields to one value.
    pub(crate) fn set_all(&mut self, names: &[&'static str], value: impl Into<Json>) -> &mut Self {
        let value = value.into();
        for name in names {
            self.set(name, value.clone());
        }
        self
    }

    /// The object as JSON text, with the OData context of an entity of `set` in front.
    pub(crate) fn entity(&self, set: &str) -> String {
        let context = Json::from(format!("{SERVICE_ROOT}/$metadata#{set}/$entity").as_str());
        format!("{{\"@odata.context\":{},{}", context.0, &self.text()[1..])
    }

    /// The object as JSON text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::with_capacity(self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum());
        for (name, value) in &self.0 {
            text.push_str(if text.is_empty() { "{" } else { "," });
            text.push_str(&Json::from(name.as_ref()).0);
            text.push(':');
            text.push_str(value);
        }
        text.push_str(if text.is_empty() { "{}" } else { "}" });
        text
    }
}

/// The address of the service behind a Scale Unit's gateway. OData contexts always contain it.
pub(crate) const SERVICE_ROOT: &str = "https://scu.example/RetailServer/Commerce";

impl Json {
    /// A number from its text.
    pub(crate) fn number(text: String) -> Self {
        Self(text.into())
    }

    /// An array of values that are JSON text.
    pub(crate) fn array<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let texts: Vec<&str> = texts.collect();
        Self(format!("[{}]", texts.join(",")).into())
    }

    /// The value's text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self(Value::from(text).to_string().into())
    }
}

impl From<&String> for Json {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

impl From<bool> for Json {
    fn from(flag: bool) -> Self {
        Self(if flag { "true" } else { "false" }.into())
    }
}

impl From<&Fields> for Json {
    fn from(object: &Fields) -> Self {
        Self(object.text().into())
    }
}

impl FromIterator<Fields> for Json {
    fn from_iter<I: IntoIterator<Item = Fields>>(objects: I) -> Self {
        let texts: Vec<String> = objects.into_iter().map(|object| object.text()).collect();
        Self::array(texts.iter().map(String::as_str))
    }
}

impl<'de: 'static> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de: 'static> Visitor<'de> for InOrder {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<&'static str, &'static RawValue>()? {
            fields.push((name.into(), value.get().into()));
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_numbers_keep_their_digits() {
        let mut fields = Fields::template(r#"{"Z": 1.00, "A": {"x": 0.0}, "M": ""}"#);
        fields.set("M", "say \"hi\"\n").set("New", Json::number("184.2200000000000000".into()));
        assert_eq!(fields.text(), r#"{"Z":1.00,"A":{"x": 0.0},"M":"say \"hi\"\n","New":184.2200000000000000}"#);
        assert_eq!(Fields::default().text(), "{}");
    }
}
