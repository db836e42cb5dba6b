//! Preparations of sample lakes, from the export to the published tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crashes;
mod gate;
mod incremental;
mod lake;
mod maintenance;
mod payments;
mod products;
mod protocol;
