//! The sandbox's page in a real browser, over the real handler: what a person would do, and see.
//!
//! Needs Chromium and Node.js, so it runs only when asked for: `BROWSER_TESTS=1`, as `.ci/run` does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox::audit::Journey;
use sandbox::clock::Clock;
use sandbox::host::{App, Level, Process, Sink};
use sandbox::page::{Page, PageOptions};
use sandbox::stage::{Enabled, repository, stage};
use sandbox::weather::{Climate, explained};
use sandbox::world::{FunctionApp, World, WorldOptions};
use tokio::process::Command;

/// Longer than everything takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_sales_become_journeys_and_mends_what_goes_wrong() {
    if std::env::var_os("BROWSER_TESTS").is_none_or(|asked| asked.is_empty()) {
        eprintln!("skipped: the browser test needs Chromium and Node.js, and runs only with BROWSER_TESTS=1");
        return;
    }
    let world = Arc::new(World::start(WorldOptions::new(Clock::real())).await.unwrap());
    let log = Arc::new(Mutex::new(String::new()));
    let apps = [host(&world, &log).await];
    let options = PageOptions { world: world.clone(), apps: &apps, enabled: &Journey::ALL, port: None };
    let page = Page::open(options).await.unwrap();

    let seen = tokio::time::timeout(DEADLINE, drive(&page.url())).await;
    let log = log.lock().unwrap().lines().rev().take(20).collect::<Vec<_>>().join("\n");
    assert!(matches!(seen, Ok(true)), "the browser is not content ({seen:?}); the handler's last words, latest first:\n{log}");

    // The page has told the truth: the ledger agrees.
    let audit = world.audit(&Journey::ALL, &explained(&world, &page.kills()));
    assert!(audit.is_clean(), "{audit:?}");
    assert!(!page.kills().is_empty());
    let [app] = apps;
    app.shutdown().await;
}

/// The app as it is shipped, with the patience of a sandbox.
async fn host(world: &World, log: &Arc<Mutex<String>>) -> FunctionApp {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let binary = Path::new(env!("CARGO_BIN_EXE_commerce-journeys"));
    stage(&repository(), Some(binary), &folder, Enabled::All).unwrap();
    let mut settings = world.settings();
    settings.extend(Climate::storm().suggested_settings());
    let log = log.clone();
    let output: Sink = Arc::new(move |_: Level, line: &str| {
        let mut log = log.lock().unwrap();
        log.push_str(line);
        log.push('\n');
    });
    let app = world.host(App::read(&folder, &settings).unwrap(), Arc::new(Process), output).await.unwrap();
    assert!(app.host().ready().await);
    app
}

/// Lets the browser do its part; screenshots go to `target/page`.
async fn drive(url: &str) -> bool {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "page", "browser.mjs"].iter().collect();
    let pictures = repository().join("target").join("page");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut node = Command::new("node");
    node.arg(script).arg(url).arg(pictures).stdin(Stdio::null()).kill_on_drop(true);
    node.status().await.expect("Node.js can be started").success()
}
