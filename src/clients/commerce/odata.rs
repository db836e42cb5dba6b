//! OData literals and path segments.

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};

/// A time in whole seconds, as the event search expects it.
pub(super) fn whole_seconds(time: DateTime<Utc>) -> String {
    time.trunc_subsecs(0).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// An OData string literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An OData string literal in a path segment. Characters that would end the segment are escaped.
pub(super) fn segment(text: &str) -> String {
    let mut escaped = literal(text);
    for (character, code) in [("%", "%25"), ("/", "%2F"), ("?", "%3F"), ("#", "%23"), ("\\", "%5C")] {
        escaped = escaped.replace(character, code);
    }
    escaped
}

/// A number as a function parameter in a path. A channel that is not a number must not change the path.
pub(super) fn number(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_quotes_and_slashes_is_one_segment() {
        assert_eq!(segment("O'Brien/50%?#"), "'O''Brien%2F50%25%3F%23'");
    }

    #[test]
    fn a_channel_cannot_change_the_path() {
        assert_eq!(number("5637144592"), "5637144592");
        assert_eq!(number("1)/Customers('x?"), "1%29%2FCustomers%28%27x%3F");
    }
}
