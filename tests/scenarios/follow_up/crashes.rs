//! A handler that is killed before or after each request of an abandoned cart, and two deliveries when it is due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::environment::TOPIC;
use sandbox::host::KillScope;
use sandbox::network::{Dependency, NoFaults};
use sandbox::service_bus::NewMessage;
use serde_json::json;

use super::{CART, journeys, outcome};
use crate::crash_points::{Cut, CutAt, Point};
use crate::environment::{Plan, TestEnvironment};

/// The cart is scheduled by the first poll, and due before the second.
const WAIT: TimeDelta = TimeDelta::seconds(35);

async fn abandoned(on_uncertain: &str) -> TestEnvironment {
    let changes = json!({"after": "00:00:35", "onUncertain": on_uncertain});
    let mut plan = Plan::usual().with_journeys(journeys(&[("abandoned-cart", changes)])).in_order();
    plan.environment.cart_wait = WAIT;
    let test = plan.open().await;
    test.open_cart();
    test
}

/// All requests of the cart, from the first poll to the reminder.
async fn points() -> Vec<Point> {
    let mut test = abandoned("retry").await;
    let before = test.environment.network().calls();
    test.pass(TimeDelta::seconds(55)).await;
    let calls = test.environment.network().calls();
    test.assert_clean(&CART);
    let own = |dependency: Dependency| move |number: u64| (dependency, number);
    calls.into_iter().flat_map(|(dependency, count)| (before[&dependency]..count).map(own(dependency))).collect()
}

async fn crash(point: Point, cut: Cut, on_uncertain: &str) -> TestEnvironment {
    let mut test = abandoned(on_uncertain).await;
    let reached = Arc::<AtomicBool>::default();
    test.environment.network().set_faults(CutAt { point, cut, reached: reached.clone() });
    test.until(|_| reached.load(Ordering::SeqCst)).await;
    test.app.host().replace_handler(KillScope::Instance).await;
    test.environment.network().set_faults(NoFaults::default());
    assert!(test.app.host().ready().await);
    test.settle(1, 20).await;
    test.minute().await;
    test
}

#[tokio::test]
async fn a_crash_at_any_request_loses_no_reminder_and_repeats_only_what_is_uncertain() {
    let points = points().await;
    let mut uncertain = 0;
    for (index, point) in points.iter().enumerate() {
        let cut = if index % 2 == 0 { Cut::Before } else { Cut::After };
        let test = crash(*point, cut, "retry").await;
        let audit = test.environment.audit(&CART, &[]);
        let place = format!("{cut:?} {point:?}");
        assert!(audit.lost.is_empty() && audit.misdirected.is_empty(), "{place}: {audit:#?}");
        assert_eq!(audit.left_over, sandbox::service_bus::Counts::default(), "{place}");
        let records = test.records().await;
        let outcome = outcome(records.values().next().unwrap(), Journey::AbandonedCart);
        let known = usize::try_from(outcome["uncertain"].as_u64().unwrap_or_default()).unwrap();
        assert!(audit.duplicated.len() <= known, "{place}: {outcome}");
        uncertain += known;
    }
    println!("{} crash points of a waiting journey: {uncertain} uncertain", points.len());
    assert!(points.len() > 12, "{}", points.len());
}

#[tokio::test]
async fn two_deliveries_at_the_same_time_start_one_reminder() {
    let mut test = abandoned("retry").await;
    test.pass(TimeDelta::seconds(25)).await;
    // A copy without the cart, which is read again. It is scheduled for the same time.
    let record = test.records().await.into_values().next().unwrap();
    let copy = json!({"OrderDetails": null, "CustomerDetails": null, "EventDetails": record}).to_string();
    test.environment.broker().send(TOPIC, vec![NewMessage { body: copy.into(), ..NewMessage::default() }]).unwrap();
    test.add_instance().await;
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CART);
    assert_eq!(test.started(), 1);
}
