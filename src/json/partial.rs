//! Values in JSON text that may have been cut.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The value at a path of field names and indexes. Text that ends too early is read as far as it goes: a value that is
/// complete is found.
pub(crate) fn value_at(text: &str, path: &[String]) -> Option<Box<RawValue>> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Search { path, found: &mut found }.deserialize(&mut json).and_then(|()| json.end());
    let value: &RawValue = found?;
    // A number at the end of a cut text may have lost digits. Other values show where they end.
    let is_whole = value.get().ends_with(['"', '}', ']', 'e', 'l']) || read.is_ok() || !text.ends_with(value.get());
    is_whole.then(|| value.to_owned())
}

/// Looks for the value at the rest of the path.
struct Search<'p, 'f, 'de> {
    path: &'p [String],
    found: &'f mut Option<&'de RawValue>,
}

impl<'de> DeserializeSeed<'de> for Search<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            *self.found = Some(serde::Deserialize::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.path.split_first() else { return Ok(()) };
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == first.as_str() {
                // If the field occurs twice, the last value counts.
                *self.found = None;
                map.next_value_seed(Search { path: rest, found: &mut *self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.path.split_first() else { return Ok(()) };
        let wanted = first.parse::<usize>().ok();
        let mut index = 0;
        loop {
            let more = if Some(index) == wanted {
                items.next_element_seed(Search { path: rest, found: &mut *self.found })?.is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, path: &[&str]) -> Option<String> {
        let path: Vec<String> = path.iter().map(|token| (*token).to_owned()).collect();
        value_at(text, &path).map(|value| value.get().to_owned())
    }

    #[test]
    fn a_complete_value_is_found_in_cut_text() {
        let text = r#"{"a":[1.50,{"b\u0063":"x"}],"a2":12"#;
        assert_eq!(at(text, &["a", "0"]).as_deref(), Some("1.50"));
        assert_eq!(at(text, &["a", "1", "bc"]).as_deref(), Some("\"x\""));
        assert_eq!(at(text, &["a", "1"]).as_deref(), Some(r#"{"b\u0063":"x"}"#));
        assert_eq!(at(text, &["a2"]), None, "it may have lost digits");
        assert_eq!(at("12", &[]).as_deref(), Some("12"));
        assert_eq!(at(text, &["a", "2"]), None);
        assert_eq!(at(text, &["a", "0", "x"]), None);
        assert_eq!(at(r#"{"a":1,"a":2}"#, &["a"]).as_deref(), Some("2"));
    }
}
