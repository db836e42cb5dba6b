//! Facts that occur in several places are consistent.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use commerce_journeys::host::FUNCTIONS;
use commerce_journeys::settings::SETTINGS;
use serde_json::Value;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&file(path)).unwrap()
}

#[test]
fn every_function_has_its_folder_and_every_folder_its_function() {
    let folders = fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap().map(|entry| entry.unwrap());
    let with_functions = folders.filter(|folder| folder.path().join("function.json").is_file());
    let names: BTreeSet<String> = with_functions.map(|folder| folder.file_name().into_string().unwrap()).collect();
    assert_eq!(names, FUNCTIONS.map(str::to_owned).into());
}

#[test]
fn the_settings_page_lists_every_setting_with_its_default() {
    let page = file("docs/settings.md");
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 4).collect();
    for setting in SETTINGS {
        let default = setting.default.map_or("–".to_owned(), |default| format!("`{default}`"));
        let row = format!("| `{}` | {default} | {} |", setting.name, setting.meaning);
        assert!(rows.contains(&row.as_str()), "docs/settings.md lacks: {row}");
    }
}

#[test]
fn local_settings_hold_known_settings_only() {
    let local = json("local.settings.json");
    let values = local["Values"].as_object().unwrap();
    let journeys = file("journeys.json");
    let others = ["AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"];
    for name in values.keys() {
        let known = SETTINGS.iter().any(|setting| setting.name == name) || others.contains(&name.as_str());
        assert!(known || journeys.contains(&format!("%{name}%")), "{name} is no setting of this app");
    }
    let read = |name: &str| values.get(name).and_then(Value::as_str).map(str::to_owned);
    commerce_journeys::settings::Settings::read(read).unwrap();
}
