use chrono::DateTime;
use serde_json::Value;

use super::*;
use crate::environment::{EnvironmentOptions, SUBSCRIPTION, TOPIC};
use crate::faults::{FaultRates, Faults, Mischief};
use crate::host::{Connection, Entity, MessageSource, ServiceBusTrigger};
use crate::service_bus::NewMessage;

async fn environment(clock: &Clock) -> Environment {
    Environment::start(EnvironmentOptions::new(clock.clone())).await.unwrap()
}

fn simulated() -> Clock {
    Clock::simulated(DateTime::from_timestamp(1_760_000_000, 0).unwrap())
}

fn with(dependency: Dependency, mischief: Mischief) -> FaultProfile {
    FaultProfile::none().with(dependency, FaultRates { mischief, ..FaultRates::default() })
}

/// Tricks, every ten seconds or so.
fn tricks(dependency: Dependency) -> FaultProfile {
    with(dependency, Mischief { every: Some(Duration::from_secs(10)), late: Duration::from_secs(12), races: 0.0 })
}

fn message(id: &str) -> NewMessage {
    NewMessage { message_id: Some(id.to_owned()), body: "1".into(), ..NewMessage::default() }
}

async fn token(environment: &Environment) -> String {
    let settings = environment.settings_with_secrets();
    let url = format!("{}{}/oauth2/v2.0/token", settings["DataverseAuthority"], settings["DataverseTenantId"]);
    let scope = format!("{}/.default", settings["DataverseUrl"].trim_end_matches('/'));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &settings["DataverseClientId"]),
        ("client_secret", &settings["DataverseClientSecret"]),
        ("scope", &scope),
    ];
    let reply = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    reply.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned()
}

fn contact_url(environment: &Environment) -> String {
    let contact = environment.dataverse().contacts().remove(0).id;
    format!("{}api/data/v9.2/contacts({contact})", environment.url(Dependency::Dataverse))
}

/// When each outage of an hour begins and ends.
async fn outages(seed: u64) -> Vec<(bool, i64)> {
    let clock = simulated();
    let busy = clock.busy();
    let environment = environment(&clock).await;
    let begun = clock.now();
    let outages = Some(Outages { every: Duration::from_secs(60), longest: Duration::from_secs(5) });
    let climate = FaultProfile::none().with(Dependency::Commerce, FaultRates { outages, ..FaultRates::default() });
    let _storm = FaultSchedule::start(&environment, climate, seed);
    let mut reachable = environment.served(Dependency::Commerce).reachability();
    let mut seen = vec![(true, 0)];
    drop(busy);
    while clock.now() - begun < TimeDelta::hours(1) {
        let _busy = clock.sleep(Duration::from_millis(500)).await;
        let now = *reachable.borrow_and_update();
        if seen.last().is_some_and(|(before, _)| *before != now) {
            seen.push((now, (clock.now() - begun).num_milliseconds()));
        }
    }
    seen
}

#[tokio::test]
async fn dependencies_go_and_come_back() {
    let seen = outages(3).await;
    assert!((60..200).contains(&seen.len()), "{}", seen.len());
    let lengths = seen.windows(2).filter(|pair| !pair[0].0).map(|pair| pair[1].1 - pair[0].1);
    assert!(lengths.clone().all(|length| (500..=5500).contains(&length)), "{:?}", lengths.collect::<Vec<_>>());
    assert_eq!(seen, outages(3).await);
    assert_ne!(seen, outages(4).await);
}

#[tokio::test]
async fn an_outage_refuses_connections_until_the_storm_is_over() {
    let clock = simulated();
    let busy = clock.busy();
    let environment = environment(&clock).await;
    let long = Duration::from_secs(3600);
    let outages = Some(Outages { every: Duration::from_millis(1), longest: long });
    let climate = FaultProfile::none().with(Dependency::Dataverse, FaultRates { outages, ..FaultRates::default() });
    let storm = FaultSchedule::start(&environment, climate, 1);
    let mut reachable = environment.served(Dependency::Dataverse).reachability();
    drop(busy);
    reachable.wait_for(|reachable| !reachable).await.unwrap();
    // The port is let go of a moment later.
    let refused = async {
        loop {
            match reqwest::get(environment.url(Dependency::Dataverse)).await {
                Err(error) if error.is_connect() => break,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    refused.await;
    storm.calm();
    reachable.wait_for(|reachable| *reachable).await.unwrap();
}

#[tokio::test]
async fn tokens_expire_before_their_time() {
    let clock = simulated();
    let busy = clock.busy();
    let environment = environment(&clock).await;
    let token = token(&environment).await;
    let url = contact_url(&environment);
    let status = async || reqwest::Client::new().get(&url).bearer_auth(&token).send().await.unwrap().status().as_u16();
    assert_eq!(status().await, 200);
    let _storm = FaultSchedule::start(&environment, tricks(Dependency::Entra), 1);
    drop(busy);
    let _busy = clock.sleep(Duration::from_secs(300)).await;
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn messages_are_doubled_and_locks_run_out() {
    let clock = simulated();
    let busy = clock.busy();
    let environment = environment(&clock).await;
    environment.broker().send(TOPIC, vec![message("first")]).unwrap();
    let held = environment.broker().receive(&environment.subscription()).await.unwrap();
    let renewed = async |lock| {
        for _ in 0..40 {
            let _busy = clock.sleep(Duration::from_secs(10)).await;
            if environment.broker().renew(lock).is_err() {
                return false;
            }
        }
        true
    };
    let storm = FaultSchedule::start(&environment, tricks(Dependency::ServiceBus), 1);
    let lock = held.lock_token;
    drop((busy, held));
    assert!(!renewed(lock).await);
    environment.broker().send(TOPIC, vec![message("second")]).unwrap();
    assert!(environment.counts().active > 2, "{:?}", environment.counts());
    storm.calm();
}

#[tokio::test]
async fn events_are_late_and_out_of_order() {
    let clock = simulated();
    let busy = clock.busy();
    let environment = environment(&clock).await;
    let storm = FaultSchedule::start(&environment, tricks(Dependency::Commerce), 1);
    drop(busy);
    for action in environment.shop().plan(60, 1) {
        let _busy = clock.sleep(Duration::from_secs(2)).await;
        environment.shop().perform(&action).unwrap();
    }
    storm.calm();
    let commits: Vec<_> = environment.ledger().iter().map(|entry| entry.committed).collect();
    assert!(!commits.is_sorted());
    let _busy = clock.busy();
    let written = environment.shop().perform(&environment.shop().plan(1, 2)[0]).unwrap();
    assert_eq!(environment.ledger().last().unwrap().committed, clock.now(), "{written:?}");
}

#[tokio::test]
async fn somebody_else_is_quicker() {
    let environment = environment(&Clock::real()).await;
    let (token, url) = (token(&environment).await, contact_url(&environment));
    let http = reqwest::Client::new();
    let etag = async || {
        let row = http.get(&url).bearer_auth(&token).send().await.unwrap().json::<Value>().await.unwrap();
        row["@odata.etag"].as_str().unwrap().to_owned()
    };
    let write = async |etag: String| {
        let request = http.patch(&url).bearer_auth(&token).header("if-match", etag);
        request.json(&serde_json::json!({ "firstname": "Ann" })).send().await.unwrap().status().as_u16()
    };
    let storm = FaultSchedule::start(
        &environment,
        with(Dependency::Dataverse, Mischief { races: 1.0, ..Mischief::default() }),
        1,
    );
    assert_eq!(write(etag().await).await, 412);
    storm.calm();
    assert_eq!(write(etag().await).await, 204);
}

#[tokio::test]
async fn a_completion_can_be_missed() {
    let environment = environment(&Clock::real()).await;
    let trigger = ServiceBusTrigger {
        binding: "message".to_owned(),
        entity: Entity::Subscription { topic: TOPIC.to_owned(), subscription: SUBSCRIPTION.to_owned() },
        connection: Connection::String(environment.settings()["ServiceBusConnection"].clone()),
        binary: false,
    };
    let source: Arc<dyn MessageSource> = environment.sources()(&trigger).unwrap();
    environment.broker().send(TOPIC, vec![message("a")]).unwrap();
    let delivery = source.receive().await;
    let storm = FaultSchedule::start(
        &environment,
        with(Dependency::ServiceBus, Mischief { races: 8.0, ..Mischief::default() }),
        1,
    );
    assert!(source.complete(delivery.lock_token).await.is_err());
    assert_eq!(environment.counts().locked, 1);
    storm.calm();
    source.complete(delivery.lock_token).await.unwrap();
    assert_eq!(environment.counts().locked, 0);
}

#[tokio::test]
async fn the_weather_before_goes_on_and_comes_back() {
    let environment = environment(&Clock::real()).await;
    let status = async || reqwest::get(environment.url(Dependency::Commerce)).await.unwrap().status().as_u16();
    let rain = |fault| FaultRates { faults: fault, ..FaultRates::default() };
    let unavailable = Faults { unavailable: 1.0, ..Faults::default() };
    let outer =
        FaultSchedule::start(&environment, FaultProfile::none().with(Dependency::Commerce, rain(unavailable)), 1);
    let inner = FaultSchedule::start(&environment, FaultProfile::none().with(Dependency::Entra, rain(unavailable)), 1);
    assert_eq!(status().await, 503);
    inner.calm();
    assert_eq!(status().await, 503);
    outer.calm();
    assert_eq!(status().await, 404);
}
