//! The command line. Without arguments the program serves the Functions host.

mod check;
mod configuration;
mod find;
mod output;
mod triggers;

use std::path::PathBuf;

pub(crate) use check::Check;
pub(crate) use configuration::configuration;
pub(crate) use find::FindEvents;
pub(crate) use output::{complain, print};
pub(crate) use triggers::Triggers;

/// Exit status: the arguments, the settings or `journeys.json` are invalid.
pub(crate) const INVALID: u8 = 2;

/// The usage text.
pub(crate) const USAGE: &str = "usage: commerce-journeys [check | find | triggers] [options]

  without arguments   serves the Azure Functions host, which starts it
  check               checks every dependency, changes nothing, and prints a table;
                      exit status 0: no problems, 1: problems found, 2: the settings are invalid
    --json            prints JSON instead of a table
    --settings FILE   reads app settings from a local.settings.json; environment variables take precedence
  find                lists events with their journeys, reasons and next attempts, the latest first; all criteria must hold;
                      exit status 0: found, 1: no event, 2: the settings are invalid or a service refuses
    --sales-id ID, --channel-reference-id ID, --receipt-id ID, --transaction-id ID, --customer-number NUMBER,
    --contact-id ID, --email ADDRESS, --status STATUS, --reason CODE
    --max N           at most N events (1 to 100, default 20)
    --json            prints the answer of trigger-journey instead of text
    --settings FILE   as for check
  triggers            prints the attributes that the trigger wizard of Customer Insights - Journeys asks for,
                      from journeys.json in FUNCTIONS_APP_ROOT_PATH or this folder
    --all             includes disabled journeys
    --csv             prints CSV instead of a table
  --help, -h          prints this text
  --version, -V       prints the version

check and find use the app's identities. With AZURE_TOKEN_CREDENTIALS=dev, the account that is signed in to the Azure CLI
or the Azure Developer CLI takes the place of the managed identity.";

/// The task of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Serve the Functions host.
    Serve,
    /// Run the check.
    Check(Check),
    /// List events.
    Find(FindEvents),
    /// List the attributes of the triggers.
    Triggers(Triggers),
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
}

impl Task {
    /// Parses the arguments after the program's name. An error names the wrong argument.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments: Vec<String> = arguments.collect();
        if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
            return Ok(Self::Help);
        }
        if arguments.is_empty() {
            return Ok(Self::Serve);
        }
        let command = arguments.remove(0);
        let mut rest = arguments.into_iter();
        match command.as_str() {
            "check" => Self::parse_check(rest),
            "find" => FindEvents::parse(rest).map(Self::Find),
            "triggers" => Self::parse_triggers(rest),
            "--version" | "-V" => rest.next().map_or(Ok(Self::Version), |argument| Err(unknown(&argument))),
            _ => Err(unknown(&command)),
        }
    }

    fn parse_check(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut check = Check::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => check.json = true,
                "--settings" => check.settings = Some(file_of(&argument, arguments.next())?),
                _ => return Err(unknown(&argument)),
            }
        }
        Ok(Self::Check(check))
    }

    fn parse_triggers(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut triggers = Triggers::default();
        for argument in arguments {
            match argument.as_str() {
                "--all" => triggers.all = true,
                "--csv" => triggers.csv = true,
                _ => return Err(unknown(&argument)),
            }
        }
        Ok(Self::Triggers(triggers))
    }
}

fn unknown(argument: &str) -> String {
    format!("unknown argument: {argument}")
}

fn value_of(option: &str, value: Option<String>) -> Result<String, String> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| format!("{option} needs a value"))
}

fn file_of(option: &str, value: Option<String>) -> Result<PathBuf, String> {
    value_of(option, value).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Task, String> {
        Task::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn no_arguments_serve_and_each_command_takes_its_options() {
        assert_eq!(parse(&[]), Ok(Task::Serve));
        assert_eq!(parse(&["check"]), Ok(Task::Check(Check::default())));
        let both = Check { settings: Some("local.settings.json".into()), json: true };
        assert_eq!(parse(&["check", "--json", "--settings", "local.settings.json"]), Ok(Task::Check(both)));
        assert_eq!(parse(&["triggers", "--csv"]), Ok(Task::Triggers(Triggers { csv: true, ..Triggers::default() })));
        assert_eq!(parse(&["--version"]), Ok(Task::Version));
        assert_eq!(parse(&["-V"]), Ok(Task::Version));
        assert_eq!(parse(&["--help"]), Ok(Task::Help));
        assert_eq!(parse(&["check", "-h"]), Ok(Task::Help));
    }

    #[test]
    fn a_wrong_argument_is_named() {
        for (arguments, named) in [
            (&["serve"][..], "serve"),
            (&["triggers", "--json"], "--json"),
            (&["--version", "--all"], "--all"),
            (&["check", "--settings"], "--settings"),
            (&["check", "--fix"], "--fix"),
            (&["find", "--order", "1"], "--order"),
            (&["find", "--sales-id"], "--sales-id"),
            (&["find", "--max", "many"], "--max"),
            (&["find"], "find"),
        ] {
            let error = parse(arguments).unwrap_err();
            assert!(error.contains(named), "{arguments:?}: {error}");
        }
    }
}
