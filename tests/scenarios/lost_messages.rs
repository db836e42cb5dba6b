//! Messages that disappear without a delivery are noticed. Messages that wait are not taken for lost.

use chrono::TimeDelta;
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};
use serde_json::Value;

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// Service Bus accepts a batch, and then nobody receives it.
fn lose(call: &Call) -> FaultAction {
    let is_batch = call.dependency == Dependency::ServiceBus && call.path.ends_with("/messages");
    if is_batch { FaultAction::Refuse(ErrorReply::bare(StatusCode::CREATED)) } else { FaultAction::Serve }
}

/// One poll a minute, for tests that take hours.
fn seldom_polled() -> Plan {
    Plan::usual().with("PollSchedule", "0 * * * * *")
}

/// One sale whose message is lost.
async fn lost_sale(test: &mut TestEnvironment) -> sandbox::shop::EventRow {
    test.environment.network().set_faults(Script::new(&Calls::default(), lose));
    let lost = test.checkout(None, Some("lost@example.org"));
    test.minute().await;
    test.environment.network().set_faults(NoFaults::default());
    assert_eq!(test.record(&lost).await["status"], "processing");
    lost
}

fn publications(record: &Value) -> u64 {
    record["publications"].as_u64().unwrap()
}

async fn all_published_once(test: &TestEnvironment) -> bool {
    test.records().await.values().all(|record| publications(record) == 1)
}

#[tokio::test]
async fn a_lost_message_is_published_again_when_later_ones_are_finished() {
    let mut test = TestEnvironment::usual().await;
    let lost = lost_sale(&mut test).await;
    test.checkout(None, Some("later@example.org"));
    test.pass(TimeDelta::minutes(12)).await;
    assert_eq!(publications(&test.record(&lost).await), 1);
    test.pass(TimeDelta::minutes(5)).await;
    let record = test.record(&lost).await;
    assert_eq!((record["status"].as_str(), publications(&record)), (Some("processed"), 2), "{record:#}");
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn the_time_after_which_a_message_is_lost_is_a_setting() {
    let mut test = Plan::usual().with("LostMessageAfter", "00:03:00").open().await;
    let lost = lost_sale(&mut test).await;
    test.checkout(None, Some("later@example.org"));
    test.pass(TimeDelta::minutes(6)).await;
    assert_eq!(test.record(&lost).await["status"], "processed");
}

#[tokio::test]
async fn without_later_events_nothing_shows_that_a_message_is_lost() {
    let mut test = seldom_polled().open().await;
    let lost = lost_sale(&mut test).await;
    test.pass(TimeDelta::hours(3)).await;
    assert_eq!(publications(&test.record(&lost).await), 1);
    test.checkout(None, Some("later@example.org"));
    test.pass(TimeDelta::minutes(8)).await;
    assert_eq!(test.record(&lost).await["status"], "processed");
}

#[tokio::test]
async fn a_message_that_is_always_lost_is_not_published_without_end() {
    let mut test = seldom_polled().open().await;
    let lost = lost_sale(&mut test).await;
    for sale in 0..5 {
        test.checkout(None, Some(&format!("guest{sale}@example.org")));
        test.pass(TimeDelta::minutes(2)).await;
        test.environment.network().set_faults(Script::new(&Calls::default(), lose));
        test.pass(TimeDelta::minutes(20)).await;
        test.environment.network().set_faults(NoFaults::default());
    }
    let record = test.record(&lost).await;
    assert_eq!((record["status"].as_str(), publications(&record)), (Some("processing"), 3), "{record:#}");
}

#[tokio::test]
async fn a_backlog_of_hours_is_not_taken_for_lost_messages() {
    let plan = Plan { disabled: Some("process-message"), ..seldom_polled() };
    let mut test = plan.open().await;
    for sale in 0..12 {
        test.checkout(None, Some(&format!("guest{sale}@example.org")));
        test.pass(TimeDelta::minutes(10)).await;
    }
    assert!(all_published_once(&test).await);
    // An operator replays the latest sale. That does not mean that the subscription has come that far.
    let latest = test.checkout(None, Some("urgent@example.org"));
    test.minute().await;
    let record = test.record(&latest).await;
    let replay = serde_json::json!({"eventId": record["id"], "eventChannelId": record["EventChannelId"]});
    assert_eq!(test.trigger(&replay).await.0, 200);
    test.pass(TimeDelta::minutes(30)).await;
    assert!(all_published_once(&test).await);
    test.add_instance().await;
    test.pass(TimeDelta::minutes(30)).await;
    assert!(all_published_once(&test).await);
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn rescheduled_messages_are_not_taken_for_lost_ones() {
    for dependency in [Dependency::Dataverse, Dependency::Cosmos] {
        let plan = Plan { disabled: Some("process-message"), ..seldom_polled() };
        let mut test = plan.open().await;
        let unavailable = move |call: &Call| match call.dependency == dependency {
            true => FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE)),
            false => FaultAction::Serve,
        };
        for sale in 0..4 {
            test.checkout(None, Some(&format!("guest{sale}@example.org")));
        }
        test.minute().await;
        // The messages are published and recorded. When they are delivered, the dependency is not available.
        test.environment.network().set_faults(Script::new(&Calls::default(), unavailable));
        test.add_instance().await;
        test.pass(TimeDelta::minutes(40)).await;
        test.environment.network().set_faults(NoFaults::default());
        for sale in 4..8 {
            test.checkout(None, Some(&format!("guest{sale}@example.org")));
            test.pass(TimeDelta::minutes(6)).await;
        }
        assert!(all_published_once(&test).await, "{dependency}");
        test.assert_clean(&CONFIRMATION);
    }
}
