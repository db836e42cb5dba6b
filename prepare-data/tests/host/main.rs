//! The function app as the Functions host meets it, over real HTTP, with scripted preparations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod day;
mod invocations;
mod log;
#[cfg(unix)]
mod process;
mod script;
mod shipped;
