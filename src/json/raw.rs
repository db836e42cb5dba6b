//! JSON objects whose values keep the text that was received.
//!
//! Orders must keep every digit: `184.2200000000000000` must not become `184.22`. It is also faster: an order has about
//! 17 KB, and only about ten of its fields are read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{JsonError, read_json, without_mark};

/// The fields of an object, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawObject<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, RawValue>)>);

impl<'a> RawObject<'a> {
    /// Splits an object into its fields. `None` if the text is not an object.
    pub(crate) fn split(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// The value of a field. If the field occurs twice, the last value counts, as in other JSON parsers.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().rev().find(|(field, _)| field == name).map(|(_, value)| value.as_ref())
    }

    /// The text of a field. `None` if the field is missing or not a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// Empties every array in the fields that `which` selects.
    pub(crate) fn empty_arrays(&mut self, which: impl Fn(&str) -> bool) {
        for (name, value) in &mut self.0 {
            if is_array(value) && which(name) {
                *value = Cow::Owned(empty_array());
            }
        }
    }

    pub(crate) fn to_raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(self)
    }
}

/// The text of one JSON object as it was received.
#[derive(Clone, Debug)]
pub struct ObjectText(Box<str>);

impl ObjectText {
    /// Reads an object, with or without a byte order mark. `look` gets its fields, so that the text is read only once.
    pub(crate) fn read<T>(text: &[u8], look: impl FnOnce(&RawObject<'_>) -> T) -> Result<(Self, T), JsonError> {
        let found = look(&read_json(text)?);
        // JSON that has been read is UTF-8.
        let whole = String::from_utf8_lossy(without_mark(text).trim_ascii());
        Ok((Self(whole.into()), found))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fields.
    pub(crate) fn fields(&self) -> RawObject<'_> {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

fn empty_array() -> Box<RawValue> {
    // The literal is always valid, so the default is never used.
    RawValue::from_string("[]".to_owned()).unwrap_or_default()
}

pub(crate) fn is_array(raw: &RawValue) -> bool {
    raw.get().starts_with('[')
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        /// A field name borrows from the text unless it contains an escape.
        #[derive(serde::Deserialize)]
        struct Name<'n>(#[serde(borrow)] Cow<'n, str>);

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(Cow<'de, str>, Cow<'de, RawValue>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.push((name, Cow::Borrowed(value)));
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Fields).map(Self)
    }
}

impl Serialize for RawObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value.as_ref())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_digits() {
        let text = r#"{"z":184.2200000000000000,"a":[1,2],"\u0041":"x"}"#;
        let mut object: RawObject = serde_json::from_str(text).unwrap();
        assert_eq!(object.get("z").map(RawValue::get), Some("184.2200000000000000"));
        assert_eq!(object.get("A").map(RawValue::get), Some("\"x\""));
        object.empty_arrays(|_| true);
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"z":184.2200000000000000,"a":[],"A":"x"}"#);
    }
}
