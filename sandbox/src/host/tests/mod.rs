use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::testing::{ALL, Folder, InProcess, Queue, settings};
use super::*;

mod bytes;
mod stops;

fn midnight() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_054_400, 0).unwrap()
}

/// One invocation as the handler received it.
#[derive(Clone)]
struct Call {
    function: String,
    headers: HeaderMap,
    body: Value,
    at: DateTime<Utc>,
}

/// What the handler received, and how it behaves.
#[derive(Default)]
struct Seen {
    clock: Mutex<Option<Clock>>,
    calls: Mutex<Vec<Call>>,
    /// Planned answers; otherwise a correct one.
    answers: Mutex<Vec<(u16, &'static str, &'static str)>>,
    /// How long an invocation sleeps on the sandbox's clock.
    sleep: Mutex<Duration>,
    /// Invocations that are never answered.
    stuck: AtomicUsize,
}

impl Seen {
    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn invoked(
    State(seen): State<Arc<Seen>>,
    Path(function): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let clock = seen.clock.lock().unwrap().clone().unwrap();
    let body = serde_json::from_slice(&body).unwrap();
    seen.calls.lock().unwrap().push(Call { function, headers, body, at: clock.now() });
    if seen.stuck.load(Ordering::SeqCst) > 0 {
        seen.stuck.fetch_sub(1, Ordering::SeqCst);
        return std::future::pending().await;
    }
    let sleep = *seen.sleep.lock().unwrap();
    if !sleep.is_zero() {
        clock.sleep_inside(sleep).await;
    }
    let good = (200, "application/json", r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#);
    let (status, media_type, body) = seen.answers.lock().unwrap().pop().unwrap_or(good);
    (StatusCode::from_u16(status).unwrap(), [("content-type", media_type)], body).into_response()
}

async fn echoed(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let seen = json!({
        "method": parts.method.as_str(), "uri": parts.uri.to_string(), "body": String::from_utf8_lossy(&body),
        "own": parts.headers.get("x-own").is_some(),
        "id": parts.headers.get("x-azure-functions-invocationid").is_some(),
    });
    let headers: BTreeMap<_, _> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    let headers = serde_json::to_string(&headers).unwrap();
    (StatusCode::IM_A_TEAPOT, [("x-answer", "yes"), ("x-headers", headers.as_str())], seen.to_string()).into_response()
}

struct Environment {
    seen: Arc<Seen>,
    queue: Arc<Queue>,
    launch: Arc<InProcess>,
    host: Host,
}

/// A host at midnight, with a hold on simulated time.
fn environment(files: &[(&str, &str)], settings: &Settings) -> (Environment, crate::clock::TimeHold) {
    host_with_exits(files, settings, &[])
}

fn host_with_exits(
    files: &[(&str, &str)],
    settings: &Settings,
    exits: &[i32],
) -> (Environment, crate::clock::TimeHold) {
    let clock = Clock::simulated(midnight());
    let hold = clock.hold();
    let seen = Arc::new(Seen::default());
    *seen.clock.lock().unwrap() = Some(clock.clone());
    let router = Router::new()
        .route("/", get(|| async { StatusCode::NOT_FOUND }))
        .route("/{function}", post(invoked))
        .route("/api/{function}", any(echoed))
        .with_state(seen.clone());
    let launch = InProcess::new(router);
    launch.exits.lock().unwrap().extend(exits);
    let queue = Queue::new(&clock);
    let source = queue.clone();
    let folder = Folder::new(files);
    let host = Host::start(HostOptions {
        app: App::read(folder.path(), settings).unwrap(),
        clock: clock.clone(),
        launch: launch.clone(),
        sources: Box::new(move |_| Ok(source.clone())),
        keys: Keys { function: "f-key".to_owned(), master: "m-key".to_owned() },
        requests: HttpRequests::default(),
        output: Arc::new(|_, _| {}),
    })
    .unwrap();
    (Environment { seen, queue, launch, host }, hold)
}

/// The next event. Fails instead of waiting for ever.
async fn next(events: &mut broadcast::Receiver<HostEvent>) -> HostEvent {
    let bound = std::time::Duration::from_secs(120);
    tokio::time::timeout(bound, events.recv()).await.expect("the host reports an event in time").unwrap()
}

/// Waits for the `count`th end of an invocation.
async fn ended(events: &mut broadcast::Receiver<HostEvent>) -> (String, Outcome, TimeDelta) {
    loop {
        if let HostEvent::Ended { function, outcome, took, .. } = next(events).await {
            return (function, outcome, took);
        }
    }
}

async fn wait_for(events: &mut broadcast::Receiver<HostEvent>, wanted: impl Fn(&HostEvent) -> bool) -> HostEvent {
    loop {
        let event = next(events).await;
        if wanted(&event) {
            return event;
        }
    }
}

#[tokio::test]
async fn the_handler_receives_its_port_and_its_settings() {
    let (environment, _hold) = environment(&ALL, &settings());
    assert!(environment.host.ready().await);
    let started = environment.launch.started.lock().unwrap();
    let environment = &started[0].environment;
    assert_eq!(environment["FUNCTIONS_CUSTOMHANDLER_PORT"], started[0].port.to_string());
    assert_eq!(environment["FUNCTIONS_WORKER_RUNTIME"], "custom");
    assert_eq!(environment["ServiceBusTopicName"], "order-events");
}

#[tokio::test]
async fn a_timer_runs_on_its_schedule() {
    let (environment, hold) = environment(&ALL[..2], &settings());
    let mut events = environment.host.events();
    drop(hold);
    for _ in 0..3 {
        assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    }
    let calls = environment.seen.calls();
    for (n, Call { function, headers, body, at }) in calls.iter().take(3).enumerate() {
        assert_eq!(function, "poll-events");
        assert_eq!(*at, midnight() + TimeDelta::seconds(20 * (n as i64 + 1)));
        assert_eq!(
            body["Data"]["timer"],
            json!({ "Schedule": { "AdjustForDST": true }, "ScheduleStatus": null, "IsPastDue": false })
        );
        assert_eq!(headers["transfer-encoding"], "chunked");
        assert_eq!(headers["user-agent"], "Azure-Functions-Host/4.1037.0.0");
        assert!(headers.contains_key("x-azure-functions-invocationid"));
    }
}

#[tokio::test]
async fn an_occurrence_within_a_run_follows_at_once() {
    let (environment, hold) = environment(&ALL[..2], &settings());
    let mut events = environment.host.events();
    *environment.seen.sleep.lock().unwrap() = Duration::from_secs(30);
    drop(hold);
    let (_, _, took) = ended(&mut events).await;
    assert_eq!(took, TimeDelta::seconds(30));
    ended(&mut events).await;
    let times: Vec<_> = environment.seen.calls().iter().map(|call| (call.at - midnight()).num_seconds()).collect();
    assert_eq!(times[..2], [20, 50]);
    assert_eq!(environment.host.counters().skipped, 0);
}

#[tokio::test]
async fn only_one_of_several_missed_occurrences_follows() {
    let (environment, hold) = environment(&ALL[..2], &settings());
    let mut events = environment.host.events();
    *environment.seen.sleep.lock().unwrap() = Duration::from_secs(65);
    drop(hold);
    ended(&mut events).await;
    ended(&mut events).await;
    let times: Vec<_> = environment.seen.calls().iter().map(|call| (call.at - midnight()).num_seconds()).collect();
    // The occurrence at 40 follows at 85; those at 60 and 80 never do.
    assert_eq!(times[..2], [20, 85]);
    assert!(environment.host.counters().skipped >= 2);
}

#[tokio::test]
async fn a_monitored_timer_repeats_a_lost_run() {
    let mut settings = settings();
    settings.insert("PollSchedule".to_owned(), "0 */5 * * * *".to_owned());
    let (environment, hold) = environment(&ALL[..2], &settings);
    let mut events = environment.host.events();
    environment.seen.stuck.store(1, Ordering::SeqCst);
    drop(hold);
    wait_for(&mut events, |event| matches!(event, HostEvent::Started { .. })).await;
    while environment.seen.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    environment.host.replace_handler(KillScope::Instance).await;
    assert_eq!(ended(&mut events).await.1, Outcome::Lost);
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    let calls = environment.seen.calls();
    assert_eq!(calls[1].body["Data"]["timer"]["IsPastDue"], true);
    assert_eq!(calls[1].body["Data"]["timer"]["ScheduleStatus"]["Last"], "0001-01-01T00:00:00+00:00");
}

#[tokio::test]
async fn a_message_arrives_encoded_twice_and_is_completed() {
    let (environment, _hold) =
        environment(&ALL[2..3].iter().chain(&ALL[..1]).copied().collect::<Vec<_>>(), &settings());
    let mut events = environment.host.events();
    environment.queue.send(r#"{"a":1}"#);
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    assert_eq!(environment.queue.counts(), (1, 0, 0, 0));
    let Call { function, body, .. } = &environment.seen.calls()[0];
    assert_eq!(function, "process-message");
    assert_eq!(body["Data"].to_string(), r#"{"message":"\"{\\\"a\\\":1}\""}"#);
    assert_eq!(body["Metadata"]["MessageId"], "\"m-1\"");
}

fn with_queue() -> (Environment, crate::clock::TimeHold) {
    environment(&[ALL[0], ALL[2]], &settings())
}

#[tokio::test]
async fn a_failure_abandons_the_message() {
    let (environment, _hold) = with_queue();
    let mut events = environment.host.events();
    environment.seen.answers.lock().unwrap().extend([(200, "text/plain", "fine"), (500, "application/json", "{}")]);
    environment.queue.send("x");
    assert!(matches!(ended(&mut events).await.1, Outcome::Failed(_)));
    assert!(matches!(ended(&mut events).await.1, Outcome::Failed(_)));
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    assert_eq!(environment.queue.counts(), (1, 2, 0, 0));
    assert_eq!(environment.seen.calls()[2].body["Metadata"]["DeliveryCount"], "3");
}

#[tokio::test]
async fn a_lock_is_renewed_during_the_invocation() {
    let (environment, hold) = with_queue();
    let mut events = environment.host.events();
    *environment.seen.sleep.lock().unwrap() = Duration::from_secs(240);
    environment.queue.send("x");
    drop(hold);
    let (_, outcome, took) = ended(&mut events).await;
    assert_eq!((outcome, took), (Outcome::Succeeded, TimeDelta::minutes(4)));
    assert_eq!(environment.queue.counts(), (1, 0, 0, 0));
    assert!(environment.host.counters().renewals >= 4);
}

#[tokio::test]
async fn a_lock_is_not_renewed_forever() {
    let (environment, hold) = with_queue();
    let mut events = environment.host.events();
    *environment.seen.sleep.lock().unwrap() = Duration::from_secs(420);
    environment.queue.send("x");
    drop(hold);
    let unsettled = wait_for(&mut events, |event| matches!(event, HostEvent::Unsettled { .. })).await;
    assert!(matches!(unsettled, HostEvent::Unsettled { reason, .. } if reason == "the lock is lost"));
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
}

#[tokio::test]
async fn an_empty_200_hangs_until_the_handler_is_killed() {
    let (environment, hold) = with_queue();
    let mut events = environment.host.events();
    environment.seen.answers.lock().unwrap().push((200, "application/json", ""));
    environment.queue.send("x");
    drop(hold);
    let (_, outcome, took) = ended(&mut events).await;
    assert_eq!((outcome, took), (Outcome::Failed("the function timed out".to_owned()), TimeDelta::minutes(10)));
    wait_for(&mut events, |event| matches!(event, HostEvent::HandlerStarted { .. })).await;
    assert_eq!(environment.host.counters().handler_starts, 2);
}

async fn stuck(environment: &Environment) {
    environment.seen.stuck.store(1, Ordering::SeqCst);
    environment.queue.send("x");
    while environment.seen.calls().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn messages_of_a_killed_process_are_abandoned() {
    let (environment, _hold) = with_queue();
    let mut events = environment.host.events();
    stuck(&environment).await;
    assert!(!environment.host.idle());
    environment.host.replace_handler(KillScope::Process).await;
    assert!(matches!(ended(&mut events).await.1, Outcome::Failed(_)));
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    assert_eq!(environment.queue.counts(), (1, 1, 0, 0));
    environment.host.until_idle().await;
}

#[tokio::test]
async fn locks_of_a_replaced_instance_expire() {
    let (environment, _hold) = with_queue();
    let mut events = environment.host.events();
    stuck(&environment).await;
    environment.host.replace_handler(KillScope::Instance).await;
    assert_eq!(ended(&mut events).await.1, Outcome::Lost);
    assert_eq!(environment.queue.counts(), (0, 0, 0, 1));
    environment.queue.send("y");
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    assert_eq!(environment.queue.counts(), (1, 0, 0, 1));
}

#[tokio::test]
async fn the_third_error_stops_the_host() {
    let (environment, _hold) = host_with_exits(&[ALL[0], ALL[2]], &settings(), &[1, 200, 1, 1]);
    let mut events = environment.host.events();
    wait_for(&mut events, |event| *event == HostEvent::Stopped).await;
    assert!(!environment.host.ready().await);
    environment.queue.send("x");
    environment.host.replace_handler(KillScope::Instance).await;
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    assert_eq!(environment.host.counters().handler_deaths, 4);
}

#[tokio::test]
async fn a_handler_that_exits_with_code_0_is_not_restarted() {
    let (environment, _hold) = host_with_exits(&[ALL[0], ALL[2]], &settings(), &[0]);
    assert!(!environment.host.ready().await);
    let mut events = environment.host.events();
    environment.queue.send("x");
    assert!(matches!(ended(&mut events).await.1, Outcome::Failed(_)));
    environment.host.replace_handler(KillScope::Process).await;
    assert!(environment.host.ready().await);
}

async fn served(environment: &Environment) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/trigger-journey", listener.local_addr().unwrap());
    let router = environment.host.router();
    (url, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

#[tokio::test]
async fn requests_are_forwarded_unchanged() {
    let (environment, _hold) = environment(&[ALL[0], ALL[3]], &settings());
    let (url, _server) = served(&environment).await;
    let client = reqwest::Client::new();
    let url = format!("{url}?code=f-key&x=1");
    let answer = client.post(url).header("x-own", "1").body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 418);
    assert_eq!(answer.headers()["x-answer"], "yes");
    let seen: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(
        seen,
        json!({
            "method": "POST", "uri": "/api/trigger-journey?code=f-key&x=1", "body": "{}", "own": true, "id": true,
        })
    );
}

#[tokio::test]
async fn a_request_with_a_wrong_key_or_method_is_rejected() {
    let (environment, _hold) = environment(&[ALL[0], ALL[3]], &settings());
    let (url, _server) = served(&environment).await;
    let client = reqwest::Client::new();
    assert_eq!(client.post(&url).send().await.unwrap().status(), 401);
    assert_eq!(client.post(&url).header("x-functions-key", "no").send().await.unwrap().status(), 401);
    assert_eq!(client.get(&url).header("x-functions-key", "f-key").send().await.unwrap().status(), 404);
    assert_eq!(client.post(&url).header("x-functions-key", "m-key").send().await.unwrap().status(), 418);
    assert_eq!(environment.host.counters().refused, 2);
}
