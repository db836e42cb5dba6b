//! Names that are spelled wrong.

use commerce_journeys::text::similar;

/// The known name that is probably meant, or all of them, as the end of a sentence.
pub(crate) fn meant(name: &str, known: &[&str]) -> String {
    match similar(name, known.iter().copied()) {
        Some(similar) => format!("; is {similar} meant?"),
        None => format!("; there are {}", known.join(", ")),
    }
}
