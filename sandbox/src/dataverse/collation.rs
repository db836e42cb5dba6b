//! The collation of the database: it ignores case, accents, and blanks at the end.
//!
//! Dataverse environments have a collation of SQL Server like `Latin1_General_CI_AI`. Only Latin letters are folded here.

use std::cmp::Ordering;

/// Letters with accents, by the letter that they are equal to. Letters with a stroke (ø, ł) are letters of their own.
const ACCENTS: [(char, &str); 17] = [
    ('a', "àáâãäåāăą"),
    ('c', "çćĉċč"),
    ('d', "ď"),
    ('e', "èéêëēĕėęě"),
    ('g', "ĝğġģ"),
    ('h', "ĥ"),
    ('i', "ìíîïĩīĭį"),
    ('j', "ĵ"),
    ('k', "ķ"),
    ('l', "ĺļľ"),
    ('n', "ñńņňŉ"),
    ('o', "òóôõöōŏő"),
    ('r', "ŕŗř"),
    ('s', "śŝşš"),
    ('t', "ţť"),
    ('u', "ùúûüũūŭůűų"),
    ('y', "ýÿŷ"),
];

/// Compares two texts.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_end_matches(' '), b.trim_end_matches(' '));
    // A fast path for ASCII, because nearly all text is ASCII and every query compares every row.
    if a.is_ascii() && b.is_ascii() {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(lower).cmp(b.bytes().map(lower));
    }
    folded(a).cmp(folded(b))
}

/// The same for all texts that [`compare`] calls equal, and different for all others.
pub(super) fn key(text: &str) -> String {
    folded(text.trim_end_matches(' ')).collect()
}

/// The characters that are compared.
fn folded(text: &str) -> impl Iterator<Item = char> {
    // Combining accents, as in decomposed text, are ignored.
    let letters = text.chars().filter(|character| !('\u{300}'..='\u{36f}').contains(character));
    letters.flat_map(char::to_lowercase).map(without_accent)
}

fn without_accent(letter: char) -> char {
    if letter.is_ascii() {
        return letter;
    }
    ACCENTS.iter().find(|(_, accents)| accents.contains(letter)).map_or(letter, |(letter, _)| *letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_blanks_at_the_end_are_ignored() {
        for (a, b) in [("José@x", "jose@X"), ("a  ", "A"), ("e\u{301}", "é"), ("", " ")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a:?} {b:?}");
        }
        for (a, b) in [(" a", "a"), ("a", "b"), ("ø", "o"), ("ł", "l")] {
            assert_ne!(compare(a, b), Ordering::Equal, "{a:?} {b:?}");
        }
    }
}
