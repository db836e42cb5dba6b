//! Text fit for other systems, and names that are nearly others. Dataverse rejects characters that XML 1.0 does not allow,
//! and counts lengths in UTF-16 code units.

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

/// The known name that this one is probably meant to be: at most two letters differ, in short names one. Upper and lower case
/// count as equal.
pub fn similar<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let allowed = |known: &str| match known.chars().count().min(name.chars().count()) {
        0..3 => 0,
        3..6 => 1,
        _ => 2,
    };
    let distances = known.into_iter().map(|known| (distance(&known.to_lowercase(), &name.to_lowercase()), known));
    distances.filter(|(distance, known)| *distance <= allowed(known)).min().map(|(_, known)| known)
}

/// The number of letters to insert, remove or replace (Levenshtein).
pub fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, right) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_characters_that_xml_allows_remain() {
        assert_eq!(without_forbidden("A\u{b}B\u{0}C\u{1f}\u{ffff}\tD\u{85}\u{1fffe}é"), "A BC\tD\u{85}\u{1fffe}é");
    }

    #[test]
    fn a_name_with_a_few_wrong_letters_is_similar() {
        let known = ["onUncertain", "eventType", "is", "type"];
        for (name, expected) in [
            ("onUncertian", Some("onUncertain")),
            ("EVENTTYPES", Some("eventType")),
            ("typ", Some("type")),
            ("IS", Some("is")),
            ("it", None),
            ("tape measure", None),
            ("", None),
        ] {
            assert_eq!(similar(name, known), expected, "{name}");
        }
    }

    #[test]
    fn lengths_are_counted_in_utf_16() {
        assert_eq!(utf16_length("a\u{1f600}"), 3);
        assert_eq!(truncated("ab\u{1f600}", 3), "ab");
        assert_eq!(truncated("ab\u{1f600}", 4), "ab\u{1f600}");
        assert_eq!(truncated("é", 1), "é");
    }
}
