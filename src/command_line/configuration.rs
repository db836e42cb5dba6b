//! Reads settings and `journeys.json`, from the environment or from a `local.settings.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use commerce_journeys::journeys::{Journeys, Overlay, is_overlay};
use commerce_journeys::json::{decode_text, read_json, relaxed};
use commerce_journeys::settings::Settings;
use serde_json::{Map, Value};

/// The folder of the function app, which contains `journeys.json`.
const ROOT: &str = "FUNCTIONS_APP_ROOT_PATH";

/// The file beside `journeys.json` with the changes of this environment.
const OVERLAY: &str = "JourneysOverlay";

/// The text of a file, with or without a byte order mark.
fn read_text(file: &Path) -> Result<String, String> {
    let invalid = |error: &dyn std::error::Error| format!("{} cannot be read: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| invalid(&error))?;
    String::from_utf8(decode_text(bytes)).map_err(|error| invalid(&error))
}

/// The `Values` of a `local.settings.json`, read as the Azure Functions Core Tools read them: with comments and trailing
/// commas, names in any case, and numbers and booleans as text.
fn read_local_settings(text: &str) -> Result<BTreeMap<String, String>, String> {
    let file: Map<String, Value> = read_json(relaxed(text).as_bytes()).map_err(|error| error.to_string())?;
    let field = |name: &str| file.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    if field("IsEncrypted") == Some(&Value::Bool(true)) {
        return Err("its values are encrypted; decrypt them with func settings decrypt".to_owned());
    }
    let values = match field("Values") {
        Some(Value::Object(values)) => values,
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(_) => return Err("Values is not an object".to_owned()),
    };
    let value = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Some(Ok((name.clone(), text.clone()))),
        Value::Number(_) | Value::Bool(_) => Some(Ok((name.clone(), value.to_string()))),
        Value::Null => None,
        Value::Array(_) | Value::Object(_) => Some(Err(format!("the value of {name} is not a text"))),
    };
    values.iter().filter_map(value).collect()
}

/// Reads settings and journeys. One error lists all problems of both.
pub(crate) fn configuration(environment: &impl Fn(&str) -> Option<String>) -> Result<(Settings, Journeys), String> {
    let settings = Settings::read(environment);
    let journeys = read_journeys_file(environment).and_then(|text| {
        let list = |problems: Vec<_>| problems.iter().map(|problem| format!("  - {problem}\n")).collect::<String>();
        let changed_by = overlay_file(environment)?.map(|file| format!(", changed by {file}")).unwrap_or_default();
        Journeys::read(&text, environment)
            .map_err(|problems| format!("problems with the journeys{changed_by}:\n{}", list(problems)))
    });
    match (settings, journeys) {
        (Ok(settings), Ok(journeys)) => check_waits(settings, journeys),
        (settings, journeys) => {
            let problems = [settings.err().map(|error| error.to_string()), journeys.err()];
            Err(problems.into_iter().flatten().collect::<Vec<_>>().join("\n"))
        }
    }
}

/// A record must exist for longer than a journey waits and is retried.
fn check_waits(settings: Settings, journeys: Journeys) -> Result<(Settings, Journeys), String> {
    let kept = settings.keep_records.saturating_sub(settings.retry.horizon);
    let problem = journeys.outlasting(kept).next().map(|journey| {
        format!(
            "RecordTimeToLive must be longer than RetryHorizon and \"after\" of the journey {} together, or other events \
             would be forgotten before it is due",
            journey.name
        )
    });
    problem.map_or(Ok((settings, journeys)), Err)
}

/// The text of `journeys.json`, with the changes of this environment.
pub(super) fn read_journeys_file(environment: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let root = environment(ROOT).unwrap_or_else(|| ".".to_owned());
    let read = |name: &str| {
        let file = Path::new(&root).join(name);
        read_text(&file).map(|text| relaxed(&text))
    };
    let journeys = read("journeys.json")?;
    let Some(file) = overlay_file(environment)? else { return Ok(journeys) };
    let text = read(&file).map_err(|error| format!("{OVERLAY}: {error}"))?;
    Overlay { file: &file, text: &text }.apply(&journeys).map_err(|error| error.to_string())
}

/// The name of the file with the changes of this environment, if it has one.
fn overlay_file(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    let name = environment(OVERLAY).map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    match name {
        Some(name) if !is_overlay(&name) => {
            Err(format!("{OVERLAY} must be the name of a file beside journeys.json, such as journeys.prod.json"))
        }
        name => Ok(name),
    }
}

/// Starts this program again with the settings of a file as environment variables, because the credentials of the Azure SDK
/// read their variables there too. Environment variables take precedence.
pub(super) fn run_with_settings(file: &Path, arguments: &[String]) -> Result<ExitCode, String> {
    let invalid = |error: &dyn std::error::Error| format!("{}: {error}", file.display());
    let values = read_local_settings(&read_text(file)?).map_err(|problem| format!("{}: {problem}", file.display()))?;
    let program = std::env::current_exe().map_err(|error| invalid(&error))?;
    let mut command = Command::new(program);
    command.args(arguments);
    command.envs(values.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()));
    if std::env::var_os(ROOT).is_none() {
        command.env(ROOT, file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    }
    let status = command.status().map_err(|error| invalid(&error))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_settings_are_read_as_core_tools_reads_them() {
        let text =
            "// mine\n{ 'isEncrypted': false, \"values\": { \"A\": \"x\", \"B\": 5, \"C\": true, \"D\": null, }, }";
        let read = read_local_settings(text).unwrap();
        let expected = [("A", "x"), ("B", "5"), ("C", "true")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, BTreeMap::from(expected));
        assert_eq!(read_local_settings("{}"), Ok(BTreeMap::new()));
        for wrong in ["{\"IsEncrypted\": true, \"Values\": {}}", "{\"Values\": {\"A\": {}}}", "[]", "{\"Values\": 1}"] {
            assert!(read_local_settings(wrong).is_err(), "{wrong}");
        }
    }
}
