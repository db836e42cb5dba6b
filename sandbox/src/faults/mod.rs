//! Hard times: everything that goes wrong between the handler and its dependencies, and around them.
//!
//! A [`FaultProfile`] says how bad it is with whom; [`SeededFaults`] turns it into the fate of each call; [`FaultSchedule`] adds what is
//! no call's fate; a [`ChaosKiller`] replaces the handler at random moments; and [`explained`] tells afterwards which
//! repeated starts all this excuses.

mod climate;
mod explain;
mod killer;
mod parse;
mod refusals;
mod seeded;
mod storm;

pub use self::climate::{Burst, FaultProfile, FaultRates, Faults, Latency, Mischief, Outages};
pub use self::explain::{explain, explained};
pub use self::killer::{ChaosKiller, Kill};
pub use self::parse::UnknownFaultProfile;
pub use self::seeded::SeededFaults;
pub use self::storm::FaultSchedule;

/// Numbers that have nothing to do with each other out of numbers that have (the finalizer of SplitMix64).
fn mix(seed: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(seed, |mixed, part| {
        let mixed = mixed.wrapping_add(*part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// An exponentially distributed pause, as between things that happen at random moments; never longer than eight times
/// the mean.
fn pause(rng: &mut impl rand::Rng, mean: std::time::Duration) -> std::time::Duration {
    use rand::RngExt as _;
    let unit: f64 = rng.random();
    mean.mul_f64((-(1.0 - unit).ln()).min(8.0))
}
