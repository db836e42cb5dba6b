//! What the program is asked to do: nothing said, it serves the Functions host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use commerce_journeys::check::check;
use commerce_journeys::journeys::Journeys;
use commerce_journeys::settings::Settings;
use serde::Deserialize;

/// How to call the program.
const USAGE: &str = "usage: commerce-journeys [check [--settings FILE] [--json]]

  without arguments   serves the Azure Functions host, which starts it
  check               tries every dependency, changes nothing, and prints a table;
                      exit status 0: all is well, 1: something is wrong, 2: the settings are
    --settings FILE   reads app settings from a local.settings.json; those of the environment come first
    --json            prints JSON instead";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// To serve the host.
    Serve,
    /// To check.
    Check(Check),
}

/// How to check.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Check {
    settings: Option<PathBuf>,
    json: bool,
}

impl Task {
    /// Reads the arguments that follow the program's name.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let mut arguments = arguments;
        match arguments.next().as_deref() {
            None => return Ok(Self::Serve),
            Some("check") => {}
            Some(_) => return Err(USAGE),
        }
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
}

/// The settings, or `journeys.json`, cannot be used.
const UNUSABLE: u8 = 2;

impl Check {
    /// Checks, prints what was found, and tells it by the exit status.
    pub(crate) async fn run(self) -> ExitCode {
        let outcome = match &self.settings {
            Some(file) => self.run_with(file),
            None => self.run_here().await,
        };
        outcome.unwrap_or_else(|problem| {
            eprintln!("{problem}");
            ExitCode::from(UNUSABLE)
        })
    }

    async fn run_here(&self) -> Result<ExitCode, String> {
        let (settings, journeys) = configuration(&|name: &str| std::env::var(name).ok())?;
        let report = check(settings, journeys).await.map_err(|error| error.to_string())?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?);
        } else {
            print!("{report}");
        }
        Ok(if report.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Starts this program anew with the file's settings in its environment, which is where the managed identity is
    /// looked for too.
    fn run_with(&self, file: &Path) -> Result<ExitCode, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct File {
            values: BTreeMap<String, String>,
        }
        let unusable = |error: &dyn std::error::Error| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| unusable(&error))?;
        let File { values } = serde_json::from_str(&text).map_err(|error| unusable(&error))?;
        let program = std::env::current_exe().map_err(|error| unusable(&error))?;
        let mut command = Command::new(program);
        command.arg("check").args(self.json.then_some("--json"));
        command.envs(values.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()));
        if std::env::var_os(ROOT).is_none() {
            command.env(ROOT, file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        }
        let status = command.status().map_err(|error| unusable(&error))?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

/// Where `journeys.json` lies: the folder of the function app.
const ROOT: &str = "FUNCTIONS_APP_ROOT_PATH";

/// Settings and journeys; one message names everything that is wrong with either.
pub(crate) fn configuration(environment: &impl Fn(&str) -> Option<String>) -> Result<(Settings, Journeys), String> {
    let root = environment(ROOT).unwrap_or_else(|| ".".to_owned());
    let file = Path::new(&root).join("journeys.json");
    let settings = Settings::read(environment);
    let journeys = std::fs::read_to_string(&file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))
        .and_then(|text| {
            let list = |problems: Vec<_>| problems.iter().map(|problem| format!("  - {problem}\n")).collect::<String>();
            Journeys::read(&text, environment)
                .map_err(|problems| format!("problems with the journeys:\n{}", list(problems)))
        });
    match (settings, journeys) {
        (Ok(settings), Ok(journeys)) => Ok((settings, journeys)),
        (settings, journeys) => {
            let problems = [settings.err().map(|error| error.to_string()), journeys.err()];
            Err(problems.into_iter().flatten().collect::<Vec<_>>().join("\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Task, &'static str> {
        Task::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn nothing_said_is_serving_and_nonsense_is_answered_with_the_usage() {
        assert_eq!(parse(&[]), Ok(Task::Serve));
        assert_eq!(parse(&["check"]), Ok(Task::Check(Check::default())));
        let both = Check { settings: Some("local.settings.json".into()), json: true };
        assert_eq!(parse(&["check", "--json", "--settings", "local.settings.json"]), Ok(Task::Check(both)));
        for wrong in [&["serve"][..], &["check", "--settings"], &["check", "--fix"], &["--help"]] {
            assert_eq!(parse(wrong), Err(USAGE), "{wrong:?}");
        }
    }
}
