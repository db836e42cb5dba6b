//! The file in which one environment differs from `journeys.json`, read by the real program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::environment::SHIPPED;

/// The folder of a function app with this file of one environment.
fn folder(name: &str, overlay: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("journeys-overlay").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("journeys.json"), SHIPPED).unwrap();
    fs::write(folder.join("journeys.test.json"), overlay).unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str], overlay: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_commerce-journeys"));
    command.env_clear().env("FUNCTIONS_APP_ROOT_PATH", folder).args(arguments);
    command.envs(overlay.map(|file| ("JourneysOverlay", file))).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_environment_has_journeys_of_its_own_without_a_copy() {
    let changes = r#"{"journeys": [
        {"name": "order-confirmation", "trigger": "msdynmkt_confirmation_of_test_1"},
        {"name": "feedback-request", "enabled": true}]}"#;
    let folder = folder("own", changes);
    let listed = |overlay| text(&run(&folder, &["triggers"], overlay).stdout);
    let (as_shipped, changed) = (listed(None), listed(Some("journeys.test.json")));
    assert!(as_shipped.contains("order-confirmation") && !as_shipped.contains("feedback-request"), "{as_shipped}");
    assert!(changed.contains("order-confirmation (trigger msdynmkt_confirmation_of_test_1)"), "{changed}");
    assert!(changed.contains("feedback-request (trigger FeedbackRequestTrigger)"), "{changed}");
    assert_eq!(listed(Some(" ")), as_shipped, "an empty app setting is no setting");
}

#[test]
fn the_handler_does_not_start_with_a_mistake_in_the_file_of_its_environment() {
    for (name, overlay, changes, expected) in [
        ("missing", "journeys.prod.json", "{}", "journeys.prod.json cannot be read"),
        ("path", "../journeys.test.json", "{}", "JourneysOverlay must be the name of a file beside journeys.json"),
        ("itself", "journeys.json", "{}", "JourneysOverlay must be the name of a file beside journeys.json"),
        (
            "journey",
            "journeys.test.json",
            r#"{"journeys": [{"name": "order-confirmatoin", "enabled": false}]}"#,
            "journeys.test.json: journeys[0].name: journeys.json has no journey",
        ),
        (
            "field",
            "journeys.test.json",
            r#"{"journeys": [{"name": "abandoned-cart", "enabeld": true}]}"#,
            "changed by journeys.test.json",
        ),
        (
            "setting",
            "journeys.test.json",
            r#"{"journeys": [{"name": "abandoned-cart", "enabled": true}]}"#,
            "the app setting AbandonedCartTrigger is missing",
        ),
    ] {
        let output = run(&folder(name, changes), &[], Some(overlay));
        let line = text(&output.stderr);
        assert!(!output.status.success() && line.contains("handlerNotStarted"), "{name}: {line}");
        assert!(line.contains(expected), "{name}: {line}");
    }
}
