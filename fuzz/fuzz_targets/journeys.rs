#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let _ = commerce_journeys::journeys::Journeys::read(input, |name| Some(format!("trigger_{name}")));
});
