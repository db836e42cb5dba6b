//! The function app as the Functions host meets it, over real HTTP, with scripted preparations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod day;
mod invocations;
mod log;
#[cfg(unix)]
mod process;
mod script;
mod shipped;

/// Longer than any invocation takes on a slow machine, in real time.
const TOO_LONG: std::time::Duration = std::time::Duration::from_secs(600);
