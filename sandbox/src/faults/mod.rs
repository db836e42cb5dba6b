//! Fault injection: everything that goes wrong between the handler and its dependencies.
//!
//! A [`FaultProfile`] holds the [`FaultRates`] of each dependency. [`SeededFaults`] draws an action for each call from
//! them. A [`FaultSchedule`] adds the faults that are not part of a call. A [`ChaosKiller`] kills handlers. Afterwards
//! [`explained`] lists the repeated starts that these faults explain.

mod error_replies;
mod explained;
mod killer;
mod parse;
mod profile;
mod rates;
mod schedule;
mod seeded;

pub use self::explained::{explain, explained};
pub use self::killer::{ChaosKiller, Kill};
pub use self::parse::UnknownFaultProfile;
pub use self::profile::FaultProfile;
pub use self::rates::{BackgroundFaults, Burst, CallFaults, FaultRates, Latency, Outages};
pub use self::schedule::FaultSchedule;
pub use self::seeded::SeededFaults;

/// Derives an independent number from a seed and some parts (the finalizer of SplitMix64).
fn mix(seed: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(seed, |mixed, part| {
        let mixed = mixed.wrapping_add(*part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// An exponentially distributed pause, at most eight times the mean.
fn pause(rng: &mut impl rand::Rng, mean: std::time::Duration) -> std::time::Duration {
    use rand::RngExt as _;
    let unit: f64 = rng.random();
    mean.mul_f64((-(1.0 - unit).ln()).min(8.0))
}
