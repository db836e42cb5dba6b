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

/// The text of a JSON string whose escapes all stand for ASCII, as in JSON within a string. `None` for anything else. Such
/// text has an escape every few characters, where a JSON parser is slow.
pub(crate) fn unescaped(raw: &str) -> Option<String> {
    let raw = raw.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = raw.bytes();
    // The text is never longer than its escaped form. To fill a buffer takes half as long as to append to one.
    let mut text = vec![0; raw.len()];
    let mut length = 0;
    for place in &mut text {
        let Some(byte) = bytes.next() else { break };
        *place = match byte {
            b'\\' => escape(&mut bytes)?,
            b'"' | ..0x20 => return None,
            other => other,
        };
        length += 1;
    }
    text.truncate(length);
    String::from_utf8(text).ok()
}

fn escape(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    match bytes.next()? {
        same @ (b'"' | b'\\' | b'/') => Some(same),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'u' => {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let code = (0..4).try_fold(0, |code, _| Some(code * 16 + digit()?))?;
            u8::try_from(code).ok().filter(u8::is_ascii)
        }
        _ => None,
    }
}

/// Whether a character in a JSON string must be escaped (RFC 8259, 7).
fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..0x20)
}

/// Writes a text as a JSON string.
pub(crate) fn write_string(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_escape) {
        let (plain, from) = rest.split_at(at);
        let (escaped, after) = from.split_at(1);
        json.push_str(plain);
        match escaped {
            "\"" => json.push_str("\\\""),
            "\\" => json.push_str("\\\\"),
            "\n" => json.push_str("\\n"),
            "\r" => json.push_str("\\r"),
            "\t" => json.push_str("\\t"),
            control => json.extend(control.bytes().map(|byte| format!("\\u{byte:04x}"))),
        }
        rest = after;
    }
    json.push_str(rest);
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn an_escape_of_a_quote_is_read_in_every_notation() {
        assert_eq!(
            unescaped(r#""{\"a\":\u0022b\u005C\/\r\n\t\b\f\"}""#).as_deref(),
            Some("{\"a\":\"b\\/\r\n\t\u{8}\u{c}\"}")
        );
        for other in ["", "\"", "7", r#""a"b""#, r#""a\""#, r#""\u00e9""#, r#""\u12""#, r#""\x""#, "\"a\nb\""] {
            assert_eq!(unescaped(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_read_as_a_json_parser_reads_it(text in any::<String>(), raw in r#""([ -~]|\\["\\/bfnrtu0-9a-f]|é)*""#) {
            for json in [serde_json::to_string(&text)?, raw] {
                if let Some(read) = unescaped(&json) {
                    prop_assert_eq!(Ok(read), serde_json::from_str::<String>(&json).map_err(|error| error.to_string()));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_written_string_is_read_as_it_was(text in any::<String>()) {
            let mut json = String::new();
            write_string(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json)?, text);
        }
    }

    #[test]
    fn half_a_surrogate_pair_becomes_one_replacement_character() {
        assert_eq!(string(r#""Ann \ud83d""#).as_deref(), Some("Ann \u{fffd}"));
        assert_eq!(string(r#""\udc00x\u00e9\n""#).as_deref(), Some("\u{fffd}xé\n"));
        assert_eq!(string(r#""\ud83d\ude00""#).as_deref(), Some("\u{1f600}"));
        assert_eq!(string("7"), None);
    }
}
