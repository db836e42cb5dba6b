//! The lake side: off by default, and consistent with the folder of its function app.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bicep::{Bicep, Kind, unquoted};
use crate::file;

/// Part of the platform's, or of the machine's, and not of the template's settings.
const LOCAL_ONLY: [&str; 2] = ["AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME"];

fn json(path: &str) -> Value {
    serde_json::from_str(&file(path)).unwrap()
}

/// The settings of a variable of the app's template, with their values as written.
fn made(variable: &str) -> BTreeMap<String, String> {
    let app = Bicep::read("modules/lake-app.bicep");
    let variable = app.find(Kind::Variable, variable);
    app.body(&variable).into_iter().map(|(name, value)| (name.to_owned(), app.text_of(value).to_owned())).collect()
}

#[test]
fn a_deployment_without_the_lake_side_has_no_resource_of_it() {
    let main = Bicep::read("main.bicep");
    let parameter = main.find(Kind::Parameter, "lake");
    assert_eq!(main.text_of(parameter.node.named_child(1).unwrap()), "Lake?");
    let module = main.find(Kind::Module, "lakeSide");
    assert!(main.text_of(module.node).starts_with("module lakeSide 'modules/lake.bicep' = if (lake != null) {"));
    let others = main.declared(Kind::Module).into_iter().filter(|it| it.name != "lakeSide");
    for module in others {
        let text = main.text_of(module.node);
        assert!(!text.contains("modules/lake") && !text.contains("lake-"), "{text}");
    }
}

#[test]
fn the_settings_are_those_of_the_folder() {
    let local = json("prepare-data/functions/local.settings.json");
    let mut local: BTreeMap<String, String> = serde_json::from_value(local["Values"].clone()).unwrap();
    local.retain(|name, _| !LOCAL_ONLY.contains(&name.as_str()));
    let mut made = made("handlerSettings");
    let schedule = self::made("hostSettings").remove("PrepareSchedule");
    made.extend(schedule.map(|value| ("PrepareSchedule".to_owned(), value)));
    assert_eq!(made.remove("AZURE_CLIENT_ID").unwrap(), "identityClientId");
    assert_eq!(made.keys().collect::<Vec<_>>(), local.keys().collect::<Vec<_>>());
    for name in ["PrepareSchedule", "Language", "Layers"] {
        let default = made[name].rsplit("??").next().unwrap().trim();
        assert_eq!(unquoted(default), local[name], "{name}");
    }
}

#[test]
fn the_timer_is_set_by_a_setting() {
    let function = json("prepare-data/functions/prepare-data/function.json");
    assert_eq!(function["bindings"][0]["schedule"], "%PrepareSchedule%");
    assert!(made("hostSettings").contains_key("PrepareSchedule"));
}

#[test]
fn additional_settings_cannot_replace_those_of_the_template() {
    let app = Bicep::read("modules/lake-app.bicep");
    let settings = app.find(Kind::Resource, "settings");
    // Later values have priority.
    assert_eq!(app.value(&settings, "properties"), "union(lake.?settings ?? {}, hostSettings, handlerSettings)");
}

#[test]
fn no_setting_holds_a_secret() {
    let settings = made("handlerSettings").into_iter().chain(made("hostSettings"));
    for (name, value) in settings.filter(|(name, _)| name != "APPLICATIONINSIGHTS_CONNECTION_STRING") {
        for word in ["Secret", "Key", "Password", "ConnectionString", "CONNECTION_STRING"] {
            assert!(!name.contains(word) && !value.contains(word), "{name} is {value}");
        }
    }
}

#[test]
fn the_prepared_tables_are_where_customer_insights_data_can_read_them() {
    let prepared = Bicep::read("modules/lake-prepared.bicep");
    let account = prepared.find(Kind::Resource, "account");
    assert_eq!(prepared.value(&account, "properties.isHnsEnabled"), "true");
    let location = prepared.find(Kind::Output, "location");
    assert!(prepared.text_of(location.node).contains("'abfss://${containerName}@"));
}

#[test]
fn counted_lines_are_kept_out_of_sampling() {
    for host in ["host.json", "prepare-data/functions/host.json"] {
        let sampling = &json(host)["logging"]["applicationInsights"]["samplingSettings"];
        assert!(sampling["excludedTypes"].as_str().unwrap().split(';').any(|kind| kind == "Trace"), "{host}");
    }
}
