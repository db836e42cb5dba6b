//! The Azure Developer CLI: `azure.yaml`, its hooks and its parameters.

use std::collections::BTreeSet;

use serde_json::Value;
use xtask::App;

use crate::bicep::{Bicep, Kind};
use crate::file;

/// What azd's schema (v1.0) has of a project, of a service and of a hook, as far as it is used here. azd ignores what it
/// does not know, so a slip of the pen would not be reported.
const PROJECT: [&str; 3] = ["infra", "name", "services"];
const INFRA: [&str; 3] = ["module", "path", "provider"];
const SERVICE: [&str; 8] = ["condition", "dist", "hooks", "host", "language", "project", "remoteBuild", "resourceName"];
const HOOKS: [&str; 1] = ["prepackage"];

fn project() -> Value {
    serde_yaml_ng::from_str(&file("azure.yaml")).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_project_has_the_form_of_the_schema() {
    let project = project();
    assert_eq!(keys(&project), PROJECT.into());
    let name = project["name"].as_str().unwrap();
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') && name.len() > 1, "{name}");
    assert_eq!(keys(&project["infra"]), INFRA.into());
    let module = project["infra"]["module"].as_str().unwrap();
    let path = project["infra"]["path"].as_str().unwrap();
    file(&format!("{path}/{module}.bicep"));
    for (name, service) in project["services"].as_object().unwrap() {
        let unknown: Vec<&str> = keys(service).difference(&SERVICE.into()).copied().collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
        assert_eq!(service["host"], "function");
        assert_eq!(service["remoteBuild"], false);
        assert_eq!(keys(&service["hooks"]), HOOKS.into());
        for (system, shell) in [("posix", "sh"), ("windows", "pwsh")] {
            let hook = &service["hooks"]["prepackage"][system];
            assert_eq!(keys(hook), BTreeSet::from(["run", "shell"]));
            assert_eq!(hook["shell"], shell);
        }
    }
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

/// The hook, up to the point where Azure is needed: it fetches a release and compares the checksum.
#[cfg(target_os = "linux")]
#[test]
fn the_hook_takes_a_release_with_the_right_checksum_only() {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("azd");
    let _ = fs::remove_dir_all(&folder);
    let (scripts, release) = (folder.join("infra/azd"), folder.join("release"));
    fs::create_dir_all(&scripts).unwrap();
    fs::create_dir_all(&release).unwrap();
    fs::write(scripts.join("package.sh"), file("infra/azd/package.sh")).unwrap();
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    fs::write(release.join("SHA256SUMS"), format!("{SHA256_OF_A}  prepare-data.zip\n")).unwrap();
    for (content, is_right) in [("a", true), ("b", false)] {
        fs::write(release.join("prepare-data.zip"), content).unwrap();
        let url = format!("file://{}", release.display());
        let mut hook = Command::new("sh");
        hook.args([scripts.join("package.sh").as_os_str(), "prepare-data".as_ref()]);
        let output = hook.env("COMMERCE_JOURNEYS_RELEASE", url).output().unwrap();
        assert_eq!(output.status.success(), is_right, "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read_to_string(folder.join("target/package/prepare-data.zip")).unwrap(), content);
    }
}

#[cfg(target_os = "linux")]
const SHA256_OF_A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
