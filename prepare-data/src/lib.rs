//! Prepares the Commerce tables that were exported to a lake for Customer Insights - Data.

pub mod sample;
