//! `after`, `unless`, `latestOnly` and `oncePer` of a journey.

use std::time::Duration;

use serde_json::value::RawValue;

use super::fields::{Fields, Mistakes, flag, list, name, one_of, text};
use super::{Settings, setting_value};
use crate::journeys::{OncePer, Rules, Same, Unless};
use crate::settings::parse_duration;

/// Longest wait and longest period.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

const SAME: [(&str, Same); 2] = [("transaction", Same::Transaction), ("customer", Same::Customer)];

/// Reads the rules among the fields of a journey.
pub(super) fn rules(fields: &mut Fields, setting: Settings<'_>, mistakes: &mut Mistakes) -> Rules {
    let after = |value: &RawValue, path: &str, mistakes: &mut Mistakes| duration(value, path, setting, mistakes);
    let once = |value: &RawValue, path: &str, mistakes: &mut Mistakes| once_per(value, path, setting, mistakes);
    Rules {
        after: fields.optional("after", after, mistakes).unwrap_or_default(),
        unless: fields.optional("unless", unless, mistakes),
        latest_only: fields.optional("latestOnly", flag, mistakes).unwrap_or_default(),
        once_per: fields.optional("oncePer", once, mistakes).unwrap_or_default(),
    }
}

/// A duration: literal, or `%Setting%`.
fn duration(value: &RawValue, path: &str, setting: Settings<'_>, mistakes: &mut Mistakes) -> Option<Duration> {
    let text = text(value, path, mistakes)?;
    let text = setting_value(&text, path, setting, "a duration of the form [d.]hh:mm:ss", &mut mistakes.0)?;
    let duration = parse_duration(&text).filter(|duration| *duration <= LONGEST);
    if duration.is_none() {
        mistakes.add(path, "is not a duration of the form [d.]hh:mm:ss, of at most ten years");
    }
    duration
}

/// A list of event types, or an object that also says what they have in common with the journey's event.
fn unless(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Unless> {
    if value.get().starts_with('[') {
        let event_types = event_types(value, path, mistakes)?;
        return Some(Unless { event_types, same: Same::default() });
    }
    if !value.get().starts_with('{') {
        mistakes.add(path, "is neither a list of event types nor an object with eventTypes and same");
        return None;
    }
    let mut fields = Fields::split(value, path, mistakes)?;
    let event_types = fields.required("eventTypes", event_types, mistakes);
    let same = fields.optional("same", one_of(&SAME), mistakes).unwrap_or_default();
    fields.finish(mistakes);
    Some(Unless { event_types: event_types?, same })
}

fn event_types(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    let items = list(value, path, mistakes)?;
    if items.is_empty() {
        mistakes.add(path, "contains no event type");
        return None;
    }
    Some(items.iter().filter_map(|(path, item)| name(item, path, mistakes)).collect())
}

fn once_per(value: &RawValue, path: &str, setting: Settings<'_>, mistakes: &mut Mistakes) -> Option<OncePer> {
    match value.get() {
        "\"event\"" => return Some(OncePer::Event),
        "\"transaction\"" => return Some(OncePer::Transaction(None)),
        text if text.starts_with('{') => {
            let fields: Vec<_> = Fields::split(value, path, mistakes)?.into_values().collect();
            match fields.as_slice() {
                [(name, value)] if name == "customer" => {
                    return period(value, &format!("{path}.customer"), setting, mistakes).map(OncePer::Customer);
                }
                [(name, value)] if name == "transaction" => {
                    let period = period(value, &format!("{path}.transaction"), setting, mistakes)?;
                    return Some(OncePer::Transaction(Some(period)));
                }
                _ => {}
            }
        }
        _ => {}
    }
    mistakes.add(
        path,
        "is none of \"event\", \"transaction\" and {\"customer\": \"7.00:00:00\"}, with a period after which it may start \
         again",
    );
    None
}

fn period(value: &RawValue, path: &str, setting: Settings<'_>, mistakes: &mut Mistakes) -> Option<Duration> {
    let period = duration(value, path, setting, mistakes)?;
    if period.is_zero() {
        mistakes.add(path, "must not be zero");
    }
    Some(period)
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
            r#""after":"disabled""#,
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
