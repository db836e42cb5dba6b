//! The export of traces over OTLP, configured by the standard `OTEL_*` variables.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};

use super::ids::{FixedIdGenerator, TraceIdSampler};
use super::otlp::Transport;
use super::span::TRACER;

/// The running export.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// The host stops the process without notice, so spans are sent soon.
const SEND_AFTER: Duration = Duration::from_secs(1);

/// Whether the standard variables ask for traces.
fn is_enabled(environment: &impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, value: &str| environment(name).is_some_and(|set| set.trim().eq_ignore_ascii_case(value));
    let is_set = |name: &str| environment(name).is_some_and(|set| !set.trim().is_empty());
    let has_endpoint = is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    has_endpoint && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

impl Traces {
    /// Starts the export if the environment asks for it. Must be called within the Tokio runtime that sends the spans.
    ///
    /// # Errors
    ///
    /// When the variables are invalid. Then nothing is exported.
    pub fn start() -> Result<Option<Self>, String> {
        let environment = |name: &str| std::env::var(name).ok();
        if !is_enabled(&environment) {
            return Ok(None);
        }
        let transport = Transport::new().map_err(|error| error.to_string())?;
        let exporter = SpanExporter::builder().with_http().with_http_client(transport);
        let exporter = exporter.build().map_err(|error| error.to_string())?;
        let mut batches = BatchConfigBuilder::default();
        if environment("OTEL_BSP_SCHEDULE_DELAY").is_none() {
            batches = batches.with_scheduled_delay(SEND_AFTER);
        }
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches.build()).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_id_generator(FixedIdGenerator::default())
            .with_sampler(TraceIdSampler(sampler(&environment)))
            .with_resource(resource(&environment))
            .build();
        let _ = TRACER.set(provider.tracer("commerce-journeys"));
        Ok(Some(Self(provider)))
    }

    /// Sends the remaining spans and ends the export.
    pub async fn stop(self) {
        // The shutdown blocks while the runtime sends, so it must not block a thread of the runtime.
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

/// The sampler of `OTEL_TRACES_SAMPLER`. [`TraceIdSampler`] does what the parent-based variants add.
fn sampler(environment: &impl Fn(&str) -> Option<String>) -> Sampler {
    let name = environment("OTEL_TRACES_SAMPLER").unwrap_or_default().trim().to_lowercase();
    let ratio = || environment("OTEL_TRACES_SAMPLER_ARG").and_then(|ratio| ratio.trim().parse().ok()).unwrap_or(1.0);
    match name.strip_prefix("parentbased_").unwrap_or(&name) {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio()),
        _ => Sampler::AlwaysOn,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanKind, TraceId};
    use opentelemetry_sdk::trace::ShouldSample as _;

    use super::super::span::parse;
    use super::*;

    fn enabled(set: &[(&str, &str)]) -> bool {
        is_enabled(&|name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn traces_are_exported_if_an_endpoint_is_set_and_they_are_not_disabled() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        assert!(!enabled(&[]));
        assert!(!enabled(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]));
        assert!(!enabled(&[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SERVICE_NAME", "x")]));
        assert!(enabled(&[endpoint]));
        assert!(enabled(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces")]));
        assert!(!enabled(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!enabled(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }

    #[test]
    fn all_parts_of_a_trace_get_the_same_sampling_decision() {
        let set = |name: &str| match name {
            "OTEL_TRACES_SAMPLER" => Some("parentbased_traceidratio".to_owned()),
            "OTEL_TRACES_SAMPLER_ARG" => Some("0.5".to_owned()),
            _ => None,
        };
        let sampler = TraceIdSampler(sampler(&set));
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
}
