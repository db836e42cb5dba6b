//! What an operator sees of a journey that waits, and can do about it.

use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::shop::EventRow;
use serde_json::{Value, json};

use super::{answer_carts, is_skipped, minutes, outcome, reminders};
use crate::environment::TestEnvironment;

async fn request(test: &mut TestEnvironment, cart: &EventRow, fields: Value) -> (u16, Value) {
    let record = test.exact(cart).await;
    let mut body = json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    test.trigger(&body).await
}

#[tokio::test]
async fn a_scheduled_event_is_found_with_its_time() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(2)).await;
    let (status, answer) = test.trigger(&json!({"find": {"status": "scheduled"}})).await;
    assert_eq!((status, answer["events"].as_array().map(Vec::len)), (200, Some(1)), "{answer:#}");
    let record = test.exact(&cart).await;
    let found = &answer["events"][0];
    assert_eq!(found["scheduledFor"], record["scheduledFor"], "{found:#}");
    assert_eq!(found["nextAttempt"], json!({"by": "process-message", "at": record["scheduledFor"]}));
    let (_, answer) = request(&mut test, &cart, json!({"dryRun": true})).await;
    assert_eq!(answer["journeys"]["abandoned-cart"]["scheduledFor"], record["scheduledFor"], "{answer:#}");
    test.pass(minutes(65)).await;
    let (_, answer) = test.trigger(&json!({"find": {"status": "scheduled"}})).await;
    assert_eq!(answer["events"], json!([]));
}

#[tokio::test]
async fn a_replay_starts_a_scheduled_journey_early_and_once() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(2)).await;
    let (status, answer) = request(&mut test, &cart, json!({})).await;
    assert_eq!((status, &answer["startedNow"]), (200, &json!(["abandoned-cart"])), "{answer:#}");
    test.pass(minutes(90)).await;
    assert_eq!(test.started(), 1);
    assert_eq!(test.environment.counts(), sandbox::service_bus::Counts::default());
}

#[tokio::test]
async fn a_replay_of_a_cart_whose_read_is_refused_starts_nothing_and_its_record_says_why() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(2)).await;
    answer_carts(&test, StatusCode::CONFLICT);
    let (status, answer) = request(&mut test, &cart, json!({})).await;
    assert_eq!((status, &answer["startedNow"]), (200, &json!([])), "{answer:#}");
    let record = test.exact(&cart).await;
    assert!(is_skipped(&record, Journey::AbandonedCart, "conditionNotMet"), "{record:#}");
    assert_eq!(record["reason"]["code"], "cartNotRead", "{record:#}");
}

#[tokio::test]
async fn a_replay_respects_a_purchase_and_force_does_not() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(2)).await;
    test.buy(&cart);
    test.pass(minutes(2)).await;
    let (_, answer) = request(&mut test, &cart, json!({"dryRun": true})).await;
    assert_eq!(answer["journeys"]["abandoned-cart"]["skippedBecause"], "Checkout has happened", "{answer:#}");
    let (status, _) = request(&mut test, &cart, json!({})).await;
    assert_eq!((status, test.started()), (200, 0));
    assert!(is_skipped(&test.exact(&cart).await, Journey::AbandonedCart, "precluded"));
    let (status, answer) = request(&mut test, &cart, json!({"force": true})).await;
    assert_eq!((status, test.started()), (200, 1), "{answer:#}");
}

#[tokio::test]
async fn a_dismissed_event_starts_nothing_when_its_time_has_come() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(2)).await;
    let (status, answer) = request(&mut test, &cart, json!({"dismiss": "the customer has called"})).await;
    assert_eq!(status, 200, "{answer:#}");
    let calls = test.environment.network().calls()[&sandbox::network::Dependency::Dataverse];
    test.pass(minutes(90)).await;
    assert_eq!(test.environment.network().calls()[&sandbox::network::Dependency::Dataverse], calls);
    let record = test.exact(&cart).await;
    assert_eq!(outcome(&record, Journey::AbandonedCart)["reason"]["code"], "dismissed", "{record:#}");
    assert_eq!(test.environment.counts(), sandbox::service_bus::Counts::default());
}
