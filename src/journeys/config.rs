//! Reading `journeys.json`, with the path of every mistake.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::parameters::{Parameter, Source, Type};
use super::pointer::Pointer;
use super::{Condition, Journey, OnUncertain, Test};
use crate::events::read_json;

/// A mistake in `journeys.json`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journeys.json: {path}: {problem}")]
pub struct ConfigProblem {
    /// Where, as `journeys[0].parameters.msdynmkt_name`.
    pub path: String,
    /// What, and what would be right.
    pub problem: String,
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
    equals: Option<Value>,
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

type Settings<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) fn read(text: &str, setting: Settings<'_>) -> Result<Vec<Journey>, Vec<ConfigProblem>> {
    let file: File = read_json(text.as_bytes()).map_err(|problem| vec![problem_at("(file)", problem.to_string())])?;
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    let mut journeys = Vec::new();
    for (index, entry) in file.journeys.into_iter().enumerate() {
        let path = format!("journeys[{index}]");
        if !names.insert(entry.name.clone()) {
            problems.push(problem_at(
                &format!("{path}.name"),
                format!("{:?} is there twice; names must be unique", entry.name),
            ));
        }
        let enabled = entry.enabled;
        // A journey that is switched off must be sound too, but need not have its settings yet.
        let lookup: Settings<'_> = if enabled { setting } else { &|_| Some("disabled".to_owned()) };
        let journey = check(entry, &path, lookup, &mut problems);
        journeys.extend(journey.filter(|_| enabled));
    }
    if problems.is_empty() { Ok(journeys) } else { Err(problems) }
}

fn problem_at(path: &str, problem: impl Into<String>) -> ConfigProblem {
    ConfigProblem { path: path.to_owned(), problem: problem.into() }
}

fn check(entry: Entry, path: &str, setting: Settings<'_>, problems: &mut Vec<ConfigProblem>) -> Option<Journey> {
    let before = problems.len();
    for (field, value) in [("name", &entry.name), ("eventType", &entry.event_type), ("trigger", &entry.trigger)] {
        if value.trim().is_empty() {
            problems.push(problem_at(&format!("{path}.{field}"), "must not be empty"));
        }
    }
    let trigger = resolve(&entry.trigger, &format!("{path}.trigger"), setting, problems);
    let conditions: Vec<_> = entry
        .conditions
        .into_iter()
        .enumerate()
        .filter_map(|(index, entry)| note(condition(entry, &format!("{path}.conditions[{index}]")), problems))
        .collect();
    let parameters: BTreeMap<_, _> = entry
        .parameters
        .into_iter()
        .filter_map(|(name, entry)| {
            let parameter = note(parameter(entry, &format!("{path}.parameters.{name}")), problems)?;
            Some((name, parameter))
        })
        .collect();
    let sound = problems.len() == before;
    sound.then_some(Journey {
        name: entry.name,
        event_type: entry.event_type,
        trigger: trigger?,
        on_uncertain: entry.on_uncertain,
        conditions,
        parameters,
    })
}

fn note<T>(result: Result<T, ConfigProblem>, problems: &mut Vec<ConfigProblem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// Replaces `%Name%` by the app setting of that name; the result must be usable as an action's name in a URL.
fn resolve(text: &str, path: &str, setting: Settings<'_>, problems: &mut Vec<ConfigProblem>) -> Option<String> {
    let name = match text.strip_prefix('%').and_then(|rest| rest.strip_suffix('%')) {
        None => text.to_owned(),
        Some(name) => {
            let Some(value) = setting(name).filter(|value| !value.trim().is_empty()) else {
                problems.push(problem_at(
                    path,
                    format!(
                        "the app setting {name} is missing; it holds the trigger's name, as its code snippet shows it"
                    ),
                ));
                return None;
            };
            value.trim().to_owned()
        }
    };
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Some(name);
    }
    problems.push(problem_at(path, "is not the name of an action: only letters, digits and underscores"));
    None
}

fn condition(entry: ConditionEntry, path: &str) -> Result<Condition, ConfigProblem> {
    let pointer = Pointer::parse(&entry.pointer).map_err(|problem| problem_at(&format!("{path}.pointer"), problem))?;
    let test = match (entry.is, entry.equals) {
        (Some(Is::Present), None) => Test::Present,
        (Some(Is::Empty), None) => Test::Empty,
        (None, Some(value)) => Test::Equals(value),
        _ => return Err(problem_at(path, "needs either \"is\" (present or empty) or \"equals\"")),
    };
    Ok(Condition { pointer, test })
}

fn parameter(entry: ParameterEntry, path: &str) -> Result<Parameter, ConfigProblem> {
    let source = match entry.from {
        From::One(word) if word == "now" => Source::Now,
        From::One(word) if word == "contactId" => Source::ContactId,
        From::One(pointer) => Source::Message(pointers(&[pointer], path)?),
        From::FirstOf(all) => Source::Message(pointers(&all, path)?),
    };
    let suits = match source {
        Source::Now => matches!(entry.kind, Type::DateTime | Type::String),
        Source::ContactId => matches!(entry.kind, Type::Guid | Type::String),
        Source::Message(_) => true,
    };
    if !suits {
        return Err(problem_at(
            &format!("{path}.type"),
            "\"now\" is a DateTime or String, \"contactId\" a Guid or String",
        ));
    }
    let default = entry.default.map(|value| default(&value, entry.kind, path)).transpose()?;
    Ok(Parameter { source, kind: entry.kind, default, optional: entry.optional })
}

fn pointers(texts: &[String], path: &str) -> Result<Vec<Pointer>, ConfigProblem> {
    if texts.is_empty() {
        return Err(problem_at(&format!("{path}.from"), "names no pointer"));
    }
    let parse = |text: &String| {
        Pointer::parse(text).map_err(|problem| {
            problem_at(&format!("{path}.from"), format!("{problem}, or be \"now\" or \"contactId\""))
        })
    };
    texts.iter().map(parse).collect()
}

fn default(value: &Value, kind: Type, path: &str) -> Result<Box<RawValue>, ConfigProblem> {
    let raw = to_raw_value(value).ok();
    let converted =
        raw.and_then(
            |raw| if value.as_str() == Some("") && kind == Type::String { Some(raw) } else { kind.convert(&raw) },
        );
    converted.ok_or_else(|| problem_at(&format!("{path}.default"), format!("is no {kind:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../journeys.json");

    fn setting(name: &str) -> Option<String> {
        name.ends_with("Trigger").then(|| format!("msdynmkt_{}", name.to_lowercase()))
    }

    fn problems(text: &str) -> Vec<String> {
        read(text, &setting).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_shipped_file_is_sound_and_enables_the_order_confirmation_only() {
        let names: Vec<_> = read(SHIPPED, &setting).unwrap().into_iter().map(|journey| journey.name).collect();
        assert_eq!(names, ["order-confirmation"]);
        let all = read(&SHIPPED.replace("\"enabled\": false", "\"enabled\": true"), &setting).unwrap();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn every_mistake_is_named_with_its_path() {
        let text = r#"{"journeys":[
            {"name":"a","eventType":"","trigger":"%Absent%","parameters":{"p":{"from":"/Order/X","type":"String"}}},
            {"name":"a","eventType":"T","trigger":"x y","conditions":[{"pointer":"/OrderDetails/A"}],
             "parameters":{"q":{"from":"now","type":"Integer"},"r":{"from":"/EventDetails/E","type":"Integer","default":"x"}}}]}"#;
        let found = problems(text).join("\n");
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
    fn a_wrong_shape_is_named_with_its_path() {
        let found = problems(
            r#"{"journeys":[{"name":"a","eventType":"T","trigger":"t","parameters":{"p":{"from":"now","type":"Number"}}}]}"#,
        );
        assert!(found[0].contains("journeys[0].parameters.p.type"), "{found:?}");
        assert!(problems("{")[0].contains("it ends too early"));
    }
}
