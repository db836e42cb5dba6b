use chrono::DateTime;
use serde_json::Value;

use super::*;
use crate::environment::{EnvironmentOptions, SUBSCRIPTION, TOPIC};
use crate::faults::{BackgroundFaults, CallFaults, FaultRates};
use crate::host::{Connection, Entity, MessageSource, ServiceBusTrigger};
use crate::service_bus::NewMessage;

async fn environment(clock: &Clock) -> Environment {
    Environment::start(EnvironmentOptions::new(clock.clone())).await.unwrap()
}

fn simulated() -> Clock {
    Clock::simulated(DateTime::from_timestamp(1_760_000_000, 0).unwrap())
}

fn with(dependency: Dependency, background: BackgroundFaults) -> FaultProfile {
    FaultProfile::none().with(dependency, FaultRates { background, ..FaultRates::default() })
}

/// Background faults, about every ten seconds.
fn background_faults(dependency: Dependency) -> FaultProfile {
    with(
        dependency,
        BackgroundFaults {
            interval: Some(Duration::from_secs(10)),
            max_delay: Duration::from_secs(12),
            conflicts: 0.0,
        },
    )
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
    let hold = clock.hold();
    let environment = environment(&clock).await;
    let begun = clock.now();
    let outages = Some(Outages { interval: Duration::from_secs(60), max_duration: Duration::from_secs(5) });
    let profile = FaultProfile::none().with(Dependency::Commerce, FaultRates { outages, ..FaultRates::default() });
    let _schedule = FaultSchedule::start(&environment, profile, seed);
    let mut reachable = environment.served(Dependency::Commerce).reachability();
    let mut seen = vec![(true, 0)];
    drop(hold);
    while clock.now() - begun < TimeDelta::hours(1) {
        let _hold = clock.sleep(Duration::from_millis(500)).await;
        let now = *reachable.borrow_and_update();
        if seen.last().is_some_and(|(before, _)| *before != now) {
            seen.push((now, (clock.now() - begun).num_milliseconds()));
        }
    }
    seen
}

#[tokio::test]
async fn outages_begin_and_end() {
    let seen = outages(3).await;
    assert!((60..200).contains(&seen.len()), "{}", seen.len());
    let lengths = seen.windows(2).filter(|pair| !pair[0].0).map(|pair| pair[1].1 - pair[0].1);
    assert!(lengths.clone().all(|length| (500..=5500).contains(&length)), "{:?}", lengths.collect::<Vec<_>>());
    assert_eq!(seen, outages(3).await);
    assert_ne!(seen, outages(4).await);
}

#[tokio::test]
async fn an_outage_refuses_connections_until_the_schedule_is_stopped() {
    let clock = simulated();
    let hold = clock.hold();
    let environment = environment(&clock).await;
    let long = Duration::from_secs(3600);
    let outages = Some(Outages { interval: Duration::from_millis(1), max_duration: long });
    let profile = FaultProfile::none().with(Dependency::Dataverse, FaultRates { outages, ..FaultRates::default() });
    let schedule = FaultSchedule::start(&environment, profile, 1);
    let mut reachable = environment.served(Dependency::Dataverse).reachability();
    drop(hold);
    reachable.wait_for(|reachable| !reachable).await.unwrap();
    // The port is released a moment later.
    let refused = async {
        loop {
            match reqwest::get(environment.url(Dependency::Dataverse)).await {
                Err(error) if error.is_connect() => break,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    refused.await;
    schedule.stop();
    reachable.wait_for(|reachable| *reachable).await.unwrap();
}

#[tokio::test]
async fn tokens_expire_early() {
    let clock = simulated();
    let hold = clock.hold();
    let environment = environment(&clock).await;
    let token = token(&environment).await;
    let url = contact_url(&environment);
    let status = async || reqwest::Client::new().get(&url).bearer_auth(&token).send().await.unwrap().status().as_u16();
    assert_eq!(status().await, 200);
    let _schedule = FaultSchedule::start(&environment, background_faults(Dependency::Entra), 1);
    drop(hold);
    let _hold = clock.sleep(Duration::from_secs(300)).await;
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn messages_are_duplicated_and_locks_expire() {
    let clock = simulated();
    let hold = clock.hold();
    let environment = environment(&clock).await;
    environment.broker().send(TOPIC, vec![message("first")]).unwrap();
    let held = environment.broker().receive(&environment.subscription()).await.unwrap();
    let renewed = async |lock| {
        for _ in 0..40 {
            let _hold = clock.sleep(Duration::from_secs(10)).await;
            if environment.broker().renew(lock).is_err() {
                return false;
            }
        }
        true
    };
    let schedule = FaultSchedule::start(&environment, background_faults(Dependency::ServiceBus), 1);
    let lock = held.lock_token;
    drop((hold, held));
    assert!(!renewed(lock).await);
    environment.broker().send(TOPIC, vec![message("second")]).unwrap();
    assert!(environment.counts().active > 2, "{:?}", environment.counts());
    schedule.stop();
}

#[tokio::test]
async fn events_are_committed_late_and_out_of_order() {
    let clock = simulated();
    let hold = clock.hold();
    let environment = environment(&clock).await;
    let schedule = FaultSchedule::start(&environment, background_faults(Dependency::Commerce), 1);
    drop(hold);
    for action in environment.shop().plan(60, 1) {
        let _hold = clock.sleep(Duration::from_secs(2)).await;
        environment.shop().perform(&action).unwrap();
    }
    schedule.stop();
    let commits: Vec<_> = environment.ledger().iter().map(|entry| entry.committed).collect();
    assert!(!commits.is_sorted());
    let _hold = clock.hold();
    let written = environment.shop().perform(&environment.shop().plan(1, 2)[0]).unwrap();
    assert_eq!(environment.ledger().last().unwrap().committed, clock.now(), "{written:?}");
}

#[tokio::test]
async fn another_writer_changes_a_contact_first() {
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
    let schedule = FaultSchedule::start(
        &environment,
        with(Dependency::Dataverse, BackgroundFaults { conflicts: 1.0, ..BackgroundFaults::default() }),
        1,
    );
    assert_eq!(write(etag().await).await, 412);
    schedule.stop();
    assert_eq!(write(etag().await).await, 204);
}

#[tokio::test]
async fn completing_a_message_can_fail() {
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
    let schedule = FaultSchedule::start(
        &environment,
        with(Dependency::ServiceBus, BackgroundFaults { conflicts: 8.0, ..BackgroundFaults::default() }),
        1,
    );
    assert!(source.complete(delivery.lock_token).await.is_err());
    assert_eq!(environment.counts().locked, 1);
    schedule.stop();
    source.complete(delivery.lock_token).await.unwrap();
    assert_eq!(environment.counts().locked, 0);
}

#[tokio::test]
async fn the_previous_faults_continue_and_are_restored() {
    let environment = environment(&Clock::real()).await;
    let status = async || reqwest::get(environment.url(Dependency::Commerce)).await.unwrap().status().as_u16();
    let rates_of = |fault| FaultRates { calls: fault, ..FaultRates::default() };
    let unavailable = CallFaults { unavailable: 1.0, ..CallFaults::default() };
    let outer =
        FaultSchedule::start(&environment, FaultProfile::none().with(Dependency::Commerce, rates_of(unavailable)), 1);
    let inner =
        FaultSchedule::start(&environment, FaultProfile::none().with(Dependency::Entra, rates_of(unavailable)), 1);
    assert_eq!(status().await, 503);
    inner.stop();
    assert_eq!(status().await, 503);
    outer.stop();
    assert_eq!(status().await, 404);
}
