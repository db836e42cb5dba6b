//! The Azure Developer CLI: `azure.yaml`, its hooks and its parameters.

use std::collections::BTreeSet;

use serde_json::Value;
use xtask::App;

use crate::bicep::{Bicep, Kind};
use crate::file;

pub(crate) fn project() -> Value {
    serde_yaml_ng::from_str(&file("azure.yaml")).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// `.ci/azd.py` compares the file with azd's schema.
#[test]
fn the_templates_of_the_project_exist() {
    let infra = &project()["infra"];
    file(&format!("{}/{}.bicep", infra["path"].as_str().unwrap(), infra["module"].as_str().unwrap()));
}

/// With `language: custom`, azd takes `dist` as it is; a zip file is not packed again and keeps its execute bit.
#[test]
fn every_app_is_a_service_with_its_package() {
    let project = project();
    let apps = [App::CommerceJourneys, App::PrepareData].map(App::name);
    assert_eq!(keys(&project["services"]), apps.into());
    for app in apps {
        let service = &project["services"][app];
        assert_eq!(service["language"], "custom");
        assert_eq!(service["dist"], format!("target/package/{app}.zip"));
        for (system, script) in [("posix", "infra/azd/package.sh"), ("windows", "infra/azd/package.ps1")] {
            let run = service["hooks"]["prepackage"][system]["run"].as_str().unwrap();
            assert!(run.contains(script) && run.ends_with(&format!(" {app}")), "{run}");
            file(script);
        }
    }
}

#[test]
fn variables_are_outputs_of_the_template() {
    let main = Bicep::read("azd/main.bicep");
    let outputs: BTreeSet<&str> = main.declared(Kind::Output).into_iter().map(|output| output.name).collect();
    let text = file("azure.yaml");
    for variable in text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap()) {
        // Set by the operator, as the comment beside it says.
        assert!(outputs.contains(variable) || variable == "DEPLOY_LAKE_SIDE", "{variable}");
    }
}

#[test]
fn azd_asks_for_what_only_the_operator_knows() {
    let main = Bicep::read("azd/main.bicep");
    let given: Value = serde_json::from_str(&file("infra/azd/main.parameters.json")).unwrap();
    let given = keys(&given["parameters"]);
    let parameters = main.declared(Kind::Parameter);
    let names: BTreeSet<&str> = parameters.iter().map(|parameter| parameter.name).collect();
    assert!(given.is_subset(&names), "{given:?}");
    let has_default = |name: &str| parameters.iter().any(|it| it.name == name && it.node.named_child_count() > 2);
    let asked: BTreeSet<&str> = names.into_iter().filter(|name| !given.contains(name) && !has_default(name)).collect();
    let expected = [
        "alertEmail",
        "commerceAudience",
        "commerceClientId",
        "commerceEndpoint",
        "dataverseUrl",
        "operatingUnitNumber",
        "orderConfirmationTrigger",
    ];
    assert_eq!(asked, expected.into());
}

#[test]
fn resources_have_the_version_of_the_handler_as_a_tag() {
    let main = Bicep::read("main.bicep");
    let version = main.find(Kind::Variable, "version").node.named_child(1).unwrap();
    assert_eq!(main.text_of(version), format!("'{}'", env!("CARGO_PKG_VERSION")));
    let tags = main.find(Kind::Variable, "allTags");
    assert!(main.text_of(tags.node).contains("version: version"));
}
