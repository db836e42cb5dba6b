//! Reads and validates `journeys.json`. Every error contains its path, and all of them are reported.

mod event_type;
mod fields;
mod journey;
mod parameter;
mod rules;

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use self::event_type::event_types;
use self::fields::{Fields, Mistakes, list, text};
use self::journey::journey;
use super::event_types::EventTypes;
use super::{Journey, Journeys};
use crate::json::read_json;
use crate::settings::is_unresolved_reference;

/// An error in `journeys.json`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journeys.json: {path}: {message}")]
pub struct ConfigError {
    /// The path, such as `journeys[0].parameters.msdynmkt_name`.
    pub path: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

type Settings<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn read(text: &str, setting: Settings<'_>) -> Result<Journeys, Vec<ConfigError>> {
    let mut mistakes = Mistakes::default();
    let read = match read_json::<Box<RawValue>>(text.as_bytes()) {
        Ok(file) => read_file(&file, setting, &mut mistakes),
        Err(error) => {
            mistakes.add("(file)", error.to_string());
            None
        }
    };
    read.filter(|_| mistakes.0.is_empty()).ok_or(mistakes.0)
}

fn read_file(file: &RawValue, setting: Settings<'_>, mistakes: &mut Mistakes) -> Option<Journeys> {
    let mut fields = Fields::split(file, "", mistakes)?;
    // Editors find the JSON Schema by it.
    fields.optional("$schema", text, mistakes);
    let event_types: EventTypes = fields.optional("eventTypes", event_types, mistakes).unwrap_or_default();
    let read = |value: &RawValue, path: &str, mistakes: &mut Mistakes| journeys(value, path, setting, mistakes);
    let journeys = fields.required("journeys", read, mistakes);
    fields.finish(mistakes);
    Some(Journeys { journeys: journeys?, event_types })
}

/// The enabled journeys.
fn journeys(value: &RawValue, path: &str, setting: Settings<'_>, mistakes: &mut Mistakes) -> Option<Vec<Journey>> {
    let (mut names, mut enabled) = (BTreeSet::new(), Vec::new());
    for (path, item) in list(value, path, mistakes)? {
        let Some(entry) = journey(&item, &path, setting, mistakes) else { continue };
        if let Some(name) = entry.name
            && !names.insert(name.clone())
        {
            mistakes.add(&format!("{path}.name"), format!("{name:?} occurs twice; names must be unique"));
        }
        enabled.extend(entry.enabled);
    }
    Some(enabled)
}

/// An error at this path.
fn error_at(path: &str, message: impl Into<String>) -> ConfigError {
    ConfigError { path: path.to_owned(), message: message.into() }
}

/// Replaces `%Name%` with the app setting of that name. `expected` says what its value must be.
fn setting_value(
    text: &str,
    path: &str,
    setting: Settings<'_>,
    expected: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<String> {
    let name = text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')).filter(|name| !name.is_empty());
    let Some(name) = name else { return Some(text.to_owned()) };
    let value = setting(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let problem = match value {
        Some(value) if is_unresolved_reference(&value) => {
            format!("the app setting {name} is a Key Vault reference that is not resolved; set {expected} itself")
        }
        Some(value) => return Some(value),
        None => format!("the app setting {name} is missing; set it to {expected}"),
    };
    errors.push(error_at(path, problem));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journeys::{Details, EventType, OrderKey};

    const SHIPPED: &str = include_str!("../../../journeys.json");

    fn setting(name: &str) -> Option<String> {
        name.ends_with("Trigger").then(|| format!("msdynmkt_{}", name.to_lowercase()))
    }

    fn errors(text: &str) -> Vec<String> {
        read(text, &setting).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_shipped_file_is_valid_and_enables_only_the_order_confirmation() {
        let names: Vec<_> = read(SHIPPED, &setting).unwrap().iter().map(|journey| journey.name.clone()).collect();
        assert_eq!(names, ["order-confirmation"]);
        let all = read(&SHIPPED.replace("\"enabled\": false", "\"enabled\": true"), &setting).unwrap();
        assert_eq!(all.iter().count(), 4);
    }

    #[test]
    fn every_error_contains_its_path() {
        let text = r#"{"journeys":[
            {"name":"a","eventType":"","trigger":"%Absent%","parameters":{"p":{"from":"/Order/X","type":"String"}}},
            {"name":"a","eventType":"T","trigger":"x y","conditions":[{"pointer":"/OrderDetails/A"}],
             "parameters":{"q":{"from":"now","type":"Integer"},"r":{"from":"/EventDetails/E","type":"Integer","default":"x"}}}]}"#;
        let found = errors(text).join("\n");
        for path in [
            "journeys[0].eventType:",
            "journeys[0].trigger:",
            "journeys[0].parameters.p.from:",
            "journeys[1].name:",
            "journeys[1].trigger:",
            "journeys[1].conditions[0]:",
            "journeys[1].parameters.q.type:",
            "journeys[1].parameters.r.default:",
        ] {
            assert!(found.contains(path), "{path} is missing in:\n{found}");
        }
    }

    #[test]
    fn a_shape_error_contains_its_path() {
        let found = errors(
            r#"{"journeys":[{"name":"a","eventType":"T","trigger":"t","parameters":{"p":{"from":"now","type":"Number"}}}]}"#,
        );
        assert!(found[0].contains("journeys[0].parameters.p.type"), "{found:?}");
        assert!(errors("{")[0].contains("it ends too early"));
    }

    #[test]
    fn mistakes_of_all_kinds_are_reported_at_once_with_what_is_meant() {
        let found = errors(
            r#"{"eventTypes":{"OrderShipped":{"enrichwith":["order"]},"B":{"enrichWith":["order","cart"]},
                              "C":{"orderKey":"/OrderId"},"D":{"enrichWith":["order"],"orderKey":"OrderId"}},
                "jurneys":[],"journeys":[
                {"name":"a","enabled":"yes","eventType":7,"trigger":"t","onUncertian":"hold","parameters":{}},
                {"name":"b","eventType":"T","conditions":{},"parameters":{"p":{"from":["now",5],"type":"number"}}},
                "c"]}"#,
        );
        let expected = [
            r#"eventTypes.OrderShipped.enrichwith: is not known; the name of a similar field is "enrichWith""#,
            "eventTypes.B.enrichWith: must not have both order and cart: a message has one OrderDetails",
            "eventTypes.C.orderKey: has no effect: enrichWith has neither order nor cart",
            r#"eventTypes.D.orderKey: must be "transactionId" or a JSON pointer"#,
            "journeys[0].enabled: must be true or false",
            "journeys[0].eventType: must be a text",
            r#"journeys[0].onUncertian: is not known; the name of a similar field is "onUncertain""#,
            "journeys[1].trigger: is missing",
            "journeys[1].conditions: must be a list",
            r#"journeys[1].parameters.p.from[0]: "now" is not a JSON pointer"#,
            "journeys[1].parameters.p.from[1]: must be a text",
            "journeys[1].parameters.p.type: must be one of String, DateTime",
            "journeys[2]: must be an object",
            r#"jurneys: is not known; the name of a similar field is "journeys""#,
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for text in expected {
            assert!(found.iter().any(|error| error.contains(text)), "{text} is missing in:\n{found:#?}");
        }
    }

    #[test]
    fn event_types_have_todays_enrichment_unless_the_file_says_otherwise() {
        let journeys = read(
            r#"{"journeys":[],"eventTypes":{"OrderShipped":{"enrichWith":["order","customer"],"optional":["order"],
                "orderKey":"/OrderId"},"Return":{"enrichWith":["order"]},"checkout":{"optional":["order"]}}}"#,
            &setting,
        )
        .unwrap();
        let shipped = journeys.event_type("ORDERSHIPPED ");
        assert!(shipped.details == Some(Details::Order) && shipped.details_optional && !shipped.customer_optional);
        let returned = journeys.event_type("Return");
        assert!(returned.needs_details() && !returned.has_customer, "an order is needed unless it is optional");
        let checkout = journeys.event_type("Checkout");
        assert!(checkout.details == Some(Details::Order) && !checkout.needs_details() && checkout.has_customer);
        for (name, details, optional) in [
            ("Checkout", Some(Details::Order), false),
            ("AddCartLines", Some(Details::Cart), true),
            ("Other", None, true),
        ] {
            let kind = EventType::by_default(name);
            let expected = EventType {
                details,
                has_customer: true,
                key: OrderKey::TransactionId,
                details_optional: optional,
                customer_optional: true,
            };
            assert_eq!(kind, expected, "{name}");
        }
    }
}
