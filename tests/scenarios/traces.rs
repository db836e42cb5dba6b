//! All spans of an event are one trace, as a collector receives it over OTLP from the real program.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use sandbox::app_folder::{Enabled, assemble, repository};
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions, FunctionApp};
use sandbox::host::{App, Process, Sink};
use sandbox::shop::{CHANNELS, CartOpening, Checkout, Item, PRODUCTS};
use tokio::net::TcpListener;

use crate::environment::wait_for;

/// Receives and stores spans.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<Vec<String>>>,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let router = Router::new().route("/v1/traces", post(receive)).with_state(collector.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (collector, url)
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }

    /// Waits for a span that meets the condition.
    async fn span(&self, wanted: impl Fn(&Span) -> bool) -> Span {
        wait_for("a span", || self.spans().into_iter().find(&wanted)).await
    }
}

async fn receive(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    collector.keys.lock().unwrap().push(text("api-key"));
    for batch in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
        let attributes = batch.resource.unwrap().attributes;
        let name = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
        collector.services.lock().unwrap().push(string(name.value.unwrap().value));
        let spans = batch.scope_spans.into_iter().flat_map(|scope| scope.spans);
        collector.spans.lock().unwrap().extend(spans);
    }
    (StatusCode::OK, Vec::new())
}

fn string(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn attributes(span: &Span) -> HashMap<String, String> {
    let attributes = span.attributes.iter();
    attributes.map(|attribute| (attribute.key.clone(), string(attribute.value.clone().unwrap().value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn open(environment: &Environment, folder: &str, otel: &[(&str, &str)]) -> FunctionApp {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    assemble(&repository(), Some(Path::new(env!("CARGO_BIN_EXE_commerce-journeys"))), &folder, Enabled::AsShipped)
        .unwrap();
    let mut settings = environment.settings_with_secrets();
    settings.extend(otel.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let silent: Sink = Arc::new(|_, _| {});
    let app = environment.host(App::read(&folder, &settings).unwrap(), Arc::new(Process), silent).await.unwrap();
    assert!(app.host().ready().await);
    app
}

/// A customer's checkout, with an e-mail address that no span may contain.
fn sell(environment: &Environment) {
    let shop = environment.shop();
    let opening = CartOpening { channel: CHANNELS[0].id, ..CartOpening::default() };
    let cart = shop.open_cart(opening).unwrap();
    shop.add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
    let receipt_email = Some("traced.guest@example.org".to_owned());
    shop.checkout(&cart, Checkout { receipt_email, ..Checkout::default() }).unwrap();
}

async fn one_journey(environment: &Environment) {
    wait_for("a started journey", || environment.dataverse().started().first().map(drop)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poll_publish_process_and_trigger_of_an_event_are_one_trace() {
    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
    let (collector, url) = Collector::start().await;
    let otel = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k1")];
    let app = open(&environment, "traces", &otel).await;
    sell(&environment);
    one_journey(&environment).await;
    let is_checkout =
        |span: &Span| attributes(span).get("commerce_journeys.event_type").is_some_and(|it| it == "Checkout");
    let process = collector.span(|span| span.name == "process" && is_checkout(span)).await;
    // All other spans of the event have ended. Only the run of the poller may still be active.
    let enriched = collector.span(|span| span.name == "enrich" && span.trace_id == process.trace_id).await;
    let run = collector.span(|span| span.name == "poll-events" && span.span_id == enriched.links[0].span_id).await;
    app.shutdown().await;

    let spans = collector.spans();
    let of_event: Vec<&Span> = spans.iter().filter(|span| span.trace_id == process.trace_id).collect();
    let one = |name: &str| {
        let found: Vec<&&Span> = of_event.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name} among {:?}", of_event.iter().map(|span| &span.name).collect::<Vec<_>>());
        *found[0]
    };
    // Enrich, publish, process, trigger: each is the child of the previous one.
    let (enrich, publish) = (one("enrich"), one("publish"));
    assert_eq!(enrich.parent_span_id, Vec::<u8>::new(), "the root");
    assert_eq!(publish.parent_span_id, enrich.span_id);
    assert_eq!(process.parent_span_id, publish.span_id);
    let trigger = of_event.iter().find(|span| span.name == "POST dataverse").unwrap();
    assert_eq!(trigger.parent_span_id, process.span_id);
    assert_eq!(
        (publish.kind(), process.kind(), trigger.kind()),
        (SpanKind::Producer, SpanKind::Consumer, SpanKind::Client)
    );
    // The order was requested for this event. The record was written by the run, to which the span links.
    let order = of_event.iter().find(|span| span.name == "GET commerce").unwrap();
    assert_eq!(order.parent_span_id, enrich.span_id);
    assert_eq!(attributes(order)["http.response.status_code"], "200");
    let linked = |span: &Span| span.links.iter().any(|link| link.span_id == run.span_id);
    assert!(linked(enrich) && linked(publish));
    assert!(
        spans.iter().any(|span| span.name == "POST commerce" && span.trace_id == run.trace_id),
        "the search is the run's"
    );
    // Dataverse receives the span of the request, and the trace id is derived from the event's id.
    let started = &environment.dataverse().started()[0];
    let expected = format!("00-{}-{}-01", hex(&trigger.trace_id), hex(&trigger.span_id));
    assert_eq!(started.traceparent.as_deref(), Some(expected.as_str()));
    // The spans contain ids, and no personal data.
    assert!(collector.services.lock().unwrap().iter().all(|name| name == "commerce-journeys"));
    assert!(collector.keys.lock().unwrap().iter().all(|key| key == "k1"));
    assert!(!format!("{spans:?}").contains("traced.guest"), "no personal data in a span");
    assert!(!format!("{spans:?}").contains("$filter"), "no query in a span");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_does_not_respond_delays_nothing() {
    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
    // It accepts connections and sends no response.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let app = open(&environment, "silent-collector", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).await;
    sell(&environment);
    one_journey(&environment).await;
    app.shutdown().await;
    assert_eq!(environment.counts().dead_lettered, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_exported_by_default() {
    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
    let (collector, url) = Collector::start().await;
    let otel = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
    ];
    let app = open(&environment, "no-traces", &otel).await;
    sell(&environment);
    one_journey(&environment).await;
    app.shutdown().await;
    assert!(collector.spans().is_empty());
    // The message still carries the trace.
    let traceparent = environment.dataverse().started()[0].traceparent.clone().unwrap();
    assert!(traceparent.starts_with("00-") && traceparent.ends_with("-01"), "{traceparent}");
}
