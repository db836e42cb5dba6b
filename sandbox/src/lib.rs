//! Everything around Commerce Journeys, on one machine and with no account anywhere.

pub mod auth;
pub mod clock;
pub mod cosmos;
pub mod host;
pub mod wire;
