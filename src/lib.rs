//! Commerce Journeys.

pub mod clients;
pub mod clock;
pub mod events;
pub mod journeys;
pub mod settings;
