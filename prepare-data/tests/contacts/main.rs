//! `sync-contacts` against the sandbox's Dataverse, through real HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod agreement;
mod environment;
mod kill;
mod outages;
mod rules;
mod runs;
