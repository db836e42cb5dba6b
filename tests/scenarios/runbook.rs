//! Every request of the runbook, as an operator sends it. Its queries are checked with those of the alerts.

use serde_json::{Value, json};

use crate::environment::{Plan, TestEnvironment, all_journeys};

const RUNBOOK: &str = include_str!("../../docs/runbook.md");

/// The bodies of all requests: `ask '…'`.
fn requests() -> Vec<Value> {
    let bodies = RUNBOOK.split("ask '").skip(1).filter_map(|rest| rest.split_once('\''));
    bodies.map(|(body, _)| serde_json::from_str(body).unwrap_or_else(|error| panic!("{body}: {error}"))).collect()
}

/// A request with the key of a real event instead of the placeholders.
fn about(mut request: Value, event: &Value) -> Value {
    for field in ["eventId", "eventChannelId"] {
        if request.get(field).is_some() {
            request[field] = event[field].clone();
        }
    }
    request
}

async fn failed_event(test: &mut TestEnvironment) -> Value {
    let customer = test.stranger();
    let row = test.checkout(Some(&customer), None);
    test.pass(chrono::TimeDelta::minutes(2)).await;
    let (_, answer) = test.trigger(&json!({"find": {"transactionId": row.transaction_id, "status": "failed"}})).await;
    answer["events"][0].clone()
}

#[tokio::test]
async fn every_request_of_the_runbook_is_understood() {
    let requests = requests();
    assert!(requests.len() >= 12, "{requests:#?}");
    for request in requests {
        // An event that failed: its trigger refuses the parameters.
        let wrong = all_journeys().replace("\"msdynmkt_salesid\"", "\"msdynmkt_unknown\"");
        let mut test = Plan::usual().with_journeys(wrong).open().await;
        let event = failed_event(&mut test).await;
        assert_eq!(event["status"], "failed", "{event:#}");
        let (status, answer) = test.trigger(&about(request.clone(), &event)).await;
        // 422: the event fails again, because nothing was corrected.
        assert!([200, 422].contains(&status), "{request}: {status} {answer:#}");
        if request.get("find").is_some() {
            assert!(answer["events"].is_array(), "{request}: {answer:#}");
        }
        if request.get("dismiss").is_some() {
            assert_eq!((status, &answer["reason"]["code"]), (200, &json!("dismissed")), "{request}: {answer:#}");
        }
    }
}
