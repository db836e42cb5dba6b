//! Single faults that last: what hangs, what is refused for good, and what is slow. Each affects only its own event.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::clock::Clock;
use sandbox::environment::EnvironmentOptions;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};
use sandbox::service_bus::{NewMessage, Property};
use sandbox::shop::EventRow;
use serde_json::Value;

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// An answer of Service Bus with this status.
fn refusal(status: u16, detail: &str) -> FaultAction {
    let status = StatusCode::from_u16(status).unwrap();
    let body = format!("<Error><Code>{}</Code><Detail>{detail}</Detail></Error>", status.as_u16());
    FaultAction::Refuse(ErrorReply { body, ..ErrorReply::bare(status) })
}

fn to_service_bus(action: FaultAction) -> impl Fn(&Call) -> FaultAction {
    move |call| if call.dependency == Dependency::ServiceBus { action.clone() } else { FaultAction::Serve }
}

fn status_and_reason(record: &Value) -> (&str, &str) {
    (record["status"].as_str().unwrap_or_default(), record["reason"]["code"].as_str().unwrap_or_default())
}

/// The message of an event that has failed in the poller has no details, and may arrive before the record contains the
/// failure.
#[tokio::test]
async fn a_cart_that_failed_is_never_taken_for_an_emptied_one() {
    let mut test = Plan::usual().with_journeys(crate::environment::all_journeys()).open().await;
    test.environment.served(Dependency::Dataverse).set_reachable(false);
    let cart = test.fill_cart(sandbox::shop::CHANNELS[0].id, Some(&test.stranger()), 1);
    test.minute().await;
    assert_eq!(status_and_reason(&test.record(&cart).await), ("retrying", "dataverseUnavailable"));
    let details = serde_json::json!({
        "EventTransactionId": cart.transaction_id, "EventDateTime": cart.date_time.to_string(),
        "EventType": cart.event_type, "EventDataAreaId": cart.data_area_id,
        "EventChannelId": cart.channel_id, "EventCustomerId": cart.customer_id});
    let body = serde_json::json!({"OrderDetails": null, "CustomerDetails": null, "EventDetails": details});
    let reason = r#"{"code":"commerceUnavailable","detail":"no answer"}"#;
    let message = NewMessage {
        body: body.to_string().into(),
        application_properties: [("FailureReason".to_owned(), Property::Text(reason.to_owned()))].into(),
        ..NewMessage::default()
    };
    test.environment.broker().send(sandbox::environment::TOPIC, vec![message]).unwrap();
    test.minute().await;
    assert_eq!(status_and_reason(&test.record(&cart).await), ("failed", "commerceUnavailable"));
    test.environment.served(Dependency::Dataverse).set_reachable(true);
    test.pass(TimeDelta::minutes(30)).await;
    assert_eq!(test.environment.dataverse().started(), []);
    assert_eq!(test.environment.counts().dead_lettered, 2, "its own message, and the one that waited");
}

#[tokio::test]
async fn a_message_that_service_bus_rejects_fails_after_the_retry_horizon() {
    for (status, code) in [(413, "messageTooLarge"), (400, "messageRefused")] {
        let mut test = Plan::usual().with("RetryHorizon", "00:02:00").open().await;
        let faults = Script::new(&Calls::default(), to_service_bus(refusal(status, "SubCode=40000.")));
        test.environment.network().set_faults(faults);
        let event = test.checkout(Some(&test.stranger()), None);
        test.minute().await;
        assert_eq!(status_and_reason(&test.record(&event).await), ("retrying", code));
        // Minute by minute: on a busy machine, simulated time can pass before a run has ended.
        for _ in 0..30 {
            test.minute().await;
            if test.record(&event).await["status"] == "failed" {
                break;
            }
        }
        assert_eq!(status_and_reason(&test.record(&event).await), ("failed", code));
    }
}

#[tokio::test]
async fn a_lost_right_to_send_is_an_outage_and_counts_against_no_event() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    let denied = refusal(403, "40103: Unauthorized access. 'Send' claim(s) are required to perform this operation.");
    test.environment.network().set_faults(Script::new(&calls, to_service_bus(denied)));
    let events: Vec<EventRow> = (0..5).map(|n| test.checkout(None, Some(&format!("guest{n}@example.org")))).collect();
    test.minute().await;
    for event in &events {
        let record = test.record(event).await;
        assert_eq!((record["status"].as_str(), &record["retryCount"]), (Some("new"), &Value::from(0)), "{record:#}");
    }
    assert!(calls.at(Dependency::ServiceBus) <= 3, "{} requests", calls.at(Dependency::ServiceBus));
    test.environment.network().set_faults(NoFaults::default());
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn after_a_failed_publication_no_further_batch_is_sent() {
    let mut test = Plan::usual().with("ServiceBusMaxMessageBytes", "16384").open().await;
    let calls = Calls::default();
    let unavailable = refusal(503, "The service is not available.");
    test.environment.network().set_faults(Script::new(&calls, to_service_bus(unavailable)));
    for n in 0..60 {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    test.pass(TimeDelta::seconds(25)).await;
    // Two concurrent batches. The first failure is seen after its retry.
    assert!(calls.at(Dependency::ServiceBus) <= 4, "{} requests", calls.at(Dependency::ServiceBus));
    test.environment.network().set_faults(NoFaults::default());
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn outcomes_that_cannot_be_recorded_are_carried_by_the_rescheduled_message() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    let (clock, seen) = (test.environment.clock().clone(), std::sync::Mutex::new(None));
    let fault = move |call: &Call| {
        let mut since = seen.lock().unwrap();
        if call.path.ends_with(Journey::OrderConfirmation.trigger()) {
            since.get_or_insert((clock.now(), 0));
            return FaultAction::Serve;
        }
        match since.as_mut() {
            Some((began, requests)) if call.dependency == Dependency::Cosmos => {
                *requests += 1;
                let status = if *requests == 1 { StatusCode::PRECONDITION_FAILED } else { StatusCode::FORBIDDEN };
                let lasts = clock.now() - *began < TimeDelta::seconds(40);
                if lasts { FaultAction::Refuse(ErrorReply::bare(status)) } else { FaultAction::Serve }
            }
            _ => FaultAction::Serve,
        }
    };
    test.environment.network().set_faults(Script::new(&calls, fault));
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(10)).await;
    let record = test.record(&event).await;
    let outcome = &record["journeys"]["order-confirmation"];
    assert_eq!((&outcome["state"], outcome.get("uncertain")), (&Value::from("started"), None), "{record:#}");
    assert_eq!(calls.to(Journey::OrderConfirmation.trigger()), 1);
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_row_that_cosmos_db_rejects_is_a_bad_event_and_holds_up_no_other() {
    let mut test = TestEnvironment::usual().await;
    let good = test.checkout(None, Some("before@example.org"));
    let large = EventRow { terminal_id: "x".repeat(2_300_000), event_type: "Checkout".to_owned(), ..good.clone() };
    let large = EventRow { transaction_id: "LARGE".to_owned(), ..large };
    test.shop().emit_unfitted_event(large.clone());
    let later = test.checkout(None, Some("after@example.org"));
    test.minute().await;
    assert_eq!(test.record(&good).await["status"], "processed");
    assert_eq!(test.record(&later).await["status"], "processed");
    assert_eq!(status_and_reason(&test.record(&large).await), ("failed", "malformedEvent"));
    assert_eq!(test.environment.counts().dead_lettered, 1);
}

#[tokio::test]
async fn events_that_together_exceed_a_batch_are_recorded() {
    let mut test = TestEnvironment::usual().await;
    let good = test.checkout(None, Some("before@example.org"));
    let events: Vec<EventRow> = (0..4)
        .map(|n| EventRow {
            transaction_id: format!("LARGE{n}"),
            event_type: "AddCartLines".to_owned(),
            staff_id: "x".repeat(900_000),
            ..good.clone()
        })
        .collect();
    events.iter().for_each(|event| test.shop().emit_unfitted_event(event.clone()));
    test.minute().await;
    for event in &events {
        assert_ne!(test.record(event).await["reason"]["code"], "malformedEvent");
    }
}

#[tokio::test]
async fn a_record_that_cosmos_db_rejects_later_fails_and_holds_up_no_other() {
    const LARGEST_REQUEST: usize = 2 * 1024 * 1024;
    let mut test = TestEnvironment::usual().await;
    let good = test.checkout(None, Some("before@example.org"));
    test.minute().await;
    // Records of which some fit when they are created, and are too large when they are saved with more fields.
    let usual = test.record(&good).await.to_string().len();
    let events: Vec<EventRow> = (6..16)
        .map(|n| EventRow {
            transaction_id: format!("LARGE{n}"),
            event_type: "AddCartLines".to_owned(),
            staff_id: "x".repeat(LARGEST_REQUEST - usual - 300 + 40 * n),
            ..good.clone()
        })
        .collect();
    events.iter().for_each(|event| test.shop().emit_unfitted_event(event.clone()));
    let later = test.checkout(None, Some("after@example.org"));
    test.pass(TimeDelta::minutes(3)).await;
    let (records, mut shortened) = (test.records().await, 0);
    for event in &events {
        let record = &records[&(event.transaction_id.clone(), event.event_type.clone())];
        let (status, code) = status_and_reason(record);
        assert_eq!(status, "failed", "{}", event.transaction_id);
        shortened += usize::from(code == "messageTooLarge" && record.to_string().len() < 10_000);
    }
    assert!(shortened > 0, "no record was rejected after it was created");
    assert_eq!(test.record(&later).await["status"], "processed");
}

/// For time-outs, which are measured in real time.
fn in_real_time() -> Plan {
    let plan = Plan { environment: EnvironmentOptions::new(Clock::real()), ..Plan::usual() };
    plan.with("PollSchedule", "* * * * * *").with("RetryFirstDelay", "00:00:01")
}

#[tokio::test]
async fn deliveries_are_answered_soon_when_the_identity_endpoint_hangs() {
    const SALES: usize = 16;
    let mut test = in_real_time().with("RequestTimeout", "00:00:05").with("RetryFirstDelay", "00:00:30").open().await;
    let calls = Calls::default();
    // The poller has its token. Dataverse's token is requested by the first delivery.
    let hang = |call: &Call| match call.dependency {
        Dependency::Entra if call.own_number > 0 => FaultAction::Hang,
        _ => FaultAction::Serve,
    };
    test.environment.network().set_faults(Script::new(&calls, hang));
    for n in 0..SALES {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    test.until(|_| calls.at(Dependency::Entra) > 1).await;
    let began = Instant::now();
    test.until(|test| test.environment.counts().scheduled == SALES || began.elapsed() > Duration::from_secs(60)).await;
    let took = began.elapsed();
    assert_eq!(test.environment.counts().scheduled, SALES);
    assert!(took < Duration::from_secs(15), "{took:?}");
    test.environment.network().set_faults(NoFaults::default());
    test.until(|test| test.environment.dataverse().started().len() == SALES).await;
}

#[tokio::test]
async fn deliveries_are_answered_soon_when_service_bus_hangs_too() {
    const SALES: usize = 16;
    let mut test = in_real_time().with("RequestTimeout", "00:00:05").with("RetryFirstDelay", "00:00:30").open().await;
    let (calls, published) = (Calls::default(), std::sync::atomic::AtomicBool::new(false));
    let hang = move |call: &Call| match call.dependency {
        // The poller has its token, and publishes once. The rest has to wait for tokens of the same identity endpoint.
        Dependency::Entra if call.own_number > 0 => FaultAction::Hang,
        Dependency::ServiceBus if published.swap(true, std::sync::atomic::Ordering::SeqCst) => FaultAction::Hang,
        _ => FaultAction::Serve,
    };
    test.environment.network().set_faults(Script::new(&calls, hang));
    for n in 0..SALES {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    let answered = |test: &TestEnvironment| {
        test.app.host().counters().functions.get("process-message").map_or(0, |it| it.succeeded)
    };
    test.until(|_| calls.at(Dependency::Entra) > 1).await;
    let began = Instant::now();
    test.until(|test| answered(test) >= SALES as u64 || began.elapsed() > Duration::from_secs(60)).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    test.environment.network().set_faults(NoFaults::default());
    test.until(|test| test.environment.dataverse().started().len() == SALES).await;
    assert_eq!(test.environment.counts().dead_lettered, 0);
}

#[tokio::test]
async fn a_poll_is_answered_soon_when_the_identity_endpoint_hangs() {
    let test = in_real_time().with("PollSchedule", "0 0 0 1 1 *").with("RequestTimeout", "00:00:05").open().await;
    let hang = |call: &Call| match call.dependency {
        Dependency::Entra => FaultAction::Hang,
        _ => FaultAction::Serve,
    };
    test.environment.network().set_faults(Script::new(&Calls::default(), hang));
    let began = Instant::now();
    let (status, _) = post(&test, "/poll-events", "{}".to_owned()).await;
    assert!((400..600).contains(&status), "{status}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    test.environment.network().set_faults(NoFaults::default());
    assert_eq!(post(&test, "/poll-events", "{}".to_owned()).await.0, 200);
}

#[tokio::test]
async fn a_slow_order_delays_no_other_event() {
    let mut test = in_real_time().open().await;
    let calls = Calls::default();
    let slow = std::sync::atomic::AtomicBool::new(true);
    let first_order = move |call: &Call| {
        let is_slow = call.path.contains("SalesOrders") && slow.swap(false, std::sync::atomic::Ordering::SeqCst);
        if is_slow { FaultAction::Hang } else { FaultAction::Serve }
    };
    test.environment.network().set_faults(Script::new(&calls, first_order));
    for n in 0..4 {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    test.until(|_| calls.to("SalesOrders") >= 4).await;
    let began = Instant::now();
    test.until(|_| calls.at(Dependency::ServiceBus) > 0).await;
    // The slow call ends after ten seconds.
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    test.until(|test| test.environment.dataverse().started().len() == 4).await;
}

#[tokio::test]
async fn events_share_one_request_for_their_channel_and_its_failure() {
    let plan = in_real_time().with("RequestTimeout", "00:00:02").with("RetryFirstDelay", "00:05:00");
    let test = plan.open().await;
    let calls = Calls::default();
    let hang = |call: &Call| match call.path.contains("GetOperatingUnitNumber") {
        true => FaultAction::Hang,
        false => FaultAction::Serve,
    };
    test.environment.network().set_faults(Script::new(&calls, hang));
    for n in 0..10 {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    // A second request only if the machine is slow.
    assert!((1..=2).contains(&calls.to("GetOperatingUnitNumber")), "{}", calls.to("GetOperatingUnitNumber"));
}

/// Posts directly to the handler, like the host.
async fn post(test: &TestEnvironment, path: &str, body: String) -> (u16, Value) {
    let url = format!("http://127.0.0.1:{}{path}", test.handler_port());
    let reply = reqwest::Client::new().post(url).body(body).send().await.unwrap();
    (reply.status().as_u16(), serde_json::from_str(&reply.text().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn routes_are_found_as_the_host_finds_them() {
    let test = TestEnvironment::usual().await;
    for path in ["/api/trigger-journey", "/api/Trigger-Journey", "/api/trigger-journey/", "/API/TRIGGER-JOURNEY/?a=b"] {
        let (status, answer) = post(&test, path, "{}".to_owned()).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &Value::from("badRequest")), "{path}");
    }
    let (status, answer) = post(&test, "/api/other", "{}".to_owned()).await;
    assert_eq!((status, answer["error"].is_string()), (404, true), "{answer}");
}

#[tokio::test]
async fn a_body_is_read_before_the_answer() {
    let mut test = TestEnvironment::usual().await;
    let client = reqwest::Client::new();
    for path in ["/poll-events", "/other"] {
        let url = format!("http://127.0.0.1:{}{path}", test.handler_port());
        let reply = client.post(url).body("x".repeat(3_000_000)).send().await.unwrap();
        assert_eq!(reply.headers().get("connection"), None, "{path}");
        drop(reply.bytes().await.unwrap());
    }
    test.minute().await;
}

#[tokio::test]
async fn keys_are_bounded_before_anything_is_requested() {
    let test = TestEnvironment::usual().await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    let long = "x".repeat(20_000_000);
    for body in [
        serde_json::json!({"eventId": long, "eventChannelId": "1"}),
        serde_json::json!({"eventId": "x", "eventChannelId": long}),
        serde_json::json!({"message": {"EventDetails": {"EventTransactionId": "T", "EventType": "Checkout",
            "EventDateTime": "2024-07-24T14:17:02Z", "EventChannelId": long}}}),
    ] {
        let (status, answer) = post(&test, "/api/trigger-journey", body.to_string()).await;
        assert_eq!(status, 400, "{:.200}", answer.to_string());
    }
    assert_eq!(calls.at(Dependency::Cosmos), 0);
}
