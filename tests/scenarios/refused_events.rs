//! One event among a thousand that a dependency refuses for ever, or answers slowly. It fails for its own reason, and the
//! others take no longer than without it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use sandbox::network::{BoxFuture, Call, Dependency, ErrorReply, FaultAction, FaultInjector};
use sandbox::shop::EventRow;
use tokio::sync::Notify;

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

/// The good events beside the bad one.
const OTHERS: usize = 999;

/// Only checkouts, and a retry horizon that ends within a test.
fn plan() -> Plan {
    Plan::usual().with("EventTypes", "Checkout").with("RetryHorizon", "00:10:00")
}

fn sell(test: &TestEnvironment, sales: usize) {
    for sale in 0..sales {
        test.checkout(None, Some(&format!("guest{sale}@example.org")));
    }
}

/// Answers these calls with 400 and this body.
fn refuse_calls(test: &TestEnvironment, body: &str, is_refused: impl Fn(&Call) -> bool + Send + Sync + 'static) {
    let reply = ErrorReply { body: body.to_owned(), ..ErrorReply::bare(StatusCode::BAD_REQUEST) };
    let reply = reply.with("content-type", "application/json");
    let refuse = move |call: &Call| match is_refused(call) {
        true => FaultAction::Refuse(reply.clone()),
        false => FaultAction::Serve,
    };
    test.environment.network().set_faults(Script::new(&Calls::default(), refuse));
}

/// Asserts that the others have started with the first poll, as without the bad event, and that the bad event fails for its
/// own reason within the retry horizon.
async fn assert_only_one_fails(mut test: TestEnvironment, code: &str) {
    let sold = test.environment.clock().now();
    test.minute().await;
    let started = test.environment.dataverse().started();
    assert_eq!(started.len(), OTHERS);
    let latest = started.iter().map(|start| start.at).max().unwrap();
    // A poll takes place every 20 seconds.
    assert!(latest - sold <= TimeDelta::seconds(21), "the last one started after {}", latest - sold);
    test.pass(TimeDelta::minutes(14)).await;
    let records = test.records().await;
    let failed: Vec<_> = records.values().filter(|record| record["status"] != "processed").collect();
    assert_eq!(failed.len(), 1);
    let (status, reason) = (failed[0]["status"].as_str(), failed[0]["reason"]["code"].as_str());
    assert_eq!((status, reason), (Some("failed"), Some(code)), "{:#}", failed[0]);
    assert_eq!(test.environment.dataverse().started().len(), OTHERS);
}

#[tokio::test]
async fn an_event_that_service_bus_refuses_for_ever_fails_alone() {
    // More than the topic accepts, so that the service decides.
    let test = plan().with("ServiceBusMaxMessageBytes", "1000000").open().await;
    sell(&test, OTHERS);
    let bad = test.checkout(None, Some("bad@example.org"));
    let order = test.shop().order_body(bad.channel_id, &bad.transaction_id).unwrap();
    let order = std::str::from_utf8(&order).unwrap();
    let large = order.replacen('{', &format!(r#"{{"Comment2": "{}","#, "x".repeat(300_000)), 1);
    assert!(test.shop().replace_order_body(&bad.transaction_id, large));
    assert_only_one_fails(test, "messageTooLarge").await;
}

#[tokio::test]
async fn an_event_that_cosmos_db_refuses_for_ever_fails_alone() {
    let test = plan().open().await;
    sell(&test, OTHERS - 1);
    let good = test.checkout(None, Some("good@example.org"));
    let large = EventRow { transaction_id: "LARGE".to_owned(), terminal_id: "x".repeat(2_300_000), ..good };
    test.shop().emit_unfitted_event(large);
    assert_only_one_fails(test, "malformedEvent").await;
}

#[tokio::test]
async fn an_event_whose_order_the_scale_unit_never_has_fails_alone() {
    let test = plan().open().await;
    sell(&test, OTHERS - 1);
    let good = test.checkout(None, Some("good@example.org"));
    test.shop().emit_unfitted_event(EventRow { transaction_id: "UNKNOWN".to_owned(), ..good });
    assert_only_one_fails(test, "orderNotFound").await;
}

#[tokio::test]
async fn an_event_that_dataverse_refuses_for_ever_fails_alone() {
    let test = plan().open().await;
    sell(&test, OTHERS + 1);
    // The contact of one event. Only a code that speaks of the data is final.
    let refused = Mutex::new(None);
    let body = r#"{"error": {"code": "0x80044331", "message": "A validation error occurred."}}"#;
    refuse_calls(&test, body, move |call| {
        let creates_contact = call.dependency == Dependency::Dataverse && call.method == Method::PATCH;
        creates_contact && refused.lock().unwrap().get_or_insert_with(|| call.path.clone()) == &call.path
    });
    assert_only_one_fails(test, "contactRefused").await;
}

/// Holds the first order call until it is released.
struct SlowOrder {
    is_first: AtomicBool,
    released: Arc<Notify>,
}

impl FaultInjector for SlowOrder {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let is_held = call.path.contains("SalesOrders") && self.is_first.swap(false, Ordering::SeqCst);
        let released = self.released.clone();
        Box::pin(async move {
            if is_held {
                released.notified().await;
            }
            FaultAction::Serve
        })
    }
}

#[tokio::test]
async fn while_one_order_call_takes_long_all_other_events_are_processed() {
    const SALES: usize = 50;
    // The call lasts as long as the test needs, so no time-out may end it.
    let mut test = plan().with("RequestTimeout", "00:10:00").with("LeaseDuration", "00:20:00").open().await;
    let released = Arc::new(Notify::new());
    let slow = SlowOrder { is_first: AtomicBool::new(true), released: released.clone() };
    test.environment.network().set_faults(slow);
    sell(&test, SALES);
    let sold = test.environment.clock().now();
    let others = test.until(|test| test.environment.dataverse().started().len() == SALES - 1);
    tokio::time::timeout(Duration::from_secs(120), others).await.expect("the others wait for the slow call");
    let started = test.environment.dataverse().started();
    let first = started.iter().map(|start| start.at).min().unwrap();
    let last = started.iter().map(|start| start.at).max().unwrap();
    assert!(last - first <= TimeDelta::milliseconds(200), "{} to {}", first - sold, last - sold);
    released.notify_one();
    test.until(|test| test.environment.dataverse().started().len() == SALES).await;
}
