//! OpenTelemetry traces: one for each event's way through the house, one for each run of the poller.
//!
//! Off, and free, unless the standard `OTEL_*` variables name an endpoint. Spans are made with OpenTelemetry's own
//! interface rather than through `tracing`, because an event's trace has an id of its own (it follows from the event's
//! id, so that parties which never talk agree on it), and the span of a publication the id that its message carries.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::Either;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    FutureExt as _, Link, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceId,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator, RandomIdGenerator, Sampler, SamplingResult, SdkTracer,
    SdkTracerProvider, ShouldSample,
};
use uuid::Uuid;

use super::otlp::Transport;
use crate::clients::Dependency;
use crate::events::{CommerceEvent, Record};

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The export, while it is on.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// The host kills without notice: what is known should be on its way soon.
const SEND_AFTER: Duration = Duration::from_secs(1);

/// Whether the standard variables ask for traces.
fn is_wanted(environment: &impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, value: &str| environment(name).is_some_and(|set| set.trim().eq_ignore_ascii_case(value));
    let is_set = |name: &str| environment(name).is_some_and(|set| !set.trim().is_empty());
    let somewhere = is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    somewhere && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

impl Traces {
    /// Starts the export if the environment asks for it. To be called within the Tokio runtime that is to carry it.
    ///
    /// # Errors
    ///
    /// When the variables make no sense; then there is no export.
    pub fn start() -> Result<Option<Self>, String> {
        let environment = |name: &str| std::env::var(name).ok();
        if !is_wanted(&environment) {
            return Ok(None);
        }
        let in_words = |error: &dyn std::error::Error| error.to_string();
        let transport = Transport::new().map_err(|error| in_words(&error))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(transport);
        let exporter = exporter.build().map_err(|error| in_words(&error))?;
        let mut batches = BatchConfigBuilder::default();
        if environment("OTEL_BSP_SCHEDULE_DELAY").is_none() {
            batches = batches.with_scheduled_delay(SEND_AFTER);
        }
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_id_generator(PlannedIds::default())
            .with_sampler(ByTraceId(sampler(&environment)))
            .with_resource(resource(&environment))
            .build();
        let _ = TRACER.set(provider.tracer("commerce-journeys"));
        Ok(Some(Self(provider)))
    }

    /// Sends what is left and ends the export.
    pub async fn stop(self) {
        // Sending needs the runtime, so its threads must not wait for it.
        let stopped = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(Duration::from_secs(5))).await;
        if let Ok(Err(error)) = stopped {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

fn resource(environment: &impl Fn(&str) -> Option<String>) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let named = environment("OTEL_SERVICE_NAME").is_some()
        || environment("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    if named { resource.build() } else { resource.with_service_name("commerce-journeys").build() }
}

/// `OTEL_TRACES_SAMPLER`. What the parent-based ones add is [`ByTraceId`]'s business.
fn sampler(environment: &impl Fn(&str) -> Option<String>) -> Sampler {
    let name = environment("OTEL_TRACES_SAMPLER").unwrap_or_default().trim().to_lowercase();
    let ratio = || environment("OTEL_TRACES_SAMPLER_ARG").and_then(|ratio| ratio.trim().parse().ok()).unwrap_or(1.0);
    match name.strip_prefix("parentbased_").unwrap_or(&name) {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio()),
        _ => Sampler::AlwaysOn,
    }
}

/// Decides for a trace as a whole. A message says of its trace only that there is one, and the host's word about its
/// own traces does not bind ours: the id decides, wherever a part of the trace is made.
#[derive(Clone, Debug)]
struct ByTraceId(Sampler);

impl ShouldSample for ByTraceId {
    fn should_sample(
        &self,
        _: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        self.0.should_sample(None, trace_id, name, kind, attributes, links)
    }
}

/// Random ids, but for a span that is to have certain ones.
#[derive(Debug, Default)]
struct PlannedIds(RandomIdGenerator);

thread_local! {
    static PLANNED_TRACE: Cell<Option<TraceId>> = const { Cell::new(None) };
    static PLANNED_SPAN: Cell<Option<SpanId>> = const { Cell::new(None) };
}

impl IdGenerator for PlannedIds {
    fn new_trace_id(&self) -> TraceId {
        PLANNED_TRACE.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        PLANNED_SPAN.take().unwrap_or_else(|| self.0.new_span_id())
    }
}

/// A span under way, if traces are exported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Span(Option<Context>);

impl Span {
    /// A span, if anybody wants to know. Without a valid parent it begins a trace.
    fn begin(parent: &Context, describe: impl FnOnce() -> SpanBuilder) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let span = tracer.build_with_context(describe(), parent);
        Self(Some(parent.with_span(span)))
    }

    /// The same with chosen ids: of the trace that it begins, and perhaps its own.
    fn planned(
        trace: Option<TraceId>,
        own: Option<SpanId>,
        parent: &Context,
        builder: impl FnOnce() -> SpanBuilder,
    ) -> Self {
        if TRACER.get().is_none() {
            return Self(None);
        }
        PLANNED_TRACE.set(trace);
        PLANNED_SPAN.set(own);
        let span = Self::begin(parent, builder);
        PLANNED_TRACE.set(None);
        PLANNED_SPAN.set(None);
        span
    }

    /// Does `work` as what the span stands for, and ends it. No async function, which would hold `work` twice.
    pub(crate) fn around<T>(self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        match self.0 {
            None => Either::Left(work),
            Some(context) => Either::Right(work.with_context(context.clone()).inspect(move |_| context.span().end())),
        }
    }

    /// `traceparent` of whatever the span brings about.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.0.as_ref().map(|context| traceparent_of(context.span().span_context()))
    }

    /// Ends a span of a request with what came of it: a status, or the kind of failure.
    pub(crate) fn answered(self, result: Result<Option<u16>, &'static str>) {
        let Some(context) = self.0 else { return };
        let span = context.span();
        if let Ok(Some(status)) = result {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        }
        let error = match result {
            Ok(status) => status.filter(|status| *status >= 400).map(|status| status.to_string()),
            Err(kind) => Some(kind.to_owned()),
        };
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

fn traceparent_of(context: &SpanContext) -> String {
    let flags = context.trace_flags().to_u8();
    format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
}

fn parse(traceparent: &str) -> Context {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// Links to the span of `context`, if there is one.
fn link_to(context: &Context) -> Vec<Link> {
    let linked = context.span().span_context().clone();
    if linked.is_valid() { vec![Link::with_context(linked)] } else { Vec::new() }
}

fn builder(name: &'static str, kind: SpanKind, links: Vec<Link>, attributes: Vec<KeyValue>) -> SpanBuilder {
    let mut builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
    builder.links = Some(links);
    builder
}

fn about(event: &CommerceEvent) -> Vec<KeyValue> {
    vec![
        KeyValue::new("commerce_journeys.event_id", event.id().to_string()),
        KeyValue::new("commerce_journeys.event_type", event.event_type.clone()),
    ]
}

fn messaging(operation: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("messaging.system", "servicebus"), KeyValue::new("messaging.operation.type", operation)]
}

/// An invocation that is no delivery: part of the host's trace, if it told us of one.
pub(crate) fn invocation(function: &'static str, invocation_id: &str, host: Option<&str>) -> Span {
    let kind = if function == "poll-events" { SpanKind::Internal } else { SpanKind::Server };
    let id = || KeyValue::new("faas.invocation_id", invocation_id.to_owned());
    Span::begin(&host.map(parse).unwrap_or_default(), || builder(function, kind, Vec::new(), vec![id()]))
}

/// The enrichment of an event by a run of the poller: the root of the event's trace.
pub(crate) fn enrich(record: &Record, run: Uuid) -> Span {
    let (trace, own) = (TraceId::from(record.id.trace_id()), enrich_id(record, run));
    Span::planned(Some(trace), Some(own), &Context::new(), || {
        builder("enrich", SpanKind::Internal, link_to(&Context::current()), about(&record.event))
    })
}

/// Both who enriches and who publishes can tell it, and no other run of the poller makes the same.
fn enrich_id(record: &Record, run: Uuid) -> SpanId {
    let mixed = run.as_u128() ^ record.id.trace_id();
    SpanId::from((mixed ^ (mixed >> 64)) as u64 | (1 << 63))
}

/// A publication that has succeeded: what the `traceparent` of its message names. To be told before the record is.
pub(crate) fn published(record: &Record, run: Uuid, topic: &str, began: SystemTime) {
    if TRACER.get().is_none() {
        return;
    }
    let told = parse(&crate::events::traceparent(record));
    let told = told.span().span_context().clone();
    let parent =
        SpanContext::new(told.trace_id(), enrich_id(record, run), told.trace_flags(), false, Default::default());
    let parent = Context::new().with_remote_span_context(parent);
    let span = Span::planned(None, Some(told.span_id()), &parent, || {
        let mut attributes = about(&record.event);
        attributes.extend(messaging("send"));
        attributes.push(KeyValue::new("messaging.destination.name", topic.to_owned()));
        builder("publish", SpanKind::Producer, link_to(&Context::current()), attributes).with_start_time(began)
    });
    if let Some(context) = span.0 {
        context.span().end();
    }
}

/// A delivery: it goes on with the trace of its message, and names the host's.
pub(crate) fn process(message: Option<&str>, invocation_id: &str, host: Option<&str>) -> Span {
    Span::begin(&message.map(parse).unwrap_or_default(), || {
        let mut attributes = vec![KeyValue::new("faas.invocation_id", invocation_id.to_owned())];
        attributes.extend(messaging("process"));
        builder("process", SpanKind::Consumer, host.map(parse).as_ref().map(link_to).unwrap_or_default(), attributes)
    })
}

/// Says which event a delivery is about, as soon as that is known.
pub(crate) fn tell_event(event: &CommerceEvent) {
    if TRACER.get().is_some() {
        let context = Context::current();
        about(event).into_iter().for_each(|attribute| context.span().set_attribute(attribute));
    }
}

/// Work on an event that no message has brought, because a person asked for it: in the event's trace all the same.
pub(crate) fn replay(event: &CommerceEvent) -> Span {
    let trace = TraceId::from(event.id().trace_id());
    let current = Context::current();
    if current.span().span_context().trace_id() == trace {
        return Span::default();
    }
    Span::planned(Some(trace), None, &Context::new(), || {
        builder("replay", SpanKind::Internal, link_to(&current), about(event))
    })
}

/// `traceparent` of what the span under way brings about, if there is one.
pub(crate) fn current_traceparent() -> Option<String> {
    TRACER.get()?;
    let context = Context::current();
    let span = context.span();
    span.span_context().is_valid().then(|| traceparent_of(span.span_context()))
}

/// A request to a dependency. Neither path nor query: both may hold who it is about.
pub(crate) fn request(dependency: Dependency, method: Option<&'static str>, host: Option<&str>, resend: u32) -> Span {
    Span::begin(&Context::current(), || {
        let mut attributes = vec![KeyValue::new("peer.service", dependency.name())];
        attributes.extend(method.map(|method| KeyValue::new("http.request.method", method)));
        attributes.extend(host.map(|host| KeyValue::new("server.address", host.to_owned())));
        attributes.extend((resend > 0).then(|| KeyValue::new("http.request.resend_count", i64::from(resend))));
        let name = match method {
            Some(method) => format!("{method} {}", dependency.name()),
            None => dependency.name().to_owned(),
        };
        SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_attributes(attributes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(set: &[(&str, &str)]) -> bool {
        is_wanted(&|name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn traces_are_exported_when_an_endpoint_is_named_and_nothing_forbids_it() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        assert!(!wanted(&[]));
        assert!(!wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]));
        assert!(!wanted(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SERVICE_NAME", "x")]));
        assert!(wanted(&[endpoint]));
        assert!(wanted(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces")]));
        assert!(!wanted(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }

    #[test]
    fn a_sampler_decides_alike_wherever_a_part_of_the_trace_is_made() {
        let set = |name: &str| match name {
            "OTEL_TRACES_SAMPLER" => Some("parentbased_traceidratio".to_owned()),
            "OTEL_TRACES_SAMPLER_ARG" => Some("0.5".to_owned()),
            _ => None,
        };
        let sampler = ByTraceId(sampler(&set));
        let decide = |trace: u128, parent: Option<&Context>| {
            sampler.should_sample(parent, TraceId::from(trace), "x", &SpanKind::Internal, &[], &[]).decision
        };
        let decisions: Vec<_> = (0..64_u32)
            .map(|number| u128::from(number) << 58 | 1)
            .map(|trace| {
                let parent = parse(&format!("00-{trace:032x}-0000000000000001-01"));
                assert_eq!(decide(trace, None), decide(trace, Some(&parent)));
                decide(trace, None)
            })
            .collect();
        assert!(decisions.iter().any(|decision| *decision != decisions[0]), "half are kept, half are not");
    }

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent_of(parse(text).span().span_context()), text);
        assert!(!parse("00-nonsense").span().span_context().is_valid());
    }
}
