//! Writes log lines in the form that the Functions host maps to the right severity.
//!
//! The host looks at the stream and at one word: a line of stderr that contains `warn` is a warning, any other line of
//! stderr is an error ("Host.Function.Console"; see `docs/logging.md`).

use std::fmt::{self, Write as _};
use std::io::Write as _;

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::invocation;

/// Writes each `tracing` event as one line.
#[derive(Clone, Copy, Debug)]
pub struct HostLogLayer;

impl<S: Subscriber> Layer<S> for HostLogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = LogLine::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        let line = compose(level, &fields.into_json_fields(event.metadata().target()));
        // If the stream is closed, there is no place left to report it.
        let _ = if level <= Level::WARN {
            writeln!(std::io::stderr().lock(), "{line}")
        } else {
            writeln!(std::io::stdout().lock(), "{line}")
        };
    }
}

/// The content of a `tracing` event: one of our structured log events, or the message of a library.
#[derive(Default)]
struct LogLine {
    structured: Option<String>,
    message: String,
}

impl LogLine {
    /// The event's own fields: the content of a JSON object without its braces.
    fn into_json_fields(self, target: &str) -> String {
        let whole = self.structured.unwrap_or_else(|| {
            json!({"event": "library", "target": target, "message": self.message.trim_end()}).to_string()
        });
        whole.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().to_owned()
    }
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "line" => self.structured = Some(value.to_owned()),
            _ => self.record_debug(field, &format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?} "),
            name => write!(self.message, "{name}={value:?} "),
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
}

fn compose(level: Level, fields: &str) -> String {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let level_name = level.as_str().to_lowercase();
    let context = invocation::current().map_or_else(String::new, |invocation| {
        format!(r#","function":{},"invocationId":{}"#, json!(invocation.function), json!(invocation.id))
    });
    let line = format!(r#"{{"time":"{time}","level":"{level_name}",{fields}{context}}}"#);
    if level == Level::ERROR { without_warn(&line) } else { line }
}

/// The same JSON with the first letter of each `warn` escaped. The word can only occur in strings.
fn without_warn(line: &str) -> String {
    const WORD: &str = "warn";
    let (mut rest, mut escaped) = (line, String::with_capacity(line.len()));
    while let Some(at) = rest.to_ascii_lowercase().find(WORD) {
        let (before, from) = rest.split_at(at);
        escaped.push_str(before);
        escaped.push_str(if from.starts_with('w') { "\\u0077" } else { "\\u0057" });
        rest = &from[1..];
    }
    escaped + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_error_is_never_read_as_a_warning() {
        let fields = r#""event":"eventFailed","detail":"journey warn-them, WARNING, \\warn""#;
        let line = compose(Level::ERROR, fields);
        assert!(!line.to_lowercase().contains("warn"), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["detail"], "journey warn-them, WARNING, \\warn");
    }

    #[test]
    fn a_warning_contains_its_level() {
        let line = compose(Level::WARN, r#""event":"throttled""#);
        assert!(line.contains(r#""level":"warn""#), "{line}");
    }

    #[test]
    fn a_library_message_becomes_json() {
        let fields = LogLine { structured: None, message: "it \"broke\"\nname=value ".to_owned() };
        let line = compose(Level::INFO, &fields.into_json_fields("azure_core"));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["event"], &read["target"]), (&Value::from("library"), &Value::from("azure_core")));
        assert_eq!(read["message"], "it \"broke\"\nname=value");
    }
}
