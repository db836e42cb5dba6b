//! Preparations of sample lakes, from the export to the published tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod carts;
mod crashes;
mod export;
mod gate;
mod incremental;
mod lake;
mod maintenance;
mod metrics;
mod payments;
mod products;
mod protocol;
mod source;
mod totals;
