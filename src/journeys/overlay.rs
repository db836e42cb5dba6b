//! The file in which one environment differs from `journeys.json`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A mistake in the file of an environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {path}: {message}")]
pub struct OverlayError {
    file: String,
    path: String,
    message: String,
}

/// Whether a file beside `journeys.json` has the name of such a file: `journeys.` and the name of the environment, as in
/// `journeys.prod.json`. JSON Schemas, such as `journeys.schema.json`, are none.
pub fn is_overlay(file: &str) -> bool {
    let environment = file.strip_prefix("journeys.").and_then(|rest| rest.strip_suffix(".json"));
    let is_schema = |name: &str| name == "schema" || name.ends_with(".schema");
    environment.is_some_and(|name| !name.is_empty() && !name.contains(['/', '\\']) && !is_schema(name))
}

/// What one environment changes: the fields of journeys, by the name of the journey.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    /// The name of the file, for errors.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Overlay<'_> {
    /// The text of `journeys.json` with these changes. Objects are merged, `null` removes a field, and everything else
    /// replaces what was there (JSON Merge Patch, RFC 7396).
    ///
    /// # Errors
    ///
    /// When a file is not JSON, or the changes are for a journey that does not exist.
    pub fn apply(&self, journeys: &str) -> Result<String, OverlayError> {
        let mut merged = object("journeys.json", journeys)?;
        let mut changes = object(self.file, self.text)?;
        let of_journeys = changes.remove("journeys").unwrap_or_else(|| Value::Array(Vec::new()));
        let Value::Array(of_journeys) = of_journeys else { return Err(self.error("journeys", "is not a list")) };
        let base = merged.get_mut("journeys").and_then(Value::as_array_mut);
        self.merge_journeys(base.map_or(&mut [], Vec::as_mut_slice), of_journeys)?;
        let mut merged = Value::Object(merged);
        merge(&mut merged, Value::Object(changes));
        Ok(format!("{merged:#}"))
    }

    fn merge_journeys(&self, base: &mut [Value], changes: Vec<Value>) -> Result<(), OverlayError> {
        let mut changed = BTreeSet::new();
        for (index, change) in changes.into_iter().enumerate() {
            let path = format!("journeys[{index}].name");
            let Some(name) = change["name"].as_str().map(str::to_owned) else {
                return Err(self.error(&path, "is missing: it says which journey of journeys.json is changed"));
            };
            let Some(journey) = base.iter_mut().find(|journey| journey["name"] == name.as_str()) else {
                let problem = format!("journeys.json has no journey {name:?}; add it there with \"enabled\": false");
                return Err(self.error(&path, &problem));
            };
            merge(journey, change);
            if !changed.insert(name) {
                return Err(self.error(&path, "occurs twice"));
            }
        }
        Ok(())
    }

    fn error(&self, path: &str, message: &str) -> OverlayError {
        error(self.file, path, message)
    }
}

fn error(file: &str, path: &str, message: &str) -> OverlayError {
    OverlayError { file: file.to_owned(), path: path.to_owned(), message: message.to_owned() }
}

fn object(file: &str, text: &str) -> Result<Map<String, Value>, OverlayError> {
    serde_json::from_str(text).map_err(|problem| error(file, "(file)", &format!("is not a JSON object: {problem}")))
}

fn merge(into: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *into = changes;
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Value::Object(fields) = into else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journeys::{Journeys, OnUncertain};

    const SHIPPED: &str = include_str!("../../journeys.json");

    fn apply(text: &str) -> Result<String, String> {
        Overlay { file: "journeys.test.json", text }.apply(SHIPPED).map_err(|error| error.to_string())
    }

    #[test]
    fn an_environment_changes_only_the_fields_that_it_names() {
        let merged = apply(
            r#"{"journeys": [
                {"name": "order-confirmation", "onUncertain": "hold", "trigger": "msdynmkt_other_1",
                 "parameters": {"msdynmkt_salesid": {"default": "none"}, "msdynmkt_name": null}},
                {"name": "loyalty-invitation", "enabled": true, "conditions": null}]}"#,
        );
        let journeys = Journeys::read(&merged.unwrap(), |_| Some("from_settings".to_owned())).unwrap();
        let [confirmation, invitation] = &journeys.iter().collect::<Vec<_>>()[..] else { panic!("two are enabled") };
        assert_eq!((&*confirmation.name, &*confirmation.trigger), ("order-confirmation", "msdynmkt_other_1"));
        assert_eq!(confirmation.on_uncertain, OnUncertain::Hold);
        let names: Vec<&str> = confirmation.parameter_names().collect();
        assert!(names.contains(&"msdynmkt_salesid") && !names.contains(&"msdynmkt_name"), "{names:?}");
        assert_eq!((&*invitation.name, &*invitation.trigger), ("loyalty-invitation", "from_settings"));
    }

    #[test]
    fn fields_beside_the_journeys_are_merged_too() {
        let base = r#"{"journeys": [], "limits": {"a": 1, "b": {"c": 2}}}"#;
        let overlay = Overlay { file: "x", text: r#"{"limits": {"b": {"d": 3}, "e": {"f": null, "g": 4}}}"# };
        let merged: Value = serde_json::from_str(&overlay.apply(base).unwrap()).unwrap();
        assert_eq!(merged["limits"], serde_json::json!({"a": 1, "b": {"c": 2, "d": 3}, "e": {"g": 4}}));
    }

    #[test]
    fn a_mistake_names_file_and_path() {
        for (text, expected) in [
            (r#"{"journeys": [{"name": "order-confirmatoin"}]}"#, "journeys[0].name: journeys.json has no journey"),
            (r#"{"journeys": [{"enabled": true}]}"#, "journeys[0].name: is missing"),
            (r#"{"journeys": ["order-confirmation"]}"#, "journeys[0].name: is missing"),
            (r#"{"journeys": {"order-confirmation": {}}}"#, "journeys: is not a list"),
            (
                r#"{"journeys": [{"name": "abandoned-cart"}, {"name": "abandoned-cart"}]}"#,
                "journeys[1].name: occurs twice",
            ),
            ("[]", "(file): is not a JSON object"),
            ("{", "(file): is not a JSON object"),
        ] {
            let found = apply(text).unwrap_err();
            assert!(found.starts_with("journeys.test.json: ") && found.contains(expected), "{text}: {found}");
        }
    }
}
