//! Commerce Journeys.

pub mod events;
pub mod journeys;
