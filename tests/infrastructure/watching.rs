//! Alerts and workbook rely on names of the log's contract only.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::bicep::{Bicep, Kind};
use crate::{file, repository};

/// The queries of the alerts and of the workbook, with where they are.
fn queries() -> Vec<(String, String)> {
    let folder = fs::read_dir(repository("infra/queries")).unwrap().map(|entry| entry.unwrap().path());
    let alerts = folder.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()));
    let items = workbook()["items"].as_array().unwrap().clone();
    let shown = items.into_iter().filter(|item| item["type"] == 3);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    alerts.chain(shown.map(|item| (text(&item["name"]), text(&item["content"]["query"])))).collect()
}

fn workbook() -> Value {
    serde_json::from_str(&file("infra/workbook.json")).unwrap()
}

/// The words in backticks of `LOGGING.md`.
fn contract() -> BTreeSet<String> {
    let page = file("LOGGING.md");
    let words = page.split('`').skip(1).step_by(2);
    words.map(|word| word.trim_end_matches('?').to_owned()).collect()
}

/// The fields of a line that a query reads: `line.name`, `line["name"]`.
fn fields(query: &str) -> BTreeSet<String> {
    let rest = query.split("line").skip(1).filter_map(|rest| rest.strip_prefix('.').or(rest.strip_prefix("[\"")));
    let name = |rest: &str| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    rest.map(name).filter(|name| !name.is_empty()).collect()
}

/// The names of events, functions and outcomes that a query compares with: its quoted words. Texts for people have
/// spaces or digits, the host's category has dots.
fn compared(query: &str) -> BTreeSet<String> {
    let quoted = query.split('"').skip(1).step_by(2);
    let is_name = |text: &&str| text.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    quoted.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn queries_use_names_of_the_contract() {
    let contract = contract();
    let (mut read, mut named) = (0, 0);
    for (place, query) in queries() {
        assert!(query.contains("customDimensions.Category == \"Host.Function.Console\""), "{place}");
        for field in fields(&query) {
            assert!(contract.contains(&field), "{place}: LOGGING.md knows no field {field}");
            read += 1;
        }
        for name in compared(&query) {
            assert!(contract.contains(&name), "{place}: LOGGING.md knows no {name}");
            named += 1;
        }
    }
    assert!(read > 40 && named > 20, "{read} fields, {named} names");
}

#[test]
fn every_query_of_the_folder_raises_an_alarm() {
    let alerts = Bicep::read("modules/alerts.bicep");
    let rules = alerts.find(Kind::Variable, "rules");
    let text = alerts.text_of(rules.node);
    for entry in fs::read_dir(repository("infra/queries")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(text.contains(&format!("loadTextContent('../queries/{name}')")), "{name}");
        let query = file(&format!("infra/queries/{name}"));
        let rule = text.split("\n  {").find(|rule| rule.contains(&name)).unwrap();
        let measure = rule.split("measure: '").nth(1).unwrap().split('\'').next().unwrap();
        assert!(query.contains(&format!("{measure} = ")), "{name} has no column {measure}");
    }
    let asked = ["failed-events", "no-poll", "latency", "throttled", "restarts"];
    assert!(asked.iter().all(|name| text.contains(&format!("name: '{name}'"))), "{text}");
    let dead = alerts.find(Kind::Resource, "deadLetters");
    assert!(alerts.text_of(dead.node).contains("'DeadletteredMessages'"));
}

#[test]
fn the_workbook_is_a_gallery_template() {
    let workbook = workbook();
    assert_eq!(workbook["version"], "Notebook/1.0");
    assert_eq!(workbook["fallbackResourceIds"][0], "{ApplicationInsightsId}");
    let template = Bicep::read("modules/workbook.bicep");
    let data = "replace(loadTextContent('../workbook.json'), '{ApplicationInsightsId}', applicationInsightsId)";
    assert_eq!(template.value(&template.find(Kind::Resource, "workbook"), "properties.serializedData"), data);
    let mut names = BTreeSet::new();
    for item in workbook["items"].as_array().unwrap() {
        assert!(names.insert(item["name"].as_str().unwrap()), "{} is there twice", item["name"]);
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
    for shown in ["funnel", "latency", "failed-events"] {
        assert!(names.contains(shown), "{shown}");
    }
}
