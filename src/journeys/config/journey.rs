//! One journey of `journeys.json`.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::fields::{Fields, Mistakes, flag, list, name, one_of, text};
use super::parameter::parameter;
use super::rules::rules;
use super::{Settings, setting_value};
use crate::journeys::pointer::Pointer;
use crate::journeys::{Condition, Journey, OnUncertain, Test};

/// A journey as far as it can be read.
pub(super) struct Entry {
    /// Its name, if it has one.
    pub(super) name: Option<String>,
    /// The journey, if it is enabled and has no mistakes.
    pub(super) enabled: Option<Journey>,
}

/// Reads a journey. A disabled journey must be valid too, but its settings may be missing.
pub(super) fn journey(value: &RawValue, path: &str, setting: Settings<'_>, mistakes: &mut Mistakes) -> Option<Entry> {
    let mut fields = Fields::split(value, path, mistakes)?;
    let journey_name = fields.required("name", name, mistakes);
    fields.optional("description", text, mistakes);
    let enabled = fields.optional("enabled", flag, mistakes).unwrap_or(true);
    let name_setting: Settings<'_> = if enabled { setting } else { &|_| Some("disabled".to_owned()) };
    let duration_setting: Settings<'_> = if enabled { setting } else { &|_| Some("00:00:01".to_owned()) };
    let event_type = fields.required("eventType", name, mistakes);
    let trigger =
        fields.required("trigger", |value, path, mistakes| trigger(value, path, name_setting, mistakes), mistakes);
    let on_uncertain = fields.optional("onUncertain", one_of(&ON_UNCERTAIN), mistakes).unwrap_or_default();
    let conditions = fields.optional("conditions", conditions, mistakes).unwrap_or_default();
    let rules = rules(&mut fields, duration_setting, mistakes);
    let parameters = fields.required("parameters", parameters, mistakes);
    fields.finish(mistakes);
    let read = (|| {
        Some(Journey {
            name: journey_name.clone()?,
            event_type: event_type?,
            trigger: trigger?,
            on_uncertain,
            rules,
            conditions,
            parameters: parameters?,
        })
    })();
    Some(Entry { name: journey_name, enabled: read.filter(|_| enabled) })
}

const ON_UNCERTAIN: [(&str, OnUncertain); 2] = [("retry", OnUncertain::Retry), ("hold", OnUncertain::Hold)];

/// The name of an action. `%Name%` is replaced with the app setting of that name.
fn trigger(value: &RawValue, path: &str, setting: Settings<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let text = name(value, path, mistakes)?;
    let expected = "the trigger's name as the code snippet shows it";
    let action = setting_value(&text, path, setting, expected, &mut mistakes.0)?;
    if action.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Some(action);
    }
    mistakes.add(path, "is not the name of an action: only letters, digits and underscores");
    None
}

fn conditions(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Vec<Condition>> {
    let items = list(value, path, mistakes)?;
    Some(items.iter().filter_map(|(path, item)| condition(item, path, mistakes)).collect())
}

/// The values of `is`.
#[derive(Clone, Copy)]
enum Is {
    Present,
    Empty,
}

fn condition(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Condition> {
    let mut fields = Fields::split(value, path, mistakes)?;
    let pointer = fields.required("pointer", pointer, mistakes);
    let before = mistakes.0.len();
    let is = fields.optional("is", one_of(&[("present", Is::Present), ("empty", Is::Empty)]), mistakes);
    let is_wrong = mistakes.0.len() > before;
    let equals = fields.optional("equals", |value, _, _| Some(value.to_owned()), mistakes);
    let equals = equals.filter(|value| value.get() != "null");
    fields.finish(mistakes);
    let test = match (is, equals) {
        (Some(Is::Present), None) => Test::Present,
        (Some(Is::Empty), None) => Test::Empty,
        (None, Some(value)) if !is_wrong => Test::Equals(value),
        _ => {
            if !is_wrong {
                mistakes.add(path, "needs either \"is\" (present or empty) or \"equals\" (a value that is not null)");
            }
            return None;
        }
    };
    Some(Condition { pointer: pointer?, test })
}

fn pointer(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Pointer> {
    let text = text(value, path, mistakes)?;
    Pointer::parse(&text).map_err(|error| mistakes.add(path, error)).ok()
}

fn parameters(
    value: &RawValue,
    path: &str,
    mistakes: &mut Mistakes,
) -> Option<BTreeMap<String, crate::journeys::parameters::Parameter>> {
    let fields = Fields::split(value, path, mistakes)?;
    let mut parameters = BTreeMap::new();
    for (name, value) in fields.into_values() {
        let path = format!("{path}.{name}");
        parameters.extend(parameter(&value, &path, mistakes).map(|parameter| (name, parameter)));
    }
    Some(parameters)
}
