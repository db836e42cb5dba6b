//! What a Scale Unit may answer: error names of its own, short pages, byte order marks, pages of gateways, other entities.

use chrono::TimeDelta;
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::csu::CsuOptions;
use sandbox::environment::TOPIC;
use sandbox::network::{Call, ErrorReply, FaultAction};
use sandbox::service_bus::NewMessage;
use sandbox::shop::{CHANNELS, EventRow};
use serde_json::{Value, json};

use crate::environment::{Plan, TestEnvironment, all_journeys};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

fn with_scale_unit(csu: CsuOptions) -> Plan {
    let mut plan = Plan::usual();
    plan.environment.csu = csu;
    plan
}

/// An error of the Scale Unit with this name.
fn error(status: u16, name: &str) -> FaultAction {
    let status = StatusCode::from_u16(status).unwrap();
    let body = json!({"error": {"code": format!("Microsoft_Dynamics_Commerce_Runtime_{name}"), "message": ""}});
    FaultAction::Refuse(ErrorReply { body: body.to_string(), ..ErrorReply::bare(status) })
}

fn answer(test: &TestEnvironment, path: &'static str, action: FaultAction) {
    let rule = move |call: &Call| if call.path.contains(path) { action.clone() } else { FaultAction::Serve };
    test.environment.network().set_faults(Script::new(&Calls::default(), rule));
}

fn status_and_reason(record: &Value) -> (&str, &str) {
    (record["status"].as_str().unwrap_or_default(), record["reason"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn an_order_does_not_wait_for_what_it_can_do_without() {
    for (path, status, name, reason) in [
        ("Customers", 400, "CustomerNotFound", "customerNotFound"),
        ("Customers", 400, "AnErrorOfTomorrow", "customerNotRead"),
        ("Customers", 403, "AuthorizationFailed", "customerNotRead"),
        ("GetOperatingUnitNumber", 400, "InvalidRequest", ""),
        ("GetOperatingUnitNumber", 403, "AuthorizationFailed", ""),
        ("GetOperatingUnitNumber", 400, "AnErrorOfTomorrow", ""),
    ] {
        let mut test = TestEnvironment::usual().await;
        answer(&test, path, error(status, name));
        let event = test.checkout(Some(&test.stranger()), Some("buyer@example.org"));
        test.minute().await;
        let record = test.record(&event).await;
        assert_eq!(status_and_reason(&record), ("processed", reason), "{path} {name}: {record:#}");
        assert_eq!(test.environment.dataverse().started().len(), 1, "{path} {name}");
    }
}

#[tokio::test]
async fn an_order_waits_some_minutes_for_a_customer_that_cannot_be_read() {
    for (path, reason) in [("Customers", "customerNotRead"), ("GetOperatingUnitNumber", "")] {
        let mut test = TestEnvironment::usual().await;
        answer(&test, path, error(503, "StorageRequestTimeout"));
        let event = test.checkout(Some(&test.stranger()), Some("buyer@example.org"));
        test.minute().await;
        assert_eq!(status_and_reason(&test.record(&event).await), ("retrying", "commerceUnavailable"), "{path}");
        test.pass(TimeDelta::minutes(15)).await;
        assert_eq!(status_and_reason(&test.record(&event).await), ("processed", reason), "{path}");
        assert_eq!(test.environment.dataverse().started().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_checked_out_cart_is_no_failure() {
    let csu = CsuOptions { specific_error_names: true, ..CsuOptions::default() };
    let mut test = with_scale_unit(csu).with_journeys(all_journeys()).open().await;
    let cart = test.fill_cart(CHANNELS[0].id, None, 1);
    test.shop().checkout(&cart.transaction_id, sandbox::shop::Checkout::default()).unwrap();
    test.minute().await;
    assert_eq!(test.record(&cart).await["status"], "processed");
}

#[tokio::test]
async fn pages_shorter_than_asked_are_read_to_the_end() {
    for counts in [true, false] {
        let csu = CsuOptions { page_limit: Some(10), counts, ..CsuOptions::default() };
        let mut test = with_scale_unit(csu).open().await;
        for n in 0..25 {
            test.checkout(None, Some(&format!("guest{n}@example.org")));
        }
        test.pass(TimeDelta::seconds(25)).await;
        let last = test.checkout(None, Some("last@example.org"));
        test.minute().await;
        assert_eq!(test.record(&last).await["status"], "processed");
        test.assert_clean(&CONFIRMATION);
    }
}

#[tokio::test]
async fn a_search_that_ignores_what_to_skip_ends() {
    let mut test = Plan::usual().with("PollPageSize", "5").open().await;
    for n in 0..5 {
        test.checkout(None, Some(&format!("guest{n}@example.org")));
    }
    let calls = Calls::default();
    let whole = json!({"value": [{"EventTransactionId": "T", "EventType": "Checkout", "EventDataAreaId": "usrt",
        "EventDateTime": "2024-05-15T09:02:08Z", "EventChannelId": CHANNELS[0].id}]});
    let same = FaultAction::Refuse(ErrorReply { body: whole.to_string(), ..ErrorReply::bare(StatusCode::OK) });
    let rule = move |call: &Call| if call.path.ends_with("Search") { same.clone() } else { FaultAction::Serve };
    test.environment.network().set_faults(Script::new(&calls, rule));
    test.minute().await;
    assert!(calls.to("Search") < 40, "{} searches", calls.to("Search"));
}

#[tokio::test]
async fn a_day_with_an_odd_scale_unit_is_clean() {
    let mut test = with_scale_unit(CsuOptions::odd()).open().await;
    for action in test.shop().plan(30, 5) {
        test.shop().perform(&action).unwrap();
    }
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
    let numbers = test.environment.dataverse().contacts().into_iter().filter_map(|contact| contact.contact_number);
    assert!(numbers.into_iter().all(|number| uuid::Uuid::parse_str(&number).is_err()));
}

#[tokio::test]
async fn a_page_of_a_gateway_is_no_success() {
    let page = ErrorReply {
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html><body>Maintenance</body></html>".to_owned(),
        ..ErrorReply::bare(StatusCode::OK)
    };
    for path in ["SalesOrders", "Search"] {
        let mut test = TestEnvironment::usual().await;
        answer(&test, path, FaultAction::Refuse(page.clone()));
        let event = test.checkout(Some(&test.stranger()), None);
        test.minute().await;
        assert_eq!(test.environment.dataverse().started().len(), 0, "{path}");
        if path == "SalesOrders" {
            assert_eq!(status_and_reason(&test.record(&event).await), ("retrying", "commerceUnavailable"));
        }
        test.environment.network().set_faults(Script::recording(&Calls::default()));
        test.pass(TimeDelta::minutes(5)).await;
        test.assert_clean(&CONFIRMATION);
    }
}

#[tokio::test]
async fn another_order_than_the_one_asked_for_is_not_used() {
    let mut test = TestEnvironment::usual().await;
    let other = test.checkout(None, Some("other@example.org"));
    let event = test.checkout(None, Some("buyer@example.org"));
    let whole = test.shop().order_body(CHANNELS[0].id, &event.transaction_id).unwrap();
    let wrong = test.shop().order_body(CHANNELS[0].id, &other.transaction_id).unwrap();
    test.shop().replace_order_body(&event.transaction_id, wrong);
    test.minute().await;
    assert_eq!(status_and_reason(&test.record(&event).await), ("retrying", "unreadableReply"));
    assert_eq!(test.environment.dataverse().started().len(), 1, "that of the other order");
    test.shop().replace_order_body(&event.transaction_id, whole);
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}

/// The body of the message of a sale.
fn message(test: &TestEnvironment, event: &EventRow) -> String {
    let order = test.shop().order_body(CHANNELS[0].id, &event.transaction_id).unwrap();
    let details = json!({"EventTransactionId": event.transaction_id, "EventType": event.event_type,
        "EventDateTime": event.date_time.to_string(), "EventDataAreaId": event.data_area_id,
        "EventChannelId": event.channel_id.to_string()});
    let order = String::from_utf8(order.to_vec()).unwrap();
    format!(r#"{{"OrderDetails":{order},"CustomerDetails":null,"EventDetails":{details}}}"#)
}

#[tokio::test]
async fn a_message_with_a_byte_order_mark_is_read() {
    let mut test = Plan::usual().with("EventTypes", "NoSuchType").open().await;
    let event = test.checkout(None, Some("buyer@example.org"));
    let body = format!("\u{feff}{}", message(&test, &event));
    let marked = NewMessage { body: body.clone().into(), ..NewMessage::default() };
    test.environment.broker().send(TOPIC, vec![marked]).unwrap();
    test.minute().await;
    assert_eq!(test.environment.counts().dead_lettered, 0);
    assert_eq!(test.environment.dataverse().started().len(), 1);
    let request = json!({"message": body, "dryRun": true});
    let (status, reply) = test.trigger_raw(format!("\u{feff}{request}")).await;
    assert_eq!((status, &reply["contact"]["found"]), (200, &Value::Bool(true)), "{reply}");
}
