#![no_main]

use libfuzzer_sys::fuzz_target;

use commerce_journeys::events::CommerceEvent;

fuzz_target!(|input: &[u8]| {
    for row in commerce_journeys::clients::commerce::read_events(input).into_iter().flat_map(|found| found.rows) {
        if let Ok(event) = CommerceEvent::of_row(&row) {
            let _ = (event.id(), event.validate());
        }
    }
});
