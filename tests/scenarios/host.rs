//! What the real Functions host does, and what the app makes of it.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use chrono::TimeDelta;
use futures::FutureExt as _;
use sandbox::audit::Journey;
use sandbox::environment::{FUNCTION_KEY, TOPIC};
use sandbox::host::KillScope;
use sandbox::network::{Call, ErrorReply, FaultAction};
use sandbox::service_bus::NewMessage;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::environment::{Plan, TestEnvironment};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// Throttles the first invocation of the trigger, so that the delivery takes seconds, and tells the host to stop then.
fn stop_during_the_first_invocation(test: &TestEnvironment) -> impl Fn(&Call) -> FaultAction + Send + Sync + use<> {
    let (platform, runtime) = (test.app.host().platform(), tokio::runtime::Handle::current());
    let stopped = AtomicBool::new(false);
    move |call| {
        if !call.path.ends_with(Journey::OrderConfirmation.trigger()) || stopped.swap(true, Ordering::SeqCst) {
            return FaultAction::Serve;
        }
        let platform = platform.clone();
        let mut stop = Box::pin(async move { platform.replace_handler(KillScope::GracefulStop).await });
        // The host stops to listen at once, before simulated time continues.
        assert!((&mut stop).now_or_never().is_none());
        runtime.spawn(stop);
        FaultAction::Refuse(ErrorReply::bare(StatusCode::TOO_MANY_REQUESTS))
    }
}

#[tokio::test]
async fn a_graceful_stop_with_work_in_flight_starts_nothing_twice() {
    let mut test = Plan::usual().open().await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::new(&calls, stop_during_the_first_invocation(&test)));
    test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(5)).await;
    // The function succeeded, its message came back when its lock expired, and its event was found done.
    let counters = test.app.host().counters();
    assert_eq!(counters.unsettled, 1, "{counters:#?}");
    assert_eq!(counters.functions["process-message"].succeeded, 3, "{counters:#?}");
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_body_that_overrides_the_hosts_metadata_is_processed() {
    let mut test = TestEnvironment::usual().await;
    let event = test.checkout(Some(&test.stranger()), Some("own@example.org"));
    let order = test.shop().order_body(event.channel_id, &event.transaction_id).unwrap();
    let order = std::str::from_utf8(&order).unwrap();
    let details = json!({
        "EventTransactionId": event.transaction_id, "EventDateTime": event.date_time.to_string(), "EventType": "Checkout",
        "EventDataAreaId": event.data_area_id, "EventChannelId": event.channel_id, "EventCustomerId": event.customer_id});
    // More nested than the host's parser allows, numbers in the host's format, and names of the host's own fields.
    let (open, close) = ("[".repeat(67), "]".repeat(67));
    let own = r#""sys": "mine", "DeliveryCount": 1e3, "EnqueuedTimeUtc": "never", "ApplicationProperties": [1]"#;
    for extra in [own.to_owned(), format!(r#"{own}, "deep": {{"a": {open}{close}}}"#)] {
        let body =
            format!(r#"{{{extra}, "OrderDetails": {order}, "CustomerDetails": null, "EventDetails": {details}}}"#);
        let message = NewMessage { body: body.into(), ..NewMessage::default() };
        test.environment.broker().send(TOPIC, vec![message]).unwrap();
    }
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}

#[tokio::test]
async fn a_chunked_request_never_reaches_the_app() {
    let test = TestEnvironment::usual().await;
    let address = test.app.url().trim_start_matches("http://").trim_end_matches('/');
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/trigger-journey HTTP/1.1\r\nHost: app\r\nx-functions-key: {FUNCTION_KEY}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\nf\r\n{{\"check\": true}}\r\n0\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 500") && reply.ends_with("\r\n\r\n"), "{reply}");
}
