//! Telemetry of a good day and of bad ones, from the real program. `.ci/alerts.py` runs the queries of the alert rules on
//! these files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use reqwest::StatusCode;
use sandbox::app_folder::{Enabled, assemble, repository};
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions, FUNCTION_KEY, FunctionApp};
use sandbox::host::{App, KillScope, Level, Process, Sink};
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction};
use sandbox::shop::{CHANNELS, CartOpening, Checkout, Item, PRODUCTS};
use sandbox::telemetry::Telemetry;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::environment::wait_for;
use crate::script::{Calls, Script};

const ORDERS: usize = 20;

/// A running app whose telemetry is written to `target/tmp/telemetry/<name>.ndjson`.
struct Day {
    environment: Environment,
    app: FunctionApp,
    file: PathBuf,
    printed: Arc<Mutex<String>>,
    recorder: JoinHandle<()>,
}

impl Day {
    async fn begin(name: &str, environment: Environment, changed: &[(&str, &str)]) -> Self {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (folder, file) = (temporary.join("days").join(name), temporary.join(format!("telemetry/{name}.ndjson")));
        let binary = Path::new(env!("CARGO_BIN_EXE_commerce-journeys"));
        assemble(&repository(), Some(binary), &folder, Enabled::AsShipped).unwrap();
        let mut settings = environment.settings_with_secrets();
        settings.insert("PollSchedule".to_owned(), "* * * * * *".to_owned());
        settings.extend(changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let printed = Arc::new(Mutex::new(String::new()));
        let output: Sink = {
            let printed = printed.clone();
            Arc::new(move |_: Level, line: &str| printed.lock().unwrap().push_str(&format!("{line}\n")))
        };
        let instance = Telemetry::create(&file, environment.clock().clone()).unwrap().instance();
        let app = App::read(&folder, &settings).unwrap();
        let app = environment.host(app, Arc::new(Process), instance.record_lines(output)).await.unwrap();
        let recorder = tokio::spawn(instance.record_events(app.host().events()));
        Self { environment, app, file, printed, recorder }
    }

    /// Waits until the handler has logged an event so many times.
    async fn until_logged(&self, event: &str, count: usize) {
        let mark = format!(r#""event":"{event}""#);
        let enough = || (self.printed.lock().unwrap().matches(&mark).count() >= count).then_some(());
        wait_for(&format!("{count} times {event}"), enough).await;
    }

    /// Waits until so many messages are completed.
    async fn until_completed(&self, count: u64) {
        let completed =
            || self.app.host().counters().functions.get("process-message").is_some_and(|it| it.succeeded >= count);
        wait_for("completed messages", || completed().then_some(())).await;
    }

    /// The answer of `trigger-journey`.
    async fn trigger(&self, body: &Value) -> Value {
        let url = format!("{}api/trigger-journey", self.app.url());
        let request = reqwest::Client::new().post(url).header("x-functions-key", FUNCTION_KEY);
        request.json(body).send().await.unwrap().json().await.unwrap()
    }

    async fn until_polled(&self) {
        let parts = [r#""event":"invocation""#, r#""function":"poll-events""#, r#""outcome":"succeeded""#];
        let is_poll = |line: &str| parts.iter().all(|part| line.contains(part));
        let polled = || self.printed.lock().unwrap().lines().any(is_poll).then_some(());
        wait_for("a poll that succeeds", polled).await;
    }

    /// Ends the day. The rows of its telemetry, by table.
    async fn end(self) -> BTreeMap<String, Vec<Value>> {
        let Self { environment, app, file, recorder, .. } = self;
        app.shutdown().await;
        recorder.await.unwrap();
        drop(environment);
        let mut tables = BTreeMap::<String, Vec<Value>>::new();
        for line in fs::read_to_string(file).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            tables.entry(row["itemType"].as_str().unwrap().to_owned()).or_default().push(row);
        }
        tables
    }
}

async fn environment() -> Environment {
    Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap()
}

fn sell(environment: &Environment, orders: usize) {
    let shop = environment.shop();
    for number in 0..orders {
        let opening = CartOpening { channel: CHANNELS[0].id, ..CartOpening::default() };
        let cart = shop.open_cart(opening).unwrap();
        shop.add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
        let receipt_email = Some(format!("guest{number}@example.org"));
        shop.checkout(&cart, Checkout { receipt_email, ..Checkout::default() }).unwrap();
    }
}

fn refuse(environment: &Environment, reply: ErrorReply, is_refused: impl Fn(&Call) -> bool + Send + Sync + 'static) {
    let rule = move |call: &Call| {
        if is_refused(call) { FaultAction::Refuse(reply.clone()) } else { FaultAction::Serve }
    };
    environment.network().set_faults(Script::new(&Calls::default(), rule));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_day_is_in_the_tables() {
    let environment = environment().await;
    sell(&environment, ORDERS);
    let day = Day::begin("good", environment, &[("EventTypes", "Checkout,AddCartLines")]).await;
    // A cart and an order each.
    day.until_logged("eventProcessed", 2 * ORDERS).await;
    day.until_completed(2 * ORDERS as u64).await;
    day.until_polled().await;
    let tables = day.end().await;
    assert_eq!(tables.keys().collect::<Vec<_>>(), ["dependency", "request", "trace"]);
    let names = |table: &str, name: &str| tables[table].iter().filter(|row| row["name"] == name).count();
    assert!(names("request", "process-message") >= ORDERS && names("request", "poll-events") > 0);
    assert!(names("dependency", "ServiceBusReceiver.Complete") >= ORDERS);
    let messages = tables["request"].iter().filter(|row| row["name"] == "process-message");
    assert!(messages.clone().all(|row| row["success"] == "True"));
    let started = tables["trace"].iter().filter(|row| row["message"].as_str().unwrap().contains(r#""journeyStarted""#));
    assert!(started.clone().all(|row| row["customDimensions"]["Category"] == "Host.Function.Console"));
    assert_eq!(started.count(), ORDERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails() {
    let environment = environment().await;
    let trigger = environment.settings()["OrderConfirmationTrigger"].clone();
    // Only a code that speaks of the data is final.
    let body = r#"{"error": {"code": "0x80040203", "message": "A parameter is missing."}}"#.to_owned();
    let invalid = ErrorReply { body, ..ErrorReply::bare(StatusCode::BAD_REQUEST) };
    let invalid = invalid.with("content-type", "application/json");
    refuse(&environment, invalid, move |call| call.path.contains(&trigger));
    sell(&environment, 1);
    let day = Day::begin("failed-event", environment, &[]).await;
    day.until_logged("eventFailed", 1).await;
    day.until_polled().await;
    day.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scale_unit_is_unavailable() {
    let environment = environment().await;
    let unavailable = ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE);
    refuse(&environment, unavailable, |call| call.dependency == Dependency::Commerce);
    let day = Day::begin("scale-unit-unavailable", environment, &[]).await;
    day.until_logged("pollInterrupted", 2).await;
    day.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dataverse_throttles() {
    let environment = environment().await;
    let throttled = ErrorReply::bare(StatusCode::TOO_MANY_REQUESTS).with("retry-after", "1");
    refuse(&environment, throttled, |call| call.dependency == Dependency::Dataverse && call.own_number < 40);
    sell(&environment, 40);
    let day = Day::begin("throttled", environment, &[]).await;
    day.until_logged("throttled", 30).await;
    day.until_polled().await;
    day.end().await;
}

/// The shop's clock is behind, so its events are old when they are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn journeys_start_late() {
    let behind = EnvironmentOptions { shop_skew: TimeDelta::minutes(-6), ..EnvironmentOptions::new(Clock::real()) };
    let environment = Environment::start(behind).await.unwrap();
    sell(&environment, ORDERS);
    let day = Day::begin("late", environment, &[]).await;
    day.until_logged("journeyStarted", ORDERS).await;
    day.until_polled().await;
    day.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handler_crashes() {
    let day = Day::begin("crashes", environment().await, &[]).await;
    for kills in 1..=2 {
        day.until_logged("handlerStarted", kills).await;
        day.app.host().replace_handler(KillScope::Process).await;
    }
    day.until_logged("handlerStarted", 3).await;
    day.until_polled().await;
    day.end().await;
}

/// The platform replaces instances as it likes: another instance is no restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_are_replaced() {
    let day = Day::begin("replaced-instances", environment().await, &[]).await;
    for kills in 1..=2 {
        day.until_logged("handlerStarted", kills).await;
        day.app.host().replace_handler(KillScope::Instance).await;
    }
    day.until_logged("handlerStarted", 3).await;
    day.until_polled().await;
    let traces = day.end().await.remove("trace").unwrap();
    let started = traces.iter().filter(|row| row["message"].as_str().unwrap().contains(r#""handlerStarted""#));
    let instances: std::collections::BTreeSet<&str> =
        started.map(|row| row["cloud_RoleInstance"].as_str().unwrap()).collect();
    assert_eq!(instances.len(), 3, "{instances:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_starts_a_journey_again() {
    let environment = environment().await;
    sell(&environment, 1);
    let day = Day::begin("operator", environment, &[]).await;
    day.until_logged("eventProcessed", 1).await;
    let found = day.trigger(&json!({"find": {"status": "processed"}})).await;
    let event = &found["events"][0];
    let again = json!({"eventId": event["eventId"], "eventChannelId": event["eventChannelId"], "force": true});
    let answer = day.trigger(&again).await;
    assert_eq!(answer["startedNow"], json!(["order-confirmation"]), "{answer:#}");
    day.until_polled().await;
    let traces = day.end().await.remove("trace").unwrap();
    let started = traces.iter().filter(|row| row["message"].as_str().unwrap().contains(r#""journeyStarted""#));
    let by_operator =
        started.filter(|row| row["message"].as_str().unwrap().contains(r#""function":"trigger-journey""#));
    assert_eq!(by_operator.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_is_wrong() {
    let day = Day::begin("wrong-setting", environment().await, &[("OrderConfirmationTrigger", "")]).await;
    day.until_logged("handlerNotStarted", 3).await;
    day.end().await;
}
