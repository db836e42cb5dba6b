//! Tests of the sandbox's page with the real handler.
//!
//! The browser test needs Chromium and Node.js. It runs only with `BROWSER_TESTS=1`, as in `.ci/run`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox::app_folder::{Enabled, assemble, repository};
use sandbox::audit::Journey;
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions, FunctionApp};
use sandbox::faults::{FaultProfile, explained};
use sandbox::host::{App, Level, Process, Sink};
use sandbox::network::{BoxFuture, Call, FaultAction, FaultInjector};
use sandbox::page::{Page, PageOptions};
use sandbox::shop::Names;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};

fn has_browser() -> bool {
    let is_wanted = std::env::var_os("BROWSER_TESTS").is_some_and(|value| !value.is_empty());
    if !is_wanted {
        eprintln!("skipped: the browser test needs Chromium and Node.js, and runs only with BROWSER_TESTS=1");
    }
    is_wanted
}

/// Longer than everything takes on a slow machine.
const DEADLINE: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_sees_orders_become_journeys_and_resolves_problems() {
    if !has_browser() {
        return;
    }
    let options = EnvironmentOptions { names: Names::Plain, ..EnvironmentOptions::new(Clock::real()) };
    let environment = Arc::new(Environment::start(options).await.unwrap());
    environment.network().set_faults(LostAnswers { journey: Journey::FeedbackRequest, left: AtomicUsize::new(2) });
    let log = Arc::new(Mutex::new(String::new()));
    let apps = [host(&environment, "browsed", &log).await];
    let options = PageOptions { environment: environment.clone(), apps: &apps, enabled: &Journey::ALL, port: None };
    let page = Page::open(options).await.unwrap();

    let seen = tokio::time::timeout(DEADLINE, drive(&page.url())).await;
    let log = log.lock().unwrap().lines().rev().take(20).collect::<Vec<_>>().join("\n");
    assert!(
        matches!(seen, Ok(true)),
        "the browser test failed ({seen:?}); the last lines of the handler's log, latest first:\n{log}"
    );

    // The page agrees with the ledger.
    let audit = environment.audit(&Journey::ALL, &explained(&environment, &page.kills()));
    assert!(audit.is_clean(), "{audit:?}");
    assert_eq!(
        (audit.forced.len(), audit.dismissed.len()),
        (1, 1),
        "one journey was started by hand, and one was left"
    );
    assert!(!page.kills().is_empty());
    let [app] = apps;
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_has_a_timeline_from_the_shop_to_its_journeys() {
    let environment = Arc::new(Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap());
    let apps = [host(&environment, "followed", &Arc::default()).await];
    let options = PageOptions { environment: environment.clone(), apps: &apps, enabled: &Journey::ALL, port: Some(0) };
    let page = Page::open(options).await.unwrap();
    let client = Client { url: page.url(), http: reqwest::Client::builder().no_proxy().build().unwrap() };

    let visit = json!({"who": "new", "email": true, "loyaltyCard": true, "place": "online", "outcome": "checkout"});
    let sold = client.post("api/shop", &visit).await;
    let event = sold["events"][1].as_u64().unwrap();
    let path = format!("api/events/{event}");
    let settled = |details: &Value| details["steps"].as_array().unwrap().iter().any(|step| step["kind"] == "settled");
    let details = client.until(&path, |details| details["row"]["status"] == "processed" && settled(details)).await;
    for kind in ["committed", "recorded", "delivered", "started", "settled"] {
        assert!(details["steps"].as_array().unwrap().iter().any(|step| step["kind"] == kind), "{kind}: {details}");
    }
    let marks: Vec<_> = details["row"]["journeys"].as_array().unwrap().iter().map(|mark| &mark["state"]).collect();
    assert_eq!(marks, ["started", "started", "skipped"], "a customer with a loyalty card is not invited: {details}");
    assert_eq!((&details["contact"]["createdSince"], &details["contact"]["byNumber"]), (&json!(true), &json!(true)));

    let started = environment.dataverse().started().len();
    let replayed = client.post("api/replay", &json!({"event": event})).await;
    assert_eq!((&replayed["status"], &replayed["answer"]["status"]), (&json!(200), &json!("processed")));
    assert_eq!(environment.dataverse().started().len(), started, "nothing starts again");
    let redriven = client.post("api/redrive", &json!({"max": 10})).await;
    assert_eq!((&redriven["status"], &redriven["answer"]["taken"]), (&json!(200), &json!(0)));

    client.post("api/kill", &json!({})).await;
    let up_again = |snapshot: &Value| {
        let handler = &snapshot["flow"]["handlers"][0];
        handler["up"] == true && handler["exits"] == 1
    };
    client.until("api/snapshot", up_again).await;
    // The cart was bought, so nobody is reminded of it.
    let audited = |snapshot: &Value| {
        let audit = &snapshot["audit"];
        audit["expected"] == 2 && audit["started"] == 2 && audit["pending"] == 0 && audit["lost"] == 0
    };
    client.until("api/snapshot", audited).await;
    assert_eq!(page.kills().len(), 1);
    let [app] = apps;
    app.shutdown().await;
}

/// Loses the answers of the first calls of a trigger, so that their journeys are held.
struct LostAnswers {
    journey: Journey,
    left: AtomicUsize,
}

impl FaultInjector for LostAnswers {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let is_lost = call.path.ends_with(self.journey.trigger())
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let action = if is_lost { FaultAction::ResetBefore } else { FaultAction::Serve };
        Box::pin(async move { action })
    }
}

/// A client of the page's HTTP API.
struct Client {
    url: String,
    http: reqwest::Client,
}

impl Client {
    async fn post(&self, path: &str, body: &Value) -> Value {
        let reply = self.http.post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        assert!(reply.status().is_success(), "{path} {body}: {}", reply.status());
        reply.json().await.unwrap()
    }

    /// Repeats the request until the answer is as `wanted`.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let polling = async {
            loop {
                let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
                let answer: Value = answer.json().await.unwrap();
                if wanted(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), polling)
            .await
            .unwrap_or_else(|_| panic!("{path} does not reach the expected state"))
    }
}

/// The app as shipped, with the sandbox's short time-outs.
async fn host(environment: &Environment, name: &str, log: &Arc<Mutex<String>>) -> FunctionApp {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let binary = Path::new(env!("CARGO_BIN_EXE_commerce-journeys"));
    assemble(&repository(), Some(binary), &folder, Enabled::All).unwrap();
    let mut settings = environment.settings();
    settings.extend(FaultProfile::storm().suggested_settings());
    let log = log.clone();
    let output: Sink = Arc::new(move |_: Level, line: &str| {
        let mut log = log.lock().unwrap();
        log.push_str(line);
        log.push('\n');
    });
    let app = environment.host(App::read(&folder, &settings).unwrap(), Arc::new(Process), output).await.unwrap();
    assert!(app.host().ready().await);
    app
}

/// A sandbox without a function app that ends with its runtime, like a process.
async fn dependencies_only(port: u16) -> (Runtime, String) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let opened = runtime.spawn(async move {
        let environment = Arc::new(Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap());
        let options = PageOptions { environment, apps: &[], enabled: &Journey::ALL, port: Some(port) };
        let page = Page::open(options).await.unwrap();
        let url = page.url();
        tokio::spawn(async move {
            let _page = page;
            std::future::pending::<()>().await;
        });
        url
    });
    (runtime, opened.await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_that_the_sandbox_has_ended_and_connects_to_the_next_one() {
    if !has_browser() {
        return;
    }
    let (first, url) = dependencies_only(0).await;
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "page", "ended.mjs"].iter().collect();
    let mut node = Command::new("node");
    node.arg(script).arg(url).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut node = node.spawn().expect("Node.js can be started");
    let mut seen = BufReader::new(node.stdout.take().unwrap()).lines();
    assert_eq!(seen.next_line().await.unwrap().as_deref(), Some("live"));
    first.shutdown_background();
    assert_eq!(seen.next_line().await.unwrap().as_deref(), Some("ended"));
    let (second, _) = dependencies_only(port).await;
    assert!(node.wait().await.unwrap().success());
    second.shutdown_background();
}

/// Runs the browser test; screenshots are written to `target/page`.
async fn drive(url: &str) -> bool {
    let script: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "page", "browser.mjs"].iter().collect();
    let pictures = repository().join("target").join("page");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut node = Command::new("node");
    node.arg(script).arg(url).arg(pictures).stdin(Stdio::null()).kill_on_drop(true);
    node.status().await.expect("Node.js can be started").success()
}
