//! The real program ends when it is asked to, and when its host has ended.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::environment::SHIPPED;

const PROGRAM: &str = env!("CARGO_BIN_EXE_commerce-journeys");

async fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
}

/// Waits until the port is open, or closed.
async fn until_open(port: u16, open: bool) {
    let changed = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() != open {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), changed).await.unwrap_or_else(|_| panic!("the port is not open: {open}"));
}

/// Starts `command` with the settings of an environment.
async fn start(environment: &Environment, command: &mut Command) -> (std::process::Child, u16) {
    start_with(environment, command, Stdio::null()).await
}

/// The same with its errors and warnings, which the host expects on standard error.
async fn start_with(environment: &Environment, command: &mut Command, errors: Stdio) -> (std::process::Child, u16) {
    let port = free_port().await;
    let child = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs(environment.settings_with_secrets())
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .unwrap();
    until_open(port, true).await;
    (child, port)
}

#[tokio::test]
async fn sigterm_ends_the_handler_after_the_work_under_way() {
    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
    let (child, port) = start(&environment, &mut Command::new(PROGRAM)).await;
    environment.shop().set_commit_delay(TimeDelta::zero());
    let poll = tokio::spawn(async move {
        reqwest::Client::new().post(format!("http://127.0.0.1:{port}/poll-events")).body("{}").send().await
    });
    sleep(Duration::from_millis(5)).await;
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(r#""event":"handlerStopped""#), "{output:?}");
    // It was answered, or came too late.
    if let Ok(reply) = poll.await.unwrap() {
        assert_eq!(reply.status(), 200);
    }
}

/// The warnings of a start.
async fn warnings_of_the_start(journeys: &str, types: &str) -> String {
    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("process").join(uuid::Uuid::new_v4().to_string());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("journeys.json"), journeys).unwrap();
    let mut command = Command::new(PROGRAM);
    command.env("FUNCTIONS_APP_ROOT_PATH", &folder).env("EventTypes", types);
    let (mut child, _) = start_with(&environment, &mut command, Stdio::piped()).await;
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn event_types_are_compared_both_ways_at_start() {
    let misspelt = SHIPPED.replace("\"Checkout\"", "\"Chekout\"");
    let unknown =
        r#""event":"eventTypeUnknown","journey":"order-confirmation","eventType":"Chekout","similar":"Checkout""#;
    let not_polled = r#""event":"eventTypeNotPolled","journey":"order-confirmation","eventType":"Chekout""#;
    let unused = r#""event":"eventTypeUnused","eventType":"AddCartLines""#;
    for (journeys, types, expected) in [
        (SHIPPED, "", [false, false, false]),
        (SHIPPED, "Checkout,AddCartLines", [false, false, true]),
        (&misspelt, "", [true, false, false]),
        (&misspelt, "AddCartLines", [true, true, true]),
    ] {
        let log = warnings_of_the_start(journeys, types).await;
        assert_eq!([unknown, not_polled, unused].map(|line| log.contains(line)), expected, "{types}: {log}");
    }
}

#[tokio::test]
async fn a_handler_without_its_host_ends_itself() {
    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
    let script = format!("'{PROGRAM}' & wait");
    let (mut host, port) = start(&environment, Command::new("sh").args(["-c", &script])).await;
    host.kill().unwrap();
    host.wait().unwrap();
    until_open(port, false).await;
}
