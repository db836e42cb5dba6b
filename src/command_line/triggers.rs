//! `commerce-journeys triggers`: what to enter in the trigger wizard of Customer Insights - Journeys, from `journeys.json`.

use std::process::ExitCode;

use commerce_journeys::journeys::{Journey, Journeys, Type};
use serde_json::Value;

use super::configuration::read_journeys_file;
use super::{INVALID, complain, print};

/// What every custom trigger has without an attribute of its own.
const BUILT_IN: [&str; 5] =
    ["bindingid", "profileid", "signalingestiontimestamp", "signaltimestamp", "signaluserauthid"];

/// The prefix of a parameter. The rest is the attribute's name in lower case.
const PREFIX: &str = "msdynmkt_";

/// The options of the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Triggers {
    /// Disabled journeys too.
    pub(super) all: bool,
    /// CSV instead of a table.
    pub(super) csv: bool,
}

/// An attribute of a trigger.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    journey: String,
    trigger: String,
    attribute: String,
    kind: &'static str,
    optional: bool,
}

impl Triggers {
    /// Prints the attributes.
    pub(crate) fn run(self) -> ExitCode {
        let setting = |name: &str| std::env::var(name).ok();
        match read_journeys_file(&setting).and_then(|text| self.print(&text, &setting)) {
            Ok(text) => {
                print(&text);
                ExitCode::SUCCESS
            }
            Err(error) => {
                complain(&error);
                ExitCode::from(INVALID)
            }
        }
    }

    fn print(self, text: &str, setting: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        let text = if self.all { with_all_enabled(text)? } else { text.to_owned() };
        // The name of a trigger may not be known yet. Then the name of its setting is shown.
        let journeys = Journeys::read(&text, |name| setting(name).or_else(|| Some(name.to_owned())))
            .map_err(|errors| errors.iter().map(|error| format!("{error}\n")).collect::<String>())?;
        let rows: Vec<Row> = journeys.iter().flat_map(rows).collect();
        Ok(if self.csv { csv(&rows) } else { table(&rows) })
    }
}

fn with_all_enabled(text: &str) -> Result<String, String> {
    let mut file: Value = serde_json::from_str(text).map_err(|error| format!("journeys.json: {error}"))?;
    for journey in file["journeys"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        journey.insert("enabled".to_owned(), true.into());
    }
    Ok(file.to_string())
}

fn rows(journey: &Journey) -> Vec<Row> {
    let parameters = journey.parameters().filter_map(|parameter| {
        let attribute = parameter.name.strip_prefix(PREFIX).unwrap_or(parameter.name);
        (!BUILT_IN.contains(&attribute)).then(|| Row {
            journey: journey.name.clone(),
            trigger: journey.trigger.clone(),
            attribute: attribute.to_owned(),
            kind: wizard_type(parameter.kind),
            optional: parameter.may_be_absent,
        })
    });
    parameters.collect()
}

/// The type of an attribute as the wizard names it.
fn wizard_type(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "True/False",
        Type::DateTime => "Date and time",
        Type::Decimal | Type::Float | Type::Integer | Type::Money => "Number",
        Type::Guid | Type::String => "Text",
    }
}

fn table(rows: &[Row]) -> String {
    let widest = rows.iter().map(|row| row.attribute.len()).max().unwrap_or_default();
    let mut text = String::new();
    let mut journey = "";
    for row in rows {
        if row.journey != journey {
            let gap = if journey.is_empty() { "" } else { "\n" };
            text += &format!("{gap}{} (trigger {})\n", row.journey, row.trigger);
            journey = &row.journey;
        }
        text += &format!("  {:<widest$}  {:<13}  {}\n", row.attribute, row.kind, requirement(row));
    }
    text
}

fn csv(rows: &[Row]) -> String {
    let mut text = "journey,trigger,attribute,type,requirement\n".to_owned();
    for row in rows {
        let fields = [&row.journey, &row.trigger, &row.attribute, row.kind, requirement(row)];
        text += &(fields.map(quoted).join(",") + "\n");
    }
    text
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

fn requirement(row: &Row) -> &'static str {
    if row.optional { "optional" } else { "required" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../journeys.json");

    fn print(all: bool, csv: bool) -> String {
        Triggers { all, csv }.print(SHIPPED, &|_| None).unwrap()
    }

    #[test]
    fn the_attributes_of_enabled_journeys_are_listed() {
        let text = print(false, false);
        assert!(text.starts_with("order-confirmation (trigger OrderConfirmationTrigger)\n"), "{text}");
        let row = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
        assert!(row("amountpaid").contains("Number"), "{text}");
        assert!(row("receiptemail").contains("Text"), "{text}");
        assert!(!text.contains("signaltimestamp") && !text.contains("abandoned-cart"), "{text}");
    }

    #[test]
    fn all_journeys_can_be_listed_as_csv() {
        let text = print(true, true);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("journey,trigger,attribute,type,requirement"));
        let journeys: std::collections::BTreeSet<&str> = lines.map(|line| line.split(',').next().unwrap()).collect();
        assert_eq!(journeys.len(), 4, "{text}");
    }

    #[test]
    fn fields_are_quoted_where_necessary() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
