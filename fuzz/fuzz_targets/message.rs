#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(message) = commerce_journeys::events::Message::decode(input) {
        commerce_journeys::journeys::View::new(&message);
    }
});
