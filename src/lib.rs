//! Commerce Journeys.
