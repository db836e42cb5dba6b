//! Invalid input for all decoders: known problems, and findings of fuzzing.
//!
//! `fuzz/` contains the targets for `cargo fuzz run <target>`, and their corpora in `fuzz/corpus/<target>/`.

use std::fs;
use std::path::Path;

use commerce_journeys::clients::{commerce, dataverse};
use commerce_journeys::events::{CommerceEvent, Message};
use commerce_journeys::host::read_delivery;
use commerce_journeys::journeys::{Journeys, View};
use commerce_journeys::json::read_json;

/// Decodes an input with the decoder of that name. Returns whether it was accepted. No input may panic.
fn decode(target: &str, input: &[u8]) -> bool {
    match target {
        "invocation" => read_delivery(input).is_ok(),
        "message" => Message::decode(input).map(|message| drop(View::new(&message))).is_ok(),
        "journeys" => std::str::from_utf8(input)
            .is_ok_and(|text| Journeys::read(text, |name| Some(format!("trigger_{name}"))).is_ok()),
        "commerce_reply" => commerce::read_events(input).is_ok_and(|found| {
            found
                .rows
                .iter()
                .all(|row| read_json::<CommerceEvent>(row.get().as_bytes()).is_ok_and(|event| event.validate().is_ok()))
        }),
        "dataverse_reply" => dataverse::read_contacts(input).is_ok(),
        other => panic!("there is no decoder {other}"),
    }
}

#[test]
fn every_input_of_the_corpora_has_an_answer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for target in ["invocation", "message", "journeys", "commerce_reply", "dataverse_reply"] {
        let inputs = fs::read_dir(root.join(target)).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let accepted: Vec<bool> = inputs.map(|input| decode(target, &input)).collect();
        assert!(accepted.contains(&true) && accepted.contains(&false), "{target}: {accepted:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(input: Vec<u8>, text in ".*") {
        for target in ["invocation", "message", "journeys", "commerce_reply", "dataverse_reply"] {
            decode(target, &input);
            decode(target, text.as_bytes());
            decode(target, format!("{{\"value\":[{text}],\"Data\":{{\"m\":{text}}},\"EventDetails\":{text}}}").as_bytes());
        }
    }
}
