//! Trace and span ids: random, except where an event fixes them. Sampling by trace id.

use std::cell::Cell;

use opentelemetry::trace::{Link, SpanId, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, Sampler, SamplingResult, ShouldSample};

/// Samples a whole trace by its id. The sampled flag of a parent is ignored: every part of a trace gets the same
/// decision, wherever it is made.
#[derive(Clone, Debug)]
pub(super) struct TraceIdSampler(pub(super) Sampler);

impl ShouldSample for TraceIdSampler {
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

/// Generates random ids, except within [`with_fixed_ids`].
#[derive(Debug, Default)]
pub(super) struct FixedIdGenerator(RandomIdGenerator);

thread_local! {
    static FIXED_TRACE: Cell<Option<TraceId>> = const { Cell::new(None) };
    static FIXED_SPAN: Cell<Option<SpanId>> = const { Cell::new(None) };
}

/// Runs `begin`, which begins one span with these ids.
pub(super) fn with_fixed_ids<T>(trace: Option<TraceId>, span: Option<SpanId>, begin: impl FnOnce() -> T) -> T {
    FIXED_TRACE.set(trace);
    FIXED_SPAN.set(span);
    let begun = begin();
    FIXED_TRACE.set(None);
    FIXED_SPAN.set(None);
    begun
}

impl IdGenerator for FixedIdGenerator {
    fn new_trace_id(&self) -> TraceId {
        FIXED_TRACE.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        FIXED_SPAN.take().unwrap_or_else(|| self.0.new_span_id())
    }
}
