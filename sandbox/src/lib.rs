//! Everything around Commerce Journeys, on one machine and with no account anywhere.

pub mod clock;
pub mod wire;
