//! The text of a JSON string, whatever its escapes are.

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A string whose escapes may contain a half of a surrogate pair, as .NET writes text that was cut within a pair.
struct Lenient(String);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Lenient;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Lenient, E> {
                Ok(Lenient(text.to_owned()))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Lenient, E> {
                // Half a pair has three bytes here, each of which would become a replacement character.
                Ok(Lenient(String::from_utf8_lossy(bytes).replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}")))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// The text of a JSON string. Half a surrogate pair becomes U+FFFD. `None` if it is not a string.
pub(crate) fn string(raw: &str) -> Option<String> {
    serde_json::from_str::<String>(raw).or_else(|_| serde_json::from_str::<Lenient>(raw).map(|text| text.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_becomes_one_replacement_character() {
        assert_eq!(string(r#""Ann \ud83d""#).as_deref(), Some("Ann \u{fffd}"));
        assert_eq!(string(r#""\udc00x\u00e9\n""#).as_deref(), Some("\u{fffd}xé\n"));
        assert_eq!(string(r#""\ud83d\ude00""#).as_deref(), Some("\u{1f600}"));
        assert_eq!(string("7"), None);
    }
}
