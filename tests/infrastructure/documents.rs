//! The deployment pages name only what exists.

use serde_json::Value;

use crate::bicep::{Bicep, Kind};
use crate::file;

/// The attributes that every custom trigger has.
const OF_EVERY_TRIGGER: [&str; 5] =
    ["signaltimestamp", "signalingestiontimestamp", "signaluserauthid", "profileid", "bindingid"];

#[test]
fn the_triggers_attributes_are_those_that_the_shipped_journey_fills() {
    let journeys: Value = serde_json::from_str(&file("journeys.json")).unwrap();
    let parameters = journeys["journeys"][0]["parameters"].as_object().unwrap();
    let page = file("docs/deployment.md");
    let table = page.split("| attribute | type |").nth(1).unwrap().split("\n\n").next().unwrap();
    let row = |kind: &str| table.lines().find(|line| line.contains(&format!("| {kind} |"))).unwrap_or_default();
    for (name, parameter) in parameters {
        let attribute = name.strip_prefix("msdynmkt_").unwrap();
        if !OF_EVERY_TRIGGER.contains(&attribute) {
            let kind = if parameter["type"] == "String" { "Text" } else { "Number" };
            let listed = row(kind).split(['|', ',']).any(|cell| cell.trim() == attribute);
            assert!(listed, "docs/deployment.md: {attribute} is {kind}");
        }
    }
}

#[test]
fn outputs_and_parameters_that_the_pages_name_exist() {
    let main = Bicep::read("main.bicep");
    let page = file("docs/deployment.md");
    for output in ["functionAppName", "nextSteps", "managedIdentityClientId", "lakeFunctionAppName", "preparedLocation"]
    {
        assert!(page.contains(output));
        main.find(Kind::Output, output);
    }
    for parameter in ["alertEmail", "operatorsGroupId", "triggers", "tuning", "github", "scale", "lake"] {
        assert!(page.contains(parameter) || file("docs/sizing.md").contains(parameter), "{parameter}");
        main.find(Kind::Parameter, parameter);
    }
    for output in ["deployerClientId", "functionAppName", "lakeFunctionAppName"] {
        assert!(file(".github/workflows/deploy.yml").contains(&format!("(output {output}")), "{output}");
        main.find(Kind::Output, output);
    }
}

#[test]
fn the_workflow_packages_every_app() {
    let workflow = file(".github/workflows/deploy.yml");
    let apps = [xtask::App::CommerceJourneys, xtask::App::PrepareData].map(xtask::App::name);
    assert!(workflow.contains(&format!("app: [{}]", apps.join(", "))));
    for app in apps {
        assert!(workflow.contains(&format!("unzip -d {} {app}.zip", if app == apps[0] { "app" } else { "lake-app" })));
    }
}
