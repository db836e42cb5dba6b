//! From the sales of a shop to started journeys.

use chrono::TimeDelta;
use sandbox::audit::Journey;

use crate::environment::{Plan, all_journeys};
use crate::script::{Calls, Script};

#[tokio::test]
async fn all_kinds_of_sales_start_every_journey_once() {
    let mut test = Plan::usual().with_journeys(all_journeys()).open().await;
    for action in test.shop().plan(60, 7) {
        test.shop().perform(&action).unwrap();
    }
    test.minute().await;
    test.minute().await;
    let audit = test.environment.audit(&Journey::ALL, &[]);
    assert!(audit.expected() > 150, "{audit:#?}");
    test.assert_clean(&Journey::ALL);
    for ((transaction, _), record) in test.records().await {
        assert_eq!(record["status"], "processed", "{transaction}: {record:#}");
    }
}

/// One sale every second for a minute. Returns the longest time from a commit to its journey after the first run has begun,
/// and the number of searches.
async fn a_busy_minute(again_after: &str) -> (TimeDelta, usize) {
    let plan = Plan::usual().with("PollAgainAfter", again_after).with("EventTypes", "Checkout");
    let mut test = plan.open().await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    for sale in 0..60 {
        test.checkout(None, Some(&format!("guest{sale}@example.org")));
        test.pass(TimeDelta::seconds(1)).await;
    }
    let searches = calls.to("/Search");
    test.minute().await;
    test.assert_clean(&[Journey::OrderConfirmation]);
    let committed: Vec<_> =
        test.environment.ledger().iter().filter(|entry| entry.order.is_some()).map(|entry| entry.committed).collect();
    let mut started: Vec<_> = test.environment.dataverse().started().into_iter().map(|journey| journey.at).collect();
    started.sort();
    let longest = started.iter().zip(&committed).skip(20).map(|(started, sold)| *started - sold).max().unwrap();
    (longest, searches)
}

#[tokio::test]
async fn a_run_searches_again_while_new_events_arrive() {
    let (longest, searches) = a_busy_minute("00:00:02").await;
    assert!(longest <= TimeDelta::seconds(3), "{longest}");
    assert!(searches <= 3 * 10 + 1, "{searches} searches");
}

#[tokio::test]
async fn a_run_searches_once_if_configured() {
    let (longest, searches) = a_busy_minute("00:00:00").await;
    assert!(longest > TimeDelta::seconds(15), "{longest}");
    assert_eq!(searches, 3);
}

#[tokio::test]
async fn a_shop_without_sales_is_not_searched_more_often() {
    let mut test = Plan::usual().with("EventTypes", "Checkout").open().await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    test.checkout(None, Some("guest@example.org"));
    test.pass(TimeDelta::seconds(110)).await;
    // Five runs, and one more search after the only run with a new event.
    assert_eq!(calls.to("/Search"), 5 + 1);
}

#[tokio::test]
async fn an_event_that_becomes_visible_late_is_found_by_the_next_run() {
    let mut test = Plan::usual().with("EventTypes", "Checkout").open().await;
    for sale in 0..40 {
        // Every tenth transaction takes half a minute to commit, while others commit at once.
        test.shop().set_commit_delay(TimeDelta::seconds(if sale % 10 == 0 { 30 } else { 0 }));
        test.checkout(None, Some(&format!("guest{sale}@example.org")));
        test.pass(TimeDelta::seconds(1)).await;
    }
    test.minute().await;
    test.assert_clean(&[Journey::OrderConfirmation]);
}
