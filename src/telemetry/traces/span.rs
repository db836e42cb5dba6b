//! A span that does nothing while traces are off.

use std::collections::HashMap;
use std::future::Future;
use std::sync::OnceLock;

use futures::FutureExt as _;
use futures::future::Either;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{
    FutureExt as _, Link, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceId,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use super::ids::with_fixed_ids;

/// The tracer, once the export has started.
pub(super) static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// A running span, if traces are exported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Span(Option<Context>);

impl Span {
    /// Begins a span. Without a valid parent it begins a new trace.
    pub(super) fn begin(parent: &Context, describe: impl FnOnce() -> SpanBuilder) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let span = tracer.build_with_context(describe(), parent);
        Self(Some(parent.with_span(span)))
    }

    /// Begins a span with a fixed trace id or a fixed span id.
    pub(super) fn with_ids(
        trace: Option<TraceId>,
        own: Option<SpanId>,
        parent: &Context,
        describe: impl FnOnce() -> SpanBuilder,
    ) -> Self {
        if TRACER.get().is_none() {
            return Self(None);
        }
        with_fixed_ids(trace, own, || Self::begin(parent, describe))
    }

    /// Runs `work` within the span and ends the span. Not an async function, because that would store `work` twice.
    pub(crate) fn in_scope<T>(self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        match self.0 {
            None => Either::Left(work),
            Some(context) => Either::Right(work.with_context(context.clone()).inspect(move |_| context.span().end())),
        }
    }

    /// The `traceparent` for requests and messages that this span sends.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.0.as_ref().map(|context| traceparent_of(context.span().span_context()))
    }

    /// Ends the span.
    pub(super) fn end(self) {
        if let Some(context) = self.0 {
            context.span().end();
        }
    }

    /// Ends the span of a request with its result: the status, or the kind of the failure.
    pub(crate) fn end_request(self, result: Result<Option<u16>, &'static str>) {
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

/// The `traceparent` of a span.
pub(super) fn traceparent_of(context: &SpanContext) -> String {
    let flags = context.trace_flags().to_u8();
    format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
}

/// Reads a `traceparent`. An invalid one gives a context without a valid span.
pub(super) fn parse(traceparent: &str) -> Context {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

/// A link to the span of `context`, if it is valid.
pub(super) fn link_to(context: &Context) -> Vec<Link> {
    let linked = context.span().span_context().clone();
    if linked.is_valid() { vec![Link::with_context(linked)] } else { Vec::new() }
}

/// A span builder with links and attributes.
pub(super) fn builder(name: &'static str, kind: SpanKind, links: Vec<Link>, attributes: Vec<KeyValue>) -> SpanBuilder {
    let mut builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
    builder.links = Some(links);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent_of(parse(text).span().span_context()), text);
        assert!(!parse("00-nonsense").span().span_context().is_valid());
    }
}
