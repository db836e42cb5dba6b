//! Text fit for other systems. Dataverse rejects characters that XML 1.0 does not allow, and counts lengths in UTF-16 code
//! units.

/// The text without characters that XML 1.0 does not allow. Vertical tabs and form feeds become spaces, because they separate
/// words.
pub fn without_forbidden(text: &str) -> String {
    text.chars()
        .filter_map(|character| match character {
            '\u{b}' | '\u{c}' => Some(' '),
            '\t' | '\n' | '\r' => Some(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => None,
            _ => Some(character),
        })
        .collect()
}

/// The length in UTF-16 code units.
pub fn utf16_length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The beginning of the text that has at most `max` UTF-16 code units. A pair of surrogates is never divided.
pub fn truncated(text: &str, max: usize) -> &str {
    let mut length = 0;
    let end = text.char_indices().find(|(_, character)| {
        length += character.len_utf16();
        length > max
    });
    end.map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_that_xml_allows_remain() {
        assert_eq!(without_forbidden("A\u{b}B\u{0}C\u{1f}\u{ffff}\tD\u{85}\u{1fffe}é"), "A BC\tD\u{85}\u{1fffe}é");
    }

    #[test]
    fn lengths_are_counted_in_utf_16() {
        assert_eq!(utf16_length("a\u{1f600}"), 3);
        assert_eq!(truncated("ab\u{1f600}", 3), "ab");
        assert_eq!(truncated("ab\u{1f600}", 4), "ab\u{1f600}");
        assert_eq!(truncated("é", 1), "é");
    }
}
