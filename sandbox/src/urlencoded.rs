//! Forms and query strings (`application/x-www-form-urlencoded`).

/// The decoded name-value pairs of `text`, in order. `None` if something in it is not UTF-8.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

/// The first value with this name.
pub(crate) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

/// A `+` is a space. A plus sign has to be sent as `%2B`.
fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_is_a_space_unless_it_is_encoded() {
        let pairs = pairs("a=b+c&a%2Bb=%C3%A9%2B&flag").unwrap();
        assert_eq!(value(&pairs, "a"), Some("b c"));
        assert_eq!(value(&pairs, "a+b"), Some("é+"));
        assert_eq!(value(&pairs, "flag"), Some(""));
        assert_eq!(value(&pairs, "none"), None);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_rejected() {
        assert_eq!(pairs("a=%FF"), None);
    }
}
