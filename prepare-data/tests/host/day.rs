//! The app's folder as it is shipped, under the sandbox's Functions host, in simulated time.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use prepare_data::host::{FUNCTIONS, Summary, listen, serve};
use sandbox::clock::{Clock, TimeHold};
use sandbox::host::{
    App, Exit, Host, HostEvent, HostOptions, HttpRequests, Keys, KillScope, Launch, Launched, Outcome, Settings, Start,
};
use serde_json::Value;
use tokio::sync::{Notify, broadcast};

use crate::script::{Course, Script};

fn shipped(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn app() -> App {
    let local: Value = serde_json::from_str(&shipped("local.settings.json")).unwrap();
    let settings: Settings = serde_json::from_value(local["Values"].clone()).unwrap();
    App::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("functions"), &settings).unwrap()
}

/// Serves in this process, in place of one of its own.
struct InProcess(Arc<Script>);

#[async_trait]
impl Launch for InProcess {
    async fn launch(&self, start: Start) -> std::io::Result<Launched> {
        let environment = start.environment;
        let listener = listen(|name| environment.get(name).cloned()).await.map_err(std::io::Error::other)?;
        let served = tokio::spawn(serve(listener, std::future::pending(), self.0.job()));
        let (kill, killed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (order, end) = (kill.clone(), killed.clone());
        tokio::spawn(async move {
            order.notified().await;
            served.abort();
            end.notify_one();
        });
        Ok(Launched {
            port: start.port,
            process: None,
            kill: Box::new(move || kill.notify_one()),
            exited: Box::pin(async move {
                killed.notified().await;
                Exit(None)
            }),
        })
    }
}

struct Day {
    script: Arc<Script>,
    clock: Clock,
    midnight: DateTime<Utc>,
    host: Host,
    events: broadcast::Receiver<HostEvent>,
}

impl Day {
    /// A day that begins at midnight when the guard is dropped.
    fn new(course: Course) -> (Self, TimeHold) {
        let midnight: DateTime<Utc> = "2026-03-02T00:00:00Z".parse().unwrap();
        let clock = Clock::simulated(midnight);
        let busy = clock.hold();
        let script = Script::new(course, clock.clone());
        let host = Host::start(HostOptions {
            app: app(),
            clock: clock.clone(),
            launch: Arc::new(InProcess(script.clone())),
            sources: Box::new(|trigger| Err(format!("{trigger:?} is not expected"))),
            keys: Keys { function: "f".to_owned(), master: "m".to_owned() },
            requests: HttpRequests::default(),
            output: Arc::new(|_, _| {}),
        })
        .unwrap();
        let events = host.events();
        (Self { script, clock, midnight, host, events }, busy)
    }

    async fn ended(&mut self) -> Outcome {
        loop {
            let event = tokio::time::timeout(crate::TOO_LONG, self.events.recv()).await;
            if let HostEvent::Ended { outcome, .. } = event.expect("an invocation ends in time").unwrap() {
                return outcome;
            }
        }
    }

    /// The hours of the day at which preparations have started.
    fn hours(&self) -> Vec<i64> {
        self.script.times().into_iter().map(|time| (time - self.midnight).num_hours()).collect()
    }
}

#[test]
fn folders_and_handler_name_the_same_functions() {
    let found: Vec<String> = app().functions.into_iter().map(|function| function.name).collect();
    assert_eq!(found, FUNCTIONS);
}

#[test]
fn the_host_waits_as_long_as_a_scale_in_does() {
    // Longer, and a preparation that is cut off by a scale-in would be one that the host allowed.
    assert_eq!(app().function_timeout, Some(std::time::Duration::from_secs(3600)));
}

#[tokio::test]
async fn a_day_has_four_preparations() {
    let (mut day, busy) = Day::new(Course::Ends(Ok(Summary::default())));
    assert!(day.host.ready().await);
    drop(busy);
    for _ in 0..5 {
        assert_eq!(day.ended().await, Outcome::Succeeded);
    }
    assert_eq!(day.hours()[..5], [3, 9, 15, 21, 27]);
}

#[tokio::test]
async fn a_preparation_that_died_with_its_instance_is_made_up_for_at_once() {
    let (mut day, busy) = Day::new(Course::Waits);
    assert!(day.host.ready().await);
    drop(busy);
    day.script.until_started(1).await;
    day.script.set(Course::Ends(Ok(Summary::default())));
    let held = day.clock.hold();
    day.host.replace_handler(KillScope::Instance).await;
    drop(held);
    assert_eq!(day.ended().await, Outcome::Lost);
    assert_eq!(day.ended().await, Outcome::Succeeded);
    assert_eq!(day.hours()[..2], [3, 3], "not only when the next one is due");
}
