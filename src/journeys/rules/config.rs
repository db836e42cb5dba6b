//! Reads `after`, `unless`, `latestOnly` and `oncePer` of a journey.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{OncePer, Rules, Same, Unless};
use crate::journeys::config::{ConfigError, DISABLED, Settings, error_at, setting_value};
use crate::settings::parse_duration;

/// The fields as they are in the file. They are checked here, so that all mistakes are reported together.
#[derive(Default)]
pub(in crate::journeys) struct Entries {
    pub(in crate::journeys) after: Option<Value>,
    pub(in crate::journeys) unless: Option<Value>,
    pub(in crate::journeys) latest_only: Option<Value>,
    pub(in crate::journeys) once_per: Option<Value>,
}

/// Longest wait and longest period.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

const DURATION: &str = "is not a duration of the form [d.]hh:mm:ss, of at most ten years";

/// The rules of the journey at `path`.
pub(in crate::journeys) fn read(
    entries: &Entries,
    path: &str,
    settings: Settings<'_>,
    errors: &mut Vec<ConfigError>,
) -> Rules {
    let mut reader = Reader { path, settings, errors };
    Rules {
        after: entries.after.as_ref().and_then(|value| reader.duration("after", value)).unwrap_or_default(),
        unless: entries.unless.as_ref().and_then(|value| reader.unless(value)),
        latest_only: entries.latest_only.as_ref().is_some_and(|value| reader.latest_only(value)),
        once_per: entries.once_per.as_ref().and_then(|value| reader.once_per(value)).unwrap_or_default(),
    }
}

struct Reader<'a> {
    path: &'a str,
    settings: Settings<'a>,
    errors: &'a mut Vec<ConfigError>,
}

impl Reader<'_> {
    fn error<T>(&mut self, field: &str, message: impl Into<String>) -> Option<T> {
        self.errors.push(error_at(&format!("{}.{field}", self.path), message));
        None
    }

    /// A duration: literal, or `%Setting%`.
    fn duration(&mut self, field: &str, value: &Value) -> Option<Duration> {
        let Some(text) = value.as_str() else { return self.error(field, DURATION) };
        let path = format!("{}.{field}", self.path);
        let expected = "a duration of the form [d.]hh:mm:ss";
        let text = setting_value(text, &path, self.settings, expected, self.errors)?;
        if text == DISABLED {
            return Some(Duration::from_secs(1));
        }
        match parse_duration(&text).filter(|duration| *duration <= LONGEST) {
            Some(duration) => Some(duration),
            None => self.error(field, DURATION),
        }
    }

    fn latest_only(&mut self, value: &Value) -> bool {
        value.as_bool().or_else(|| self.error("latestOnly", "is not true or false")).unwrap_or_default()
    }

    fn unless(&mut self, value: &Value) -> Option<Unless> {
        match value {
            Value::Array(_) => {
                self.event_types("unless", value).map(|event_types| Unless { event_types, same: Same::Transaction })
            }
            Value::Object(fields) => {
                self.known_fields("unless", fields, &["eventTypes", "same"]);
                let same = self.same(fields.get("same"));
                let event_types =
                    self.event_types("unless.eventTypes", fields.get("eventTypes").unwrap_or(&Value::Null));
                Some(Unless { event_types: event_types?, same: same? })
            }
            _ => self.error("unless", "is neither a list of event types nor an object with eventTypes and same"),
        }
    }

    fn event_types(&mut self, field: &str, value: &Value) -> Option<Vec<String>> {
        let types: Option<Vec<String>> = value.as_array().and_then(|types| {
            types
                .iter()
                .map(|name| name.as_str().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned))
                .collect()
        });
        match types.filter(|types| !types.is_empty()) {
            Some(types) => Some(types),
            None => self.error(field, "is not a list of event types"),
        }
    }

    fn same(&mut self, value: Option<&Value>) -> Option<Same> {
        match value.map(Value::as_str) {
            None | Some(Some("transaction")) => Some(Same::Transaction),
            Some(Some("customer")) => Some(Same::Customer),
            Some(_) => self.error("unless.same", "is neither \"transaction\" nor \"customer\""),
        }
    }

    fn once_per(&mut self, value: &Value) -> Option<OncePer> {
        const EXPECTED: &str = "is none of \"event\", \"transaction\" and {\"customer\": \"7.00:00:00\"}, with a period after which it may start again";
        match value {
            Value::String(text) if text == "event" => Some(OncePer::Event),
            Value::String(text) if text == "transaction" => Some(OncePer::Transaction(None)),
            Value::Object(fields) if fields.len() == 1 => match fields.iter().next() {
                Some((name, period)) if name == "customer" => {
                    self.period("oncePer.customer", period).map(OncePer::Customer)
                }
                Some((name, period)) if name == "transaction" => {
                    self.period("oncePer.transaction", period).map(|period| OncePer::Transaction(Some(period)))
                }
                _ => self.error("oncePer", EXPECTED),
            },
            _ => self.error("oncePer", EXPECTED),
        }
    }

    fn period(&mut self, field: &str, value: &Value) -> Option<Duration> {
        match self.duration(field, value)? {
            Duration::ZERO => self.error(field, "must not be zero"),
            period => Some(period),
        }
    }

    fn known_fields(&mut self, field: &str, fields: &Map<String, Value>, known: &[&str]) {
        if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            self.error::<()>(&format!("{field}.{name}"), format!("unknown field; known are {}", known.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::journeys::{ConfigError, Journeys, OncePer, Rules, Same};

    fn journeys(fields: &str, enabled: bool) -> Result<Journeys, Vec<ConfigError>> {
        let setting = |name: &str| (name == "Wait").then(|| "00:10:00".to_owned());
        let text = format!(
            r#"{{"journeys":[{{"name":"a","eventType":"T","trigger":"t","parameters":{{}},"enabled":{enabled},{fields}}}]}}"#
        );
        Journeys::read(&text, setting)
    }

    fn rules(fields: &str) -> Rules {
        journeys(fields, true).unwrap().iter().next().unwrap().rules.clone()
    }

    fn errors(fields: &str) -> String {
        journeys(fields, true).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_wait_is_a_duration_or_a_setting() {
        assert_eq!(rules(r#""after":"1.00:00:05""#).after.as_secs(), 86_405);
        assert_eq!(rules(r#""after":"%Wait%""#).after.as_secs(), 600);
        assert!(rules(r#""after":"00:00:00""#).after.is_zero());
        assert!(journeys(r#""after":"%Absent%""#, false).is_ok(), "a disabled journey needs no setting");
    }

    #[test]
    fn other_events_are_named_by_their_type() {
        let unless = rules(r#""unless":["Checkout"]"#).unless.unwrap();
        assert_eq!((unless.event_types, unless.same), (vec!["Checkout".to_owned()], Same::Transaction));
        let unless = rules(r#""unless":{"eventTypes":["A","B"],"same":"customer"}"#).unless.unwrap();
        assert_eq!((unless.event_types.len(), unless.same), (2, Same::Customer));
    }

    #[test]
    fn a_journey_starts_once_per_event_transaction_or_customer() {
        let once = |value: &str| rules(&format!(r#""oncePer":{value}"#)).once_per;
        assert_eq!(once(r#""event""#), OncePer::Event);
        assert_eq!(once(r#""transaction""#), OncePer::Transaction(None));
        let week = std::time::Duration::from_secs(7 * 86_400);
        assert_eq!(once(r#"{"customer":"7.00:00:00"}"#), OncePer::Customer(week));
        assert_eq!(once(r#"{"transaction":"7.00:00:00"}"#), OncePer::Transaction(Some(week)));
    }

    #[test]
    fn all_mistakes_are_reported_with_their_paths() {
        let found = errors(
            r#""after":3600,"unless":{"eventTypes":[],"same":"cart","types":1},"latestOnly":"yes","oncePer":"customer""#,
        );
        for path in ["after", "unless.eventTypes", "unless.same", "unless.types", "latestOnly", "oncePer"] {
            assert!(found.contains(&format!("journeys[0].{path}: ")), "{path} is missing in:\n{found}");
        }
        for wrong in [
            r#""after":"1h""#,
            r#""after":"%Absent%""#,
            r#""after":"9999.00:00:00""#,
            r#""unless":"Checkout""#,
            r#""unless":[" "]"#,
            r#""oncePer":{"customer":"00:00:00"}"#,
            r#""oncePer":{"customer":"1.00:00:00","transaction":"1.00:00:00"}"#,
            r#""oncePer":{"channel":"1.00:00:00"}"#,
        ] {
            assert!(errors(wrong).starts_with("journeys.json: journeys[0]."), "{wrong}");
        }
    }
}
