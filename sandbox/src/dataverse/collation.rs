//! How the database compares text.

use std::cmp::Ordering;

/// Compares text without regard to case.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    // A fast path for ASCII, because nearly all text is ASCII.
    if a.is_ascii() && b.is_ascii() {
        let (a, b) = (a.bytes().map(|it| it.to_ascii_lowercase()), b.bytes().map(|it| it.to_ascii_lowercase()));
        return a.cmp(b);
    }
    lower_case(a).cmp(lower_case(b))
}

/// The same for all texts that [`compare`] calls equal, and different for all others.
pub(super) fn key(text: &str) -> String {
    lower_case(text).collect()
}

fn lower_case(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}
