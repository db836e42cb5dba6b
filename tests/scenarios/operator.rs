//! What an operator does after a call: finds the event, understands it, starts or dismisses it.

use std::sync::Arc;

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, FaultAction, NoFaults};
use sandbox::shop::{ChannelKind, EventRow, LedgerEntry};
use serde_json::{Value, json};

use crate::environment::{Plan, TestEnvironment, all_journeys};
use crate::script::{Calls, Script};

/// All four journeys, each held after a lost answer.
async fn careful_shop() -> TestEnvironment {
    Plan::usual().with_journeys(all_journeys().replace("\"retry\"", "\"hold\"")).open().await
}

/// Lets the answers of these journeys' triggers get lost while `event` is processed. The triggers do not run.
async fn lose_answers(test: &mut TestEnvironment, journeys: &'static [Journey]) {
    let is_lost = move |call: &Call| journeys.iter().any(|journey| call.path.ends_with(journey.trigger()));
    let reset = move |call: &Call| if is_lost(call) { FaultAction::ResetBefore } else { FaultAction::Serve };
    test.environment.network().set_faults(Script::new(&Calls::default(), reset));
}

async fn mended(test: &mut TestEnvironment) {
    test.pass(TimeDelta::minutes(20)).await;
    test.environment.network().set_faults(NoFaults::default());
}

fn ledger_entry(test: &TestEnvironment, event: &EventRow) -> Arc<LedgerEntry> {
    let is_of = |entry: &LedgerEntry| {
        entry.event.transaction_id == event.transaction_id && entry.event.event_type == event.event_type
    };
    test.shop().ledger().iter().find(|entry| is_of(entry)).unwrap().clone()
}

/// The order as the Scale Unit returns it.
fn order_body(test: &TestEnvironment, event: &EventRow) -> Value {
    serde_json::from_slice(&test.shop().order_body(event.channel_id, &event.transaction_id).unwrap()).unwrap()
}

fn key_of(found: &Value) -> Value {
    json!({"eventId": found["eventId"], "eventChannelId": found["eventChannelId"]})
}

fn with(mut request: Value, field: &str, value: Value) -> Value {
    request[field] = value;
    request
}

async fn find(test: &mut TestEnvironment, query: Value) -> Vec<Value> {
    let (status, answer) = test.trigger(&json!({"find": query})).await;
    assert_eq!(status, 200, "{answer}");
    answer["events"].as_array().unwrap().clone()
}

fn starts(test: &TestEnvironment, journey: Journey) -> usize {
    test.environment.dataverse().started().iter().filter(|started| started.trigger == journey.trigger()).count()
}

#[tokio::test]
async fn a_held_confirmation_is_found_by_the_receipt_and_started_without_repeating_the_others() {
    let mut test = careful_shop().await;
    lose_answers(&mut test, &[Journey::OrderConfirmation]).await;
    let event = test.checkout(Some(&test.stranger()), None);
    mended(&mut test).await;

    let receipt = order_body(&test, &event)["ReceiptId"].clone();
    let found = find(&mut test, json!({"receiptId": receipt})).await;
    let checkout = found.iter().find(|found| found["eventType"] == "Checkout").unwrap();
    assert_eq!((checkout["status"].as_str(), checkout["reason"]["code"].as_str()), (Some("failed"), Some("held")));
    assert!(checkout["possible"].as_array().unwrap().contains(&json!("release")), "{checkout:#}");

    let (status, answer) = test.trigger(&with(key_of(checkout), "release", json!(true))).await;
    assert_eq!((status, &answer["startedNow"]), (200, &json!(["order-confirmation"])), "{answer:#}");
    assert_eq!(answer["status"], "processed");
    let started = Journey::ALL.map(|journey| starts(&test, journey));
    assert_eq!(started[..2], [1, 1], "the others have not been repeated");

    let (status, answer) = test.trigger(&with(key_of(checkout), "release", json!(true))).await;
    assert_eq!((status, &answer["startedNow"]), (200, &json!([])), "a second release starts nothing: {answer:#}");
    let (_, answer) = test.trigger(&json!({"deadLetters": {}})).await;
    assert_eq!(answer["failed"], json!([]), "{answer:#}");
    assert_eq!(starts(&test, Journey::OrderConfirmation), 1);
    assert_eq!(test.environment.counts().dead_lettered, 0);
}

#[tokio::test]
async fn one_journey_is_started_and_the_other_stays_held() {
    let mut test = careful_shop().await;
    lose_answers(&mut test, &[Journey::OrderConfirmation, Journey::FeedbackRequest]).await;
    let event = test.checkout(Some(&test.stranger()), None);
    mended(&mut test).await;
    let found = find(&mut test, json!({"transactionId": event.transaction_id, "status": "failed"})).await;
    let request = with(key_of(&found[0]), "journeys", json!(["order-confirmation"]));

    let (status, answer) = test.trigger(&with(request.clone(), "dryRun", json!(true))).await;
    assert_eq!(status, 200, "{answer:#}");
    let dry_run = &answer["journeys"]["order-confirmation"];
    assert_eq!((&dry_run["recorded"]["reason"]["code"], &dry_run["triggerPublished"]), (&json!("held"), &json!(true)));
    assert!(dry_run["parameters"]["msdynmkt_salesid"].is_string(), "{dry_run:#}");

    let (status, answer) = test.trigger(&request).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("held")), "it needs a release: {answer:#}");
    let (status, answer) = test.trigger(&with(request, "release", json!(true))).await;
    assert_eq!((status, &answer["startedNow"]), (200, &json!(["order-confirmation"])), "{answer:#}");
    assert_eq!(answer["journeys"]["feedback-request"]["reason"]["code"], "held", "{answer:#}");
    assert_eq!([Journey::OrderConfirmation, Journey::FeedbackRequest].map(|it| starts(&test, it)), [1, 0]);
}

#[tokio::test]
async fn a_dismissed_event_starts_nothing_more_and_its_dead_letter_is_gone() {
    let mut test = careful_shop().await;
    lose_answers(&mut test, &[Journey::OrderConfirmation]).await;
    let event = test.checkout(Some(&test.stranger()), None);
    mended(&mut test).await;
    assert_eq!(test.environment.counts().dead_lettered, 1);
    let found = find(&mut test, json!({"transactionId": event.transaction_id, "status": "failed"})).await;

    let dismissal = with(key_of(&found[0]), "dismiss", json!("the customer was called"));
    let (status, answer) = test.trigger(&dismissal).await;
    assert_eq!((status, &answer["deadLetter"]), (200, &json!("removed")), "{answer:#}");
    let record = test.record(&event).await;
    assert_eq!((&record["status"], &record["reason"]["code"]), (&json!("processed"), &json!("dismissed")));
    assert_eq!(record["reason"]["detail"], "the customer was called");
    assert_eq!(test.environment.counts().dead_lettered, 0);

    let (status, answer) = test.trigger(&with(key_of(&found[0]), "release", json!(true))).await;
    assert_eq!((status, &answer["startedNow"]), (200, &json!([])), "it stays closed: {answer:#}");
    assert_eq!(starts(&test, Journey::OrderConfirmation), 0);
    let (status, answer) = test.trigger(&dismissal).await;
    assert_eq!((status, &answer["deadLetter"]), (200, &json!("notFound")), "it can be repeated: {answer:#}");
}

#[tokio::test]
async fn a_dead_letter_is_found_although_others_come_again_before_it() {
    let mut test = careful_shop().await;
    let foreign = sandbox::service_bus::NewMessage { body: "not ours".into(), ..Default::default() };
    test.environment.broker().send(sandbox::environment::TOPIC, vec![foreign]).unwrap();
    test.pass(TimeDelta::minutes(5)).await;
    lose_answers(&mut test, &[Journey::OrderConfirmation]).await;
    let event = test.checkout(Some(&test.stranger()), None);
    mended(&mut test).await;
    assert_eq!(test.environment.counts().dead_lettered, 2);
    let found = find(&mut test, json!({"transactionId": event.transaction_id, "status": "failed"})).await;

    // The lock of the first letter expires more often than the request may take letters.
    let queue = sandbox::service_bus::EntityPath { dead_letter: true, ..test.environment.subscription() };
    let (broker, receives) = (test.environment.broker().clone(), std::sync::atomic::AtomicUsize::new(0));
    let expire = move |call: &Call| {
        let is_receive = call.path.contains("$DeadLetterQueue") && call.path.ends_with("/messages/head");
        if is_receive && receives.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 150 {
            broker.expire_some_lock(&queue, 0);
        }
        FaultAction::Serve
    };
    test.environment.network().set_faults(Script::new(&Calls::default(), expire));
    let dismissal = with(key_of(&found[0]), "dismiss", json!("the customer was called"));
    let (status, answer) = test.trigger(&dismissal).await;
    assert_eq!((status, &answer["deadLetter"]), (200, &json!("removed")), "{answer:#}");
    assert_eq!(test.environment.counts().dead_lettered, 1, "the other one stays");
}

#[tokio::test]
async fn an_event_that_is_being_retried_can_be_dismissed() {
    let mut test = TestEnvironment::usual().await;
    test.environment.served(sandbox::network::Dependency::Dataverse).set_reachable(false);
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(5)).await;
    let found = find(&mut test, json!({"reason": "dataverseUnavailable"})).await;
    assert_eq!(found[0]["nextAttempt"]["by"], "process-message", "{found:#?}");
    let (status, answer) = test.trigger(&with(key_of(&found[0]), "dismiss", json!("a test order"))).await;
    assert_eq!(status, 200, "{answer:#}");
    test.environment.served(sandbox::network::Dependency::Dataverse).set_reachable(true);
    test.pass(TimeDelta::hours(3)).await;
    assert_eq!(test.record(&event).await["reason"]["code"], "dismissed");
    assert_eq!(starts(&test, Journey::OrderConfirmation), 0, "the rescheduled message starts nothing");
    assert_eq!(test.environment.counts(), sandbox::service_bus::Counts::default());
}

#[tokio::test]
async fn a_processed_event_is_not_dismissed() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let found = find(&mut test, json!({"transactionId": event.transaction_id})).await;
    let (status, answer) = test.trigger(&with(key_of(&found[0]), "dismiss", json!("by mistake"))).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("alreadyProcessed")), "{answer:#}");
}

#[tokio::test]
async fn every_number_that_a_customer_has_finds_her_events_and_nobody_elses() {
    let mut test = TestEnvironment::usual().await;
    let customer = test.stranger();
    let event = test.checkout(Some(&customer), None);
    let online = sandbox::shop::CHANNELS.iter().find(|channel| channel.kind == ChannelKind::Online).unwrap();
    // Orders get their number some time after the checkout.
    let mut orders = (0..20).map(|_| test.checkout_in(online.id, None, Some("somebody@example.org")));
    let ordered = orders.find(|ordered| order_body(&test, ordered)["SalesId"] != "").unwrap();
    drop(orders);
    test.checkout(None, Some("somebody.else@example.org"));
    test.minute().await;
    let contact = test.record(&event).await["contactId"].clone();
    let email = ledger_entry(&test, &event).email.clone();
    let (receipt, order) = (order_body(&test, &event), order_body(&test, &ordered));
    let queries = [
        (&event, json!({"receiptId": receipt["ReceiptId"]})),
        (&event, json!({"transactionId": event.transaction_id})),
        (&event, json!({"customerNumber": customer})),
        (&event, json!({"contactId": contact})),
        (&event, json!({"email": email})),
        (&ordered, json!({"channelReferenceId": order["ChannelReferenceId"]})),
        (&ordered, json!({"salesId": order["SalesId"]})),
        (&ordered, json!({"email": "SOMEBODY@example.org", "transactionId": ordered.transaction_id})),
    ];
    for (event, query) in queries {
        let found = find(&mut test, query.clone()).await;
        let checkouts: Vec<_> = found.iter().filter(|found| found["eventType"] == "Checkout").collect();
        assert_eq!(checkouts.len(), 1, "{query}: {found:#?}");
        assert!(checkouts[0]["eventId"].as_str().unwrap().starts_with(&event.transaction_id), "{query}");
        assert_eq!(checkouts[0]["journeys"]["order-confirmation"]["state"], "started", "{query}");
    }
    assert_eq!(find(&mut test, json!({"email": "nobody@example.org"})).await.len(), 0);
    assert_eq!(find(&mut test, json!({"salesId": "x' OR true --"})).await.len(), 0);
}

/// A delivery may be faster than the poller, which records the publication and the numbers after it.
#[tokio::test]
async fn an_event_that_is_processed_before_its_publication_is_recorded_is_found_by_its_receipt() {
    let mut test = TestEnvironment::usual().await;
    let is_publication = |call: &Call| {
        call.dependency == Dependency::Cosmos && String::from_utf8_lossy(&call.body).contains("\"publications\":1")
    };
    let reset = move |call: &Call| if is_publication(call) { FaultAction::ResetBefore } else { FaultAction::Serve };
    test.environment.network().set_faults(Script::new(&Calls::default(), reset));
    let customer = test.stranger();
    let event = test.checkout(Some(&customer), None);
    test.minute().await;
    test.environment.network().set_faults(NoFaults::default());

    let receipt = order_body(&test, &event)["ReceiptId"].clone();
    for query in [json!({"receiptId": receipt}), json!({"customerNumber": customer, "status": "processed"})] {
        let found = find(&mut test, query).await;
        let checkout = found.iter().find(|found| found["eventType"] == "Checkout").unwrap();
        assert_eq!((&checkout["status"], &checkout["receiptId"]), (&json!("processed"), &receipt), "{checkout:#}");
        assert_eq!(checkout["customerNumber"], json!(customer), "{checkout:#}");
    }
}

/// Prints what searches cost by the charges of the sandbox's Cosmos DB.
#[tokio::test]
async fn a_search_costs_the_request_units_of_the_records_that_it_finds() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), None);
    for _ in 0..60 {
        test.checkout(None, Some("somebody@example.org"));
    }
    test.minute().await;
    let contact = test.record(&event).await["contactId"].clone();
    let receipt = order_body(&test, &event)["ReceiptId"].clone();
    let by_number = [json!({"receiptId": receipt}), json!({"transactionId": event.transaction_id})];
    let one_customer = by_number.into_iter().chain([json!({"contactId": contact})]).map(|query| (query, 5.0));
    for (query, most) in
        one_customer.chain([(json!({"status": "failed"}), 5.0), (json!({"status": "processed"}), 12.0)])
    {
        let (found, charge) = cost(&mut test, &query).await;
        println!("{query}: {found} events, {charge:.1} request units");
        assert!(charge <= most, "{query}: {charge}");
    }
}

/// The number of events that are found, and the charge of the search. A poll at the same time is not counted.
async fn cost(test: &mut TestEnvironment, query: &Value) -> (usize, f64) {
    let (mut found, mut least) = (0, f64::INFINITY);
    for _ in 0..3 {
        let before = test.environment.cosmos().usage().charge;
        found = find(test, query.clone()).await.len();
        least = least.min(test.environment.cosmos().usage().charge - before);
    }
    (found, least)
}

#[tokio::test]
async fn the_pages_of_a_list_contain_every_event_once() {
    let mut test = TestEnvironment::usual().await;
    for _ in 0..7 {
        test.checkout(None, Some("somebody@example.org"));
    }
    test.minute().await;
    let mut request = json!({"find": {"status": "processed", "max": 3}});
    let (mut ids, mut pages) = (Vec::new(), 0);
    while !request.is_null() {
        let (status, answer) = test.trigger(&request).await;
        assert_eq!(status, 200, "{answer}");
        ids.extend(answer["events"].as_array().unwrap().iter().map(|event| event["eventId"].to_string()));
        request = answer["next"].clone();
        pages += 1;
    }
    let listed = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((listed, ids.len()), (14, 14), "seven carts and seven checkouts, in {pages} pages");
    assert!(pages >= 5, "{pages}");
}

#[tokio::test]
async fn wrong_searches_and_options_are_rejected_with_their_path() {
    let mut test = TestEnvironment::usual().await;
    let key = json!({"eventId": "x", "eventChannelId": "1"});
    let cases = [
        (json!({"find": {}}), "find: needs one of"),
        (json!({"find": {"salesid": "1"}}), "find"),
        (json!({"find": {"status": "done"}}), "find.status"),
        (json!({"find": {"salesId": ""}}), "find.salesId"),
        (json!({"find": {"status": "failed", "max": 1000}}), "find.max"),
        (json!({"find": {"status": "failed"}, "force": true}), "find: takes no other field"),
        (with(key.clone(), "dismiss", json!(" ")), "dismiss"),
        (json!({"dismiss": "why"}), "dismiss: needs eventId"),
        (with(with(key.clone(), "force", json!(true)), "release", json!(true)), "release, force"),
        (with(key.clone(), "journeys", json!([])), "journeys"),
        (with(key, "dryrun", json!(true)), "dryrun: unknown field; known are"),
    ];
    for (request, path) in cases {
        let (status, answer) = test.trigger(&request).await;
        assert_eq!(status, 400, "{request}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(path), "{request}: {answer}");
    }
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let found = find(&mut test, json!({"transactionId": event.transaction_id})).await;
    let (status, answer) = test.trigger(&with(key_of(&found[0]), "journeys", json!(["order-confirmatoin"]))).await;
    assert_eq!(status, 400, "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("order-confirmatoin is no enabled journey"), "{message}");
}

#[tokio::test]
async fn what_an_operator_starts_and_dismisses_is_no_error_and_is_counted() {
    let mut test = careful_shop().await;
    lose_answers(&mut test, &[Journey::OrderConfirmation]).await;
    let events = [test.checkout(Some(&test.stranger()), None), test.checkout(None, Some("somebody@example.org"))];
    mended(&mut test).await;
    let audit = test.environment.audit(&Journey::ALL, &[]);
    assert_eq!((audit.lost.len(), audit.is_clean()), (2, false), "nobody has decided yet");

    let mut held = Vec::new();
    for event in &events {
        let receipt = order_body(&test, event)["ReceiptId"].clone();
        let found = find(&mut test, json!({"receiptId": receipt, "reason": "held"})).await;
        let outcome = &found[0]["journeys"]["order-confirmation"];
        assert_eq!((found.len(), &outcome["reason"]["code"]), (1, &json!("held")), "{found:#?}");
        held.push(key_of(&found[0]));
    }
    let (status, answer) = test.trigger(&with(held[0].clone(), "release", json!(true))).await;
    assert_eq!((status, &answer["startedNow"]), (200, &json!(["order-confirmation"])), "{answer:#}");
    let (status, answer) = test.trigger(&with(held[1].clone(), "dismiss", json!("the customer was called"))).await;
    assert_eq!(status, 200, "{answer:#}");
    test.trigger(&json!({"deadLetters": {}})).await;

    let audit = test.environment.audit(&Journey::ALL, &[]);
    assert!(audit.is_clean(), "{audit:#?}");
    assert_eq!([audit.forced.len(), audit.dismissed.len(), audit.uncertain.len()], [1, 1, 0], "{audit:#?}");
    assert_eq!(starts(&test, Journey::OrderConfirmation), 1);
}

#[tokio::test]
async fn the_audit_accepts_as_many_repetitions_as_an_operator_has_forced() {
    let mut test = careful_shop().await;
    let event = test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let found = find(&mut test, json!({"transactionId": event.transaction_id, "status": "processed"})).await;
    let checkout = found.iter().find(|found| found["eventType"] == "Checkout").unwrap();
    let (status, answer) = test.trigger(&with(key_of(checkout), "force", json!(true))).await;
    let forced = answer["startedNow"].as_array().unwrap().len();
    assert!(status == 200 && forced >= 2, "{answer:#}");
    let audit = test.environment.audit(&Journey::ALL, &[]);
    assert!(audit.is_clean(), "{audit:#?}");
    assert_eq!((audit.forced.len(), audit.duplicated.len()), (forced, 0));
}
