//! Reads and validates `journeys.json`. Every error contains its path.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::parameters::{Parameter, Source, Type};
use super::pointer::Pointer;
use super::{Condition, Journey, OnUncertain, Test, rules};
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    journeys: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default = "yes")]
    enabled: bool,
    event_type: String,
    trigger: String,
    #[serde(default)]
    on_uncertain: OnUncertain,
    #[serde(default)]
    conditions: Vec<ConditionEntry>,
    after: Option<Value>,
    unless: Option<Value>,
    latest_only: Option<Value>,
    once_per: Option<Value>,
    parameters: BTreeMap<String, ParameterEntry>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionEntry {
    pointer: String,
    is: Option<Is>,
    equals: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Is {
    Present,
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterEntry {
    from: From,
    #[serde(rename = "type")]
    kind: Type,
    default: Option<Value>,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum From {
    One(String),
    FirstOf(Vec<String>),
}

pub(super) type Settings<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The value of every setting while a journey is disabled.
pub(super) const DISABLED: &str = "disabled";

pub(super) fn read(text: &str, setting: Settings<'_>) -> Result<Vec<Journey>, Vec<ConfigError>> {
    let file: File = read_json(text.as_bytes()).map_err(|error| vec![error_at("(file)", error.to_string())])?;
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    let mut journeys = Vec::new();
    for (index, entry) in file.journeys.into_iter().enumerate() {
        let path = format!("journeys[{index}]");
        if !names.insert(entry.name.clone()) {
            errors.push(error_at(
                &format!("{path}.name"),
                format!("{:?} occurs twice; names must be unique", entry.name),
            ));
        }
        let enabled = entry.enabled;
        // A disabled journey must be valid too, but its settings may be missing.
        let lookup: Settings<'_> = if enabled { setting } else { &|_| Some(DISABLED.to_owned()) };
        let journey = validate(entry, &path, lookup, &mut errors);
        journeys.extend(journey.filter(|_| enabled));
    }
    if errors.is_empty() { Ok(journeys) } else { Err(errors) }
}

pub(super) fn error_at(path: &str, message: impl Into<String>) -> ConfigError {
    ConfigError { path: path.to_owned(), message: message.into() }
}

fn validate(entry: Entry, path: &str, setting: Settings<'_>, errors: &mut Vec<ConfigError>) -> Option<Journey> {
    let before = errors.len();
    for (field, value) in [("name", &entry.name), ("eventType", &entry.event_type), ("trigger", &entry.trigger)] {
        if value.trim().is_empty() {
            errors.push(error_at(&format!("{path}.{field}"), "must not be empty"));
        }
    }
    let trigger = resolve(&entry.trigger, &format!("{path}.trigger"), setting, errors);
    let conditions: Vec<_> = entry
        .conditions
        .into_iter()
        .enumerate()
        .filter_map(|(index, entry)| ok_or_record(condition(entry, &format!("{path}.conditions[{index}]")), errors))
        .collect();
    let parameters: BTreeMap<_, _> = entry
        .parameters
        .into_iter()
        .filter_map(|(name, entry)| {
            let parameter = ok_or_record(parameter(entry, &format!("{path}.parameters.{name}")), errors)?;
            Some((name, parameter))
        })
        .collect();
    let entries = rules::Entries {
        after: entry.after,
        unless: entry.unless,
        latest_only: entry.latest_only,
        once_per: entry.once_per,
    };
    let rules = rules::read(&entries, path, setting, errors);
    let is_valid = errors.len() == before;
    is_valid.then_some(Journey {
        name: entry.name,
        event_type: entry.event_type,
        trigger: trigger?,
        on_uncertain: entry.on_uncertain,
        rules,
        conditions,
        parameters,
    })
}

fn ok_or_record<T>(result: Result<T, ConfigError>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

/// Replaces `%Name%` with the app setting of that name. `expected` says what its value must be.
pub(super) fn setting_value(
    text: &str,
    path: &str,
    setting: Settings<'_>,
    expected: &str,
    errors: &mut Vec<ConfigError>,
) -> Option<String> {
    let Some(name) = text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) else {
        return Some(text.to_owned());
    };
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

/// The name of a trigger. It must be a valid name of an action.
fn resolve(text: &str, path: &str, setting: Settings<'_>, errors: &mut Vec<ConfigError>) -> Option<String> {
    let expected = "the trigger's name as the code snippet shows it";
    let name = setting_value(text, path, setting, expected, errors)?;
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Some(name);
    }
    errors.push(error_at(path, "is not the name of an action: only letters, digits and underscores"));
    None
}

fn condition(entry: ConditionEntry, path: &str) -> Result<Condition, ConfigError> {
    let pointer = Pointer::parse(&entry.pointer).map_err(|error| error_at(&format!("{path}.pointer"), error))?;
    let test = match (entry.is, entry.equals) {
        (Some(Is::Present), None) => Test::Present,
        (Some(Is::Empty), None) => Test::Empty,
        (None, Some(value)) => Test::Equals(value),
        _ => return Err(error_at(path, "needs either \"is\" (present or empty) or \"equals\"")),
    };
    Ok(Condition { pointer, test })
}

fn parameter(entry: ParameterEntry, path: &str) -> Result<Parameter, ConfigError> {
    let source = match entry.from {
        From::One(source) if source == "now" => Source::Now,
        From::One(source) if source == "contactId" => Source::ContactId,
        From::One(pointer) => Source::Message(pointers(&[pointer], path)?),
        From::FirstOf(all) => Source::Message(pointers(&all, path)?),
    };
    let is_compatible = match source {
        Source::Now => matches!(entry.kind, Type::DateTime | Type::String),
        Source::ContactId => matches!(entry.kind, Type::Guid | Type::String),
        Source::Message(_) => true,
    };
    if !is_compatible {
        return Err(error_at(
            &format!("{path}.type"),
            "\"now\" is a DateTime or String, \"contactId\" a Guid or String",
        ));
    }
    let default = entry.default.map(|value| default(&value, entry.kind, path)).transpose()?;
    Ok(Parameter { source, kind: entry.kind, default, optional: entry.optional })
}

fn pointers(texts: &[String], path: &str) -> Result<Vec<Pointer>, ConfigError> {
    if texts.is_empty() {
        return Err(error_at(&format!("{path}.from"), "contains no pointer"));
    }
    let parse = |text: &String| {
        Pointer::parse(text)
            .map_err(|error| error_at(&format!("{path}.from"), format!("{error}, or be \"now\" or \"contactId\"")))
    };
    texts.iter().map(parse).collect()
}

fn default(value: &Value, kind: Type, path: &str) -> Result<Box<RawValue>, ConfigError> {
    let raw = to_raw_value(value).ok();
    let converted =
        raw.and_then(
            |raw| if value.as_str() == Some("") && kind == Type::String { Some(raw) } else { kind.convert(&raw) },
        );
    converted.ok_or_else(|| error_at(&format!("{path}.default"), format!("is no {kind:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../journeys.json");

    fn setting(name: &str) -> Option<String> {
        name.ends_with("Trigger").then(|| format!("msdynmkt_{}", name.to_lowercase()))
    }

    fn errors(text: &str) -> Vec<String> {
        read(text, &setting).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_shipped_file_is_valid_and_enables_only_the_order_confirmation() {
        let names: Vec<_> = read(SHIPPED, &setting).unwrap().into_iter().map(|journey| journey.name).collect();
        assert_eq!(names, ["order-confirmation"]);
        let all = read(&SHIPPED.replace("\"enabled\": false", "\"enabled\": true"), &setting).unwrap();
        assert_eq!(all.len(), 4);
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
}
