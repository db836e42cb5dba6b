//! Alerts and workbook rely on names of the log's contract only.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::bicep::{Bicep, Kind};
use crate::{file, repository};

/// Alerts and workbook of one app.
struct Monitoring {
    /// The page with the contract of its log.
    pages: &'static [&'static str],
    /// The folder of its alerts' queries.
    queries: &'static str,
    /// The template of its alerts.
    alerts: &'static str,
    /// Its alerts.
    rules: &'static [&'static str],
    workbook: &'static str,
    /// The template of its workbook.
    template: &'static str,
    /// Parts of its workbook.
    shown: [&'static str; 3],
}

const APPS: [Monitoring; 2] = [
    Monitoring {
        pages: &["docs/logging.md"],
        queries: "infra/queries",
        alerts: "modules/alerts.bicep",
        rules: &["failed-events", "no-poll", "latency", "throttled", "lost-messages", "restarts"],
        workbook: "workbook.json",
        template: "modules/workbook.bicep",
        shown: ["funnel", "latency", "failed-events"],
    },
    Monitoring {
        // The common fields are on the other app's page.
        pages: &["docs/lake/logging.md", "docs/logging.md"],
        queries: "infra/queries/lake",
        alerts: "modules/lake-watching.bicep",
        rules: &["preparation-failed", "preparation-stopped", "no-preparation", "export-behind", "rejected-rows"],
        workbook: "lake-workbook.json",
        template: "modules/lake-watching.bicep",
        shown: ["preparations", "tables", "checks"],
    },
];

impl Monitoring {
    /// The files of the alerts' queries.
    fn alert_queries(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(repository(self.queries)).unwrap().map(|entry| entry.unwrap().path());
        folder.filter(|path| path.is_file()).collect()
    }

    /// The queries of the alerts and of the workbook, with their place.
    fn queries(&self) -> Vec<(String, String)> {
        let alerts = self.alert_queries().into_iter();
        let alerts = alerts.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()));
        let items = self.workbook()["items"].as_array().unwrap().clone();
        let shown = items.into_iter().filter(|item| item["type"] == 3);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        alerts.chain(shown.map(|item| (text(&item["name"]), text(&item["content"]["query"])))).collect()
    }

    fn workbook(&self) -> Value {
        serde_json::from_str(&file(&format!("infra/{}", self.workbook))).unwrap()
    }

    /// The words in backticks of the pages.
    fn contract(&self) -> BTreeSet<String> {
        let text: String = self.pages.iter().map(|page| file(page)).collect();
        let words = text.split('`').skip(1).step_by(2);
        words.map(|word| word.trim_end_matches('?').to_owned()).collect()
    }
}

/// The fields of a line that a query reads: `line.name`, `line["name"]`.
fn fields(query: &str) -> BTreeSet<String> {
    let rest = query.split("line").skip(1).filter_map(|rest| rest.strip_prefix('.').or(rest.strip_prefix("[\"")));
    let name = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    rest.map(name).filter(|name| !name.is_empty()).collect()
}

/// The names of events, functions and outcomes that a query compares with: its quoted words. Labels contain spaces or
/// digits, the host's category contains dots.
fn compared(query: &str) -> BTreeSet<String> {
    let quoted = query.split('"').skip(1).step_by(2);
    let is_name = |text: &&str| text.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    quoted.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn queries_use_names_of_the_contract() {
    for app in APPS {
        let contract = app.contract();
        let (mut read, mut named) = (0, 0);
        for (place, query) in app.queries() {
            assert!(query.contains("customDimensions.Category == \"Host.Function.Console\""), "{place}");
            for field in fields(&query) {
                assert!(contract.contains(&field), "{place}: {:?} know no field {field}", app.pages);
                read += 1;
            }
            for name in compared(&query) {
                assert!(contract.contains(&name), "{place}: {:?} know no {name}", app.pages);
                named += 1;
            }
        }
        assert!(read > 40 && named > 20, "{read} fields, {named} names");
    }
}

#[test]
fn every_query_of_a_folder_has_an_alert() {
    for app in APPS {
        let alerts = Bicep::read(app.alerts);
        let rules = alerts.find(Kind::Variable, "rules");
        let text = alerts.text_of(rules.node);
        for path in app.alert_queries() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let folder = app.queries.trim_start_matches("infra/");
            assert!(text.contains(&format!("loadTextContent('../{folder}/{name}')")), "{name}");
            let query = fs::read_to_string(&path).unwrap();
            let rule = text.split("\n  {").find(|rule| rule.contains(&format!("/{name}'"))).unwrap();
            let value = |field: &str| rule.split(&format!("{field}: '")).nth(1).unwrap().split('\'').next().unwrap();
            assert!(query.contains(&format!("{} = ", value("measure"))), "{name} has no column {}", value("measure"));
            assert!(query.contains(value("dimension")), "{name} has no column {}", value("dimension"));
        }
        assert!(app.rules.iter().all(|name| text.contains(&format!("name: '{name}'"))), "{text}");
    }
    let alerts = Bicep::read("modules/alerts.bicep");
    let dead = alerts.find(Kind::Resource, "deadLetters");
    assert!(alerts.text_of(dead.node).contains("'DeadletteredMessages'"));
}

/// Frequencies and windows of log alerts that Azure Monitor accepts, in minutes.
const FREQUENCIES: [(&str, u32); 2] = [("PT5M", 5), ("PT15M", 15)];
const WINDOWS: [(&str, u32); 5] = [("PT10M", 10), ("PT15M", 15), ("PT30M", 30), ("PT1H", 60), ("P1D", 1440)];

#[test]
fn an_alerts_window_is_not_shorter_than_its_interval() {
    for app in APPS {
        let alerts = Bicep::read(app.alerts);
        let rules = alerts.find(Kind::Variable, "rules");
        let rules: Vec<&str> = alerts.text_of(rules.node).split("\n  {").skip(1).collect();
        assert_eq!(rules.len(), app.rules.len());
        for rule in rules {
            let minutes = |field: &str, of: &[(&str, u32)]| {
                let text = rule.split(&format!("{field}: '")).nth(1).unwrap().split('\'').next().unwrap();
                of.iter().find(|(name, _)| *name == text).unwrap_or_else(|| panic!("{field}: {text}")).1
            };
            assert!(minutes("window", &WINDOWS) >= minutes("frequency", &FREQUENCIES), "{rule}");
        }
    }
}

#[test]
fn the_workbooks_are_gallery_templates() {
    for app in APPS {
        let workbook = app.workbook();
        assert_eq!(workbook["version"], "Notebook/1.0");
        assert_eq!(workbook["fallbackResourceIds"][0], "{ApplicationInsightsId}");
        let template = Bicep::read(app.template);
        let data = format!(
            "replace(loadTextContent('../{}'), '{{ApplicationInsightsId}}', applicationInsightsId)",
            app.workbook
        );
        assert_eq!(template.value(&template.find(Kind::Resource, "workbook"), "properties.serializedData"), data);
        let mut names = BTreeSet::new();
        for item in workbook["items"].as_array().unwrap() {
            assert!(names.insert(item["name"].as_str().unwrap()), "{} occurs twice", item["name"]);
            check_item(item);
        }
        assert!(app.shown.iter().all(|shown| names.contains(shown)), "{names:?}");
    }
}

fn check_item(item: &Value) {
    let content = &item["content"];
    match item["type"].as_u64().unwrap() {
        1 => assert!(content["json"].is_string()),
        3 => {
            assert_eq!(content["version"], "KqlItem/1.0");
            assert_eq!(content["resourceType"], "microsoft.insights/components");
            assert_eq!(content["timeContextFromParameter"], "TimeRange");
        }
        9 => assert_eq!(content["parameters"][0]["name"], "TimeRange"),
        other => panic!("item type {other}"),
    }
}
