//! The command line. Without arguments the program serves the Functions host.

mod triggers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use commerce_journeys::check::check;
use commerce_journeys::journeys::{Journeys, Overlay, is_overlay};
use commerce_journeys::json::{decode_text, read_json, relaxed};
use commerce_journeys::settings::{Settings, suspicious_settings};
use serde_json::{Map, Value};

pub(crate) use triggers::Triggers;

/// The usage text.
const USAGE: &str = "usage: commerce-journeys [check [--settings FILE] [--json] | triggers [--all] [--csv] | --version]

  without arguments   serves the Azure Functions host, which starts it
  check               checks every dependency, changes nothing, and prints a table;
                      exit status 0: no problems, 1: problems found, 2: the settings are invalid
    --settings FILE   reads app settings from a local.settings.json; environment variables take precedence
    --json            prints JSON instead of a table
  triggers            prints the attributes that the trigger wizard of Customer Insights - Journeys asks for,
                      from journeys.json in FUNCTIONS_APP_ROOT_PATH or this folder
    --all             includes disabled journeys
    --csv             prints CSV instead of a table
  --version           prints the version";

/// The task of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Serve the Functions host.
    Serve,
    /// Run the check.
    Check(Check),
    /// List the attributes of the triggers.
    Triggers(Triggers),
    /// Print the version.
    Version,
}

/// The options of the check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Check {
    settings: Option<PathBuf>,
    json: bool,
}

impl Task {
    /// Parses the arguments after the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let mut arguments = arguments;
        match arguments.next().as_deref() {
            None => Ok(Self::Serve),
            Some("check") => Self::parse_check(arguments),
            Some("triggers") => Self::parse_triggers(arguments),
            Some("--version") if arguments.next().is_none() => Ok(Self::Version),
            Some(_) => Err(USAGE),
        }
    }

    fn parse_check(mut arguments: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let mut check = Check::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => check.json = true,
                "--settings" => check.settings = Some(arguments.next().ok_or(USAGE)?.into()),
                _ => return Err(USAGE),
            }
        }
        Ok(Self::Check(check))
    }

    fn parse_triggers(arguments: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let mut triggers = Triggers::default();
        for argument in arguments {
            match argument.as_str() {
                "--all" => triggers.all = true,
                "--csv" => triggers.csv = true,
                _ => return Err(USAGE),
            }
        }
        Ok(Self::Triggers(triggers))
    }
}

/// Exit status: the settings or `journeys.json` are invalid.
const INVALID: u8 = 2;

impl Check {
    /// Runs the check and prints the report. The exit status is its result.
    pub(crate) async fn run(self) -> ExitCode {
        let outcome = match &self.settings {
            Some(file) => self.run_with_settings(file),
            None => self.run_in_process().await,
        };
        outcome.unwrap_or_else(|error| {
            eprintln!("{error}");
            ExitCode::from(INVALID)
        })
    }

    async fn run_in_process(&self) -> Result<ExitCode, String> {
        let (settings, journeys) = configuration(&|name: &str| std::env::var(name).ok())?;
        for warning in suspicious_settings(std::env::vars()) {
            eprintln!("warning: {warning}");
        }
        let report = check(settings, journeys).await.map_err(|error| error.to_string())?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
        } else {
            print!("{report}");
        }
        Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Starts this program again with the file's settings as environment variables, because the managed identity reads its
    /// variables there too.
    fn run_with_settings(&self, file: &Path) -> Result<ExitCode, String> {
        let invalid = |error: &dyn std::error::Error| format!("{}: {error}", file.display());
        let values =
            read_local_settings(&read_text(file)?).map_err(|problem| format!("{}: {problem}", file.display()))?;
        let program = std::env::current_exe().map_err(|error| invalid(&error))?;
        let mut command = Command::new(program);
        command.arg("check").args(self.json.then_some("--json"));
        command.envs(values.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()));
        if std::env::var_os(ROOT).is_none() {
            command.env(ROOT, file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        }
        let status = command.status().map_err(|error| invalid(&error))?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

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
fn read_journeys_file(environment: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Task, &'static str> {
        Task::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn no_arguments_serve_and_invalid_arguments_show_the_usage() {
        assert_eq!(parse(&[]), Ok(Task::Serve));
        assert_eq!(parse(&["check"]), Ok(Task::Check(Check::default())));
        let both = Check { settings: Some("local.settings.json".into()), json: true };
        assert_eq!(parse(&["check", "--json", "--settings", "local.settings.json"]), Ok(Task::Check(both)));
        assert_eq!(parse(&["triggers", "--csv"]), Ok(Task::Triggers(Triggers { csv: true, ..Triggers::default() })));
        assert_eq!(parse(&["--version"]), Ok(Task::Version));
        for wrong in [
            &["serve"][..],
            &["triggers", "--json"],
            &["--version", "--all"],
            &["check", "--settings"],
            &["check", "--fix"],
            &["--help"],
        ] {
            assert_eq!(parse(wrong), Err(USAGE), "{wrong:?}");
        }
    }

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
