//! The log's lines, in the form that the Functions host makes the right traces of.
//!
//! The host goes by the stream and by one word: a line of stderr that holds `warn` anywhere is a warning, any other an
//! error ("Host.Function.Console"; `LOGGING.md` tells more).

use std::fmt::{self, Write as _};
use std::io::Write as _;

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::invocation;

/// Writes each event of `tracing` as one line.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = *event.metadata().level();
        let line = compose(level, &said.fields(event.metadata().target()));
        // Nobody is left to be told that nobody can be told.
        let _ = if level <= Level::WARN {
            writeln!(std::io::stderr().lock(), "{line}")
        } else {
            writeln!(std::io::stdout().lock(), "{line}")
        };
    }
}

/// What an event says: a line of our own vocabulary, or a library's words.
#[derive(Default)]
struct Said {
    ours: Option<String>,
    words: String,
}

impl Said {
    /// The event's own fields, as the inside of a JSON object.
    fn fields(self, target: &str) -> String {
        let whole = self.ours.unwrap_or_else(|| {
            json!({"event": "library", "target": target, "message": self.words.trim_end()}).to_string()
        });
        whole.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().to_owned()
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "line" => self.ours = Some(value.to_owned()),
            _ => self.record_debug(field, &format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.words, "{value:?} "),
            name => write!(self.words, "{name}={value:?} "),
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }
}

fn compose(level: Level, fields: &str) -> String {
    let time = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let level_name = level.as_str().to_lowercase();
    let place = invocation::current().map_or_else(String::new, |invocation| {
        format!(r#","function":{},"invocationId":{}"#, json!(invocation.function), json!(invocation.id))
    });
    let line = format!(r#"{{"time":"{time}","level":"{level_name}",{fields}{place}}}"#);
    if level == Level::ERROR { without_the_word(&line) } else { line }
}

/// The same JSON without the letters `warn`, which outside of strings cannot occur.
fn without_the_word(line: &str) -> String {
    const WORD: &str = "warn";
    let (mut rest, mut tame) = (line, String::with_capacity(line.len()));
    while let Some(at) = rest.to_ascii_lowercase().find(WORD) {
        let (before, from) = rest.split_at(at);
        tame.push_str(before);
        tame.push_str(if from.starts_with('w') { "\\u0077" } else { "\\u0057" });
        rest = &from[1..];
    }
    tame + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_error_is_never_taken_for_a_warning() {
        let fields = r#""event":"eventFailed","detail":"journey warn-them, WARNING, \\warn""#;
        let line = compose(Level::ERROR, fields);
        assert!(!line.to_lowercase().contains("warn"), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["detail"], "journey warn-them, WARNING, \\warn");
    }

    #[test]
    fn a_warning_always_says_so() {
        let line = compose(Level::WARN, r#""event":"throttled""#);
        assert!(line.contains(r#""level":"warn""#), "{line}");
    }

    #[test]
    fn a_library_speaks_json_too() {
        let said = Said { ours: None, words: "it \"broke\"\nname=value ".to_owned() };
        let line = compose(Level::INFO, &said.fields("azure_core"));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["event"], &read["target"]), (&Value::from("library"), &Value::from("azure_core")));
        assert_eq!(read["message"], "it \"broke\"\nname=value");
    }
}
