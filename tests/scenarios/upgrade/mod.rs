//! Upgrades and roll-backs: what the versions leave behind in Cosmos DB and Service Bus stays readable in both directions.
//!
//! `fixtures/<version>` contains the records, claims, cursors and messages of each released version. A new release adds a
//! folder; existing ones never change.

mod forward;
mod reader_0_1_0;
mod way_back;
