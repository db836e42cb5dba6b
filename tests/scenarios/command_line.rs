//! The command line as a person and a script use it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use chrono::TimeDelta;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::environment::{SHIPPED, TestEnvironment};

/// What a program has printed, and its exit status.
struct Ran {
    code: Option<i32>,
    printed: String,
    errors: String,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_commerce-journeys"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

async fn run(mut command: Command) -> Ran {
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), printed: text(output.stdout), errors: text(output.stderr) }
}

/// `find` beside a running environment, with its settings.
fn find(test: &TestEnvironment, arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command-line");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("journeys.json"), SHIPPED).unwrap();
    let mut command = command(&["find"]);
    command.args(arguments).envs(test.environment.settings()).env("FUNCTIONS_APP_ROOT_PATH", folder);
    command
}

#[tokio::test]
async fn help_and_version_succeed_and_a_wrong_argument_is_named() {
    for (arguments, code, part) in
        [(&["--help"][..], 0, "usage: "), (&["check", "-h"], 0, "usage: "), (&["--version"], 0, "commerce-journeys ")]
    {
        let ran = run(command(arguments)).await;
        assert_eq!((ran.code, ran.errors.as_str()), (Some(code), ""), "{arguments:?}");
        assert!(ran.printed.starts_with(part), "{}", ran.printed);
    }
    let ran = run(command(&["check", "--jsn"])).await;
    assert_eq!((ran.code, ran.printed.as_str()), (Some(2), ""));
    assert!(ran.errors.starts_with("unknown argument: --jsn\n"), "{}", ran.errors);
}

#[tokio::test]
async fn a_script_reads_json_although_the_settings_are_wrong() {
    let ran = run(command(&["check", "--json"])).await;
    assert_eq!(ran.code, Some(2));
    let report: Value = serde_json::from_str(&ran.printed).unwrap();
    assert_eq!(report["ok"], false);
    assert!(report["error"].as_str().unwrap().contains("CSUEndpoint is missing"), "{report:#}");
}

#[tokio::test]
async fn events_are_found_without_the_function_app() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(2)).await;
    let by_transaction = ["--transaction-id", event.transaction_id.as_str()];

    let ran = run(find(&test, &by_transaction)).await;
    assert_eq!((ran.code, ran.errors.as_str()), (Some(0), ""), "{}", ran.printed);
    for part in ["Checkout  processed", "order-confirmation", "started", "possible", event.transaction_id.as_str()] {
        assert!(ran.printed.contains(part), "{part}: {}", ran.printed);
    }
    let json = run(find(&test, &[&by_transaction[..], &["--status", "processed", "--json"]].concat())).await;
    let found: Value = serde_json::from_str(&json.printed).unwrap();
    assert!(found["events"].as_array().is_some_and(|events| !events.is_empty()), "{found:#}");

    let ran = run(find(&test, &["--sales-id", "nobody's"])).await;
    assert_eq!((ran.code, ran.printed.as_str()), (Some(1), "No event was found.\n"));
    let ran = run(find(&test, &["--status", "lost"])).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.errors.contains("find.status"), "{}", ran.errors);
}

#[tokio::test]
async fn a_closed_output_ends_a_command_quietly() {
    let mut test = TestEnvironment::usual().await;
    test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(2)).await;
    let mut command = find(&test, &["--status", "processed"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
    assert_eq!((child.wait().await.unwrap().code(), errors.as_str()), (Some(141), ""));
}
