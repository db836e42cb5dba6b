//! What the replies of Dataverse mean: what may pass, what is final, and what is not from Dataverse at all.

use chrono::TimeDelta;
use reqwest::{Method, StatusCode};
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};
use sandbox::shop::Customer;
use serde_json::{Value, json};

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

fn reply(status: u16, code: &str, message: &str) -> ErrorReply {
    let body = json!({"error": {"code": code, "message": message}}).to_string();
    ErrorReply { body, ..ErrorReply::bare(StatusCode::from_u16(status).unwrap()) }
        .with("content-type", "application/json")
}

/// A gateway's maintenance page.
fn page() -> ErrorReply {
    let body = "<html><body>We will be back soon.</body></html>".to_owned();
    ErrorReply { body, ..ErrorReply::bare(StatusCode::OK) }.with("content-type", "text/html")
}

fn is_trigger(call: &Call) -> bool {
    call.dependency == Dependency::Dataverse && call.method == Method::POST
}

fn is_creation(call: &Call) -> bool {
    call.dependency == Dependency::Dataverse && call.method == Method::PATCH
}

/// The requests of one kind get this action, or only the first of them.
fn answer(test: &TestEnvironment, is_meant: fn(&Call) -> bool, action: FaultAction, once: bool) {
    let done = std::sync::atomic::AtomicBool::new(false);
    let rule = move |call: &Call| {
        let is_next = is_meant(call) && !(once && done.swap(true, std::sync::atomic::Ordering::SeqCst));
        if is_next { action.clone() } else { FaultAction::Serve }
    };
    test.environment.network().set_faults(Script::new(&Calls::default(), rule));
}

fn status_and_reason(record: &Value) -> (&str, &str) {
    (record["status"].as_str().unwrap_or_default(), record["reason"]["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_failure_of_a_plug_in_or_the_database_is_retried() {
    let replies = [
        (400, "0x80040265", "dataverseFailed"),
        (400, "0x80044151", "dataverseFailed"),
        (400, "0x80044172", "dataverseFailed"),
        (400, "0x80048d1a", "dataverseFailed"),
        (302, "", "dataverseUnavailable"),
    ];
    for (status, code, reason) in replies {
        for is_meant in [is_trigger, is_creation] {
            let mut test = TestEnvironment::usual().await;
            let refusal = reply(status, code, "The remote server returned an error: (500).");
            answer(&test, is_meant, FaultAction::Refuse(refusal), false);
            let event = test.checkout(Some(&test.stranger()), None);
            test.minute().await;
            assert_eq!(status_and_reason(&test.record(&event).await), ("retrying", reason), "{status} {code}");
            test.environment.network().set_faults(NoFaults::default());
            test.pass(TimeDelta::minutes(5)).await;
            test.assert_clean(&CONFIRMATION);
        }
    }
}

#[tokio::test]
async fn a_failure_that_lasts_is_final_after_the_retry_horizon() {
    let mut test = Plan::usual().with("RetryHorizon", "00:10:00").open().await;
    answer(&test, is_trigger, FaultAction::Refuse(reply(400, "0x80040265", "refused")), false);
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(30)).await;
    assert_eq!(status_and_reason(&test.record(&event).await), ("failed", "dataverseFailed"));
}

#[tokio::test]
async fn rejected_data_is_final_and_names_its_column_and_no_value() {
    let cases = [
        (
            is_creation as fn(&Call) -> bool,
            "contactRefused",
            "The length of the 'lastname' attribute exceeded '50': Ann.",
        ),
        (is_trigger, "triggerRefused", "Cannot convert the value of 'lastname' to the expected type: Ann."),
    ];
    for (is_meant, reason, message) in cases {
        let mut test = TestEnvironment::usual().await;
        answer(&test, is_meant, FaultAction::Refuse(reply(400, "0x80044331", message)), false);
        let event = test.checkout(Some(&test.stranger()), None);
        test.minute().await;
        let record = test.record(&event).await;
        assert_eq!(status_and_reason(&record), ("failed", reason), "{record:#}");
        let detail = record["reason"]["detail"].as_str().unwrap();
        assert!(detail.contains("lastname") && !detail.contains("Ann"), "{detail}");
    }
}

#[tokio::test]
async fn a_gateways_page_in_the_place_of_a_trigger_is_a_lost_answer() {
    let mut test = TestEnvironment::usual().await;
    answer(&test, is_trigger, FaultAction::Refuse(page()), true);
    let event = test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(2)).await;
    let outcome = test.record(&event).await["journeys"]["order-confirmation"].clone();
    assert_eq!((&outcome["state"], &outcome["uncertain"]), (&json!("started"), &json!(1)), "{outcome:#}");
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_gateways_page_in_the_place_of_a_contact_starts_no_journey_for_nobody() {
    let mut test = TestEnvironment::usual().await;
    answer(&test, is_creation, FaultAction::Refuse(page()), true);
    test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(2)).await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_gateways_page_in_the_place_of_a_search_creates_no_contact() {
    let mut test = TestEnvironment::usual().await;
    let contacts = test.environment.dataverse().contact_count();
    let is_search = |call: &Call| call.dependency == Dependency::Dataverse && call.method == Method::GET;
    answer(&test, is_search, FaultAction::Refuse(page()), false);
    test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    assert_eq!(test.environment.dataverse().contact_count(), contacts);
}

/// A customer whose data does not fit: a vertical tab, a null character, and letters of two UTF-16 units.
fn odd_customer(test: &TestEnvironment) -> Customer {
    let model = test.shop().customer(&test.stranger()).unwrap();
    Customer {
        account: "ODD-1".to_owned(),
        first_name: format!("Ann\u{b}{}", "\u{1f600}".repeat(40)),
        last_name: format!("{}O'Neil\u{0}", "\u{1f600}".repeat(24)),
        email: "ann\u{1}.odd@example.org".to_owned(),
        receipt_email: String::new(),
        party_number: "9".repeat(101),
        ..(*model).clone()
    }
}

#[tokio::test]
async fn text_is_made_fit_for_dataverse() {
    let mut test = TestEnvironment::usual().await;
    test.shop().register(odd_customer(&test)).unwrap();
    let event = test.checkout(Some("ODD-1"), None);
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!(status_and_reason(&record).0, "processed", "{record:#}");
    let contacts = test.environment.dataverse().contacts();
    let contact = contacts.iter().find(|contact| contact.contact_number.as_deref() == Some("ODD-1")).unwrap();
    assert_eq!(contact.first_name, Some(format!("Ann {}", "\u{1f600}".repeat(23))));
    assert_eq!(contact.last_name, Some(format!("{}O'", "\u{1f600}".repeat(24))));
    assert_eq!((contact.email.as_deref(), &contact.party_number), (Some("ann.odd@example.org"), &None));
}

#[tokio::test]
async fn half_a_surrogate_pair_in_an_order_is_no_obstacle() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), None);
    let order = test.shop().order_body(event.channel_id, &event.transaction_id).unwrap();
    let mut order: Value = serde_json::from_slice(&order).unwrap();
    order["Name"] = json!("@half@\u{b}");
    let body = order.to_string().replace("@half@", "\\ud83d");
    assert!(test.shop().replace_order_body(&event.transaction_id, body));
    test.minute().await;
    let record = test.record(&event).await;
    assert_eq!(status_and_reason(&record).0, "processed", "{record:#}");
    assert_eq!(test.environment.dataverse().started()[0].parameters()["msdynmkt_name"], "\u{fffd} ");
}
