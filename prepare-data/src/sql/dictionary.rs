//! The data dictionary.

/// Placeholder.
pub fn dictionary() {}
