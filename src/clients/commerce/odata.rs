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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_with_quotes_and_slashes_is_one_segment() {
        assert_eq!(segment("O'Brien/50%?#"), "'O''Brien%2F50%25%3F%23'");
    }
}
