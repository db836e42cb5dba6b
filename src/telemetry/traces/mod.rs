//! OpenTelemetry traces: one trace for each event, and one for each run of the poller.
//!
//! Off unless the standard `OTEL_*` variables set an endpoint. Spans use the OpenTelemetry API and not `tracing`, because
//! their ids are fixed: an event's trace id is derived from the event's id, and the span id of a publication is the one
//! that its message carries.

mod export;
mod ids;
mod otlp;
mod span;

use std::time::SystemTime;

use opentelemetry::trace::{SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use uuid::Uuid;

use crate::dependency::Dependency;
pub use export::Traces;
pub(crate) use span::Span;
use span::{TRACER, builder, link_to, parse, traceparent_of};

/// The event that a span belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TracedEvent<'a> {
    /// Id of the event's record.
    pub(crate) id: &'a str,
    /// Type of the event.
    pub(crate) event_type: &'a str,
    /// Id of the event's trace.
    pub(crate) trace_id: u128,
}

impl TracedEvent<'_> {
    fn attributes(&self) -> Vec<KeyValue> {
        vec![
            KeyValue::new("commerce_journeys.event_id", self.id.to_owned()),
            KeyValue::new("commerce_journeys.event_type", self.event_type.to_owned()),
        ]
    }

    /// The span id of the enrichment in a run of the poller. Enrichment and publication derive the same id, and every run
    /// derives another one.
    fn enrich_span_id(&self, run: Uuid) -> SpanId {
        let mixed = run.as_u128() ^ self.trace_id;
        SpanId::from((mixed ^ (mixed >> 64)) as u64 | (1 << 63))
    }
}

fn messaging(operation: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("messaging.system", "servicebus"), KeyValue::new("messaging.operation.type", operation)]
}

/// The span of an invocation by a timer or over HTTP. It is part of the host's trace, if there is one.
pub(crate) fn invocation(function: &'static str, invocation_id: &str, host: Option<&str>) -> Span {
    let kind = if function == "poll-events" { SpanKind::Internal } else { SpanKind::Server };
    let id = || KeyValue::new("faas.invocation_id", invocation_id.to_owned());
    Span::begin(&host.map(parse).unwrap_or_default(), || builder(function, kind, Vec::new(), vec![id()]))
}

/// The span of an event's enrichment by a run of the poller: the root of the event's trace.
pub(crate) fn enrich(event: TracedEvent<'_>, run: Uuid) -> Span {
    let (trace, own) = (TraceId::from(event.trace_id), event.enrich_span_id(run));
    Span::with_ids(Some(trace), Some(own), &Context::new(), || {
        builder("enrich", SpanKind::Internal, link_to(&Context::current()), event.attributes())
    })
}

/// Records the span of a successful publication. `traceparent` is that of the message, and gives the span its id.
pub(crate) fn published(event: TracedEvent<'_>, traceparent: &str, run: Uuid, topic: &str, began: SystemTime) {
    if TRACER.get().is_none() {
        return;
    }
    let sent = parse(traceparent);
    let sent = sent.span().span_context().clone();
    let parent =
        SpanContext::new(sent.trace_id(), event.enrich_span_id(run), sent.trace_flags(), false, Default::default());
    let parent = Context::new().with_remote_span_context(parent);
    let span = Span::with_ids(None, Some(sent.span_id()), &parent, || {
        let mut attributes = event.attributes();
        attributes.extend(messaging("send"));
        attributes.push(KeyValue::new("messaging.destination.name", topic.to_owned()));
        builder("publish", SpanKind::Producer, link_to(&Context::current()), attributes).with_start_time(began)
    });
    span.end();
}

/// The span of a delivery. It continues the trace of its message, and links to the host's trace.
pub(crate) fn process(message: Option<&str>, invocation_id: &str, host: Option<&str>) -> Span {
    Span::begin(&message.map(parse).unwrap_or_default(), || {
        let mut attributes = vec![KeyValue::new("faas.invocation_id", invocation_id.to_owned())];
        attributes.extend(messaging("process"));
        builder("process", SpanKind::Consumer, host.map(parse).as_ref().map(link_to).unwrap_or_default(), attributes)
    })
}

/// Adds the event to the current span, once the message has been decoded.
pub(crate) fn set_event(event: TracedEvent<'_>) {
    if TRACER.get().is_some() {
        let context = Context::current();
        event.attributes().into_iter().for_each(|attribute| context.span().set_attribute(attribute));
    }
}

/// The span of a replay that an operator requested. It is part of the event's trace, although no message carries it.
pub(crate) fn replay(event: TracedEvent<'_>) -> Span {
    let trace = TraceId::from(event.trace_id);
    let current = Context::current();
    if current.span().span_context().trace_id() == trace {
        return Span::default();
    }
    Span::with_ids(Some(trace), None, &Context::new(), || {
        builder("replay", SpanKind::Internal, link_to(&current), event.attributes())
    })
}

/// The `traceparent` for messages that the current span sends, if there is a span.
pub(crate) fn current_traceparent() -> Option<String> {
    TRACER.get()?;
    let context = Context::current();
    let span = context.span();
    span.span_context().is_valid().then(|| traceparent_of(span.span_context()))
}

/// The span of a request to a dependency. It has neither path nor query, because both may contain personal data.
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
