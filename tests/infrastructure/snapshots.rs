//! The committed snapshots: what the compiler resolves the templates to, for two sets of parameters.

use std::collections::BTreeSet;

use serde_json::Value;
use xtask::snapshots;

use crate::file;

fn resources(parameters: &str) -> Vec<Value> {
    let path = format!("infra/{}", parameters.replace(".bicepparam", ".snapshot.json"));
    let snapshot: Value = serde_json::from_str(&file(&path)).unwrap();
    assert_eq!(snapshot["diagnostics"], Value::Array(Vec::new()), "{path}");
    snapshot["predictedResources"].as_array().unwrap().clone()
}

fn text<'a>(resource: &'a Value, field: &str) -> &'a str {
    resource[field].as_str().unwrap()
}

/// The most characters that Azure takes in a name. Of an app's, the host tells 32 apart.
fn longest(kind: &str) -> Option<usize> {
    match kind {
        "Microsoft.KeyVault/vaults" | "Microsoft.Storage/storageAccounts" => Some(24),
        "Microsoft.Web/sites" => Some(32),
        "Microsoft.Web/serverfarms" => Some(40),
        "Microsoft.DocumentDB/databaseAccounts" => Some(44),
        "Microsoft.ServiceBus/namespaces" => Some(50),
        "Microsoft.OperationalInsights/workspaces" => Some(63),
        "Microsoft.ManagedIdentity/userAssignedIdentities" => Some(128),
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials" => Some(120),
        "Microsoft.Insights/actionGroups"
        | "Microsoft.Insights/components"
        | "Microsoft.Insights/metricAlerts"
        | "Microsoft.Insights/scheduledQueryRules" => Some(260),
        _ => None,
    }
}

#[test]
fn the_longest_names_are_short_enough() {
    let mut limited = BTreeSet::new();
    for resource in resources("examples/full.bicepparam") {
        let (kind, name) = (text(&resource, "type"), text(&resource, "name"));
        let own = name.rsplit('/').next().unwrap();
        if let Some(limit) = longest(kind) {
            assert!(own.len() <= limit, "{kind} {own} has {} characters, {limit} are allowed", own.len());
            assert!(!own.contains("--") && !own.ends_with('-'), "{own}");
            limited.insert(kind.to_owned());
        }
        let is_storage = kind == "Microsoft.Storage/storageAccounts";
        assert!(!is_storage || own.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{own}");
    }
    assert!(limited.len() > 10, "{limited:?}");
}

#[test]
fn the_longest_names_are_in_the_snapshot() {
    let file = crate::bicep::Bicep::read("examples/full.bicepparam");
    let main = crate::bicep::Bicep::read("main.bicep");
    for name in ["workload", "environmentName"] {
        let given = file.find(crate::bicep::Kind::Variable, name).node.named_child(1).unwrap();
        let parameter = main.find(crate::bicep::Kind::Parameter, name);
        let longest = parameter.decorators.split("@maxLength(").nth(1).unwrap().split(')').next().unwrap();
        let given = crate::bicep::unquoted(file.text_of(given)).len();
        assert_eq!(given.to_string(), longest, "{name}");
    }
}

/// `what-if` shows a reviewer only what has a name before the deployment starts.
#[test]
fn every_name_is_known_before_the_deployment() {
    for parameters in snapshots::PARAMETERS {
        let resources = resources(parameters);
        assert!(resources.len() > 30, "{}", resources.len());
        for resource in resources {
            let name = text(&resource, "name");
            assert!(!name.starts_with('[') && !text(&resource, "id").contains("reference("), "{name}");
        }
    }
}

#[test]
fn two_resources_never_share_a_name() {
    for parameters in snapshots::PARAMETERS {
        let mut names = BTreeSet::new();
        for resource in resources(parameters) {
            assert!(names.insert(text(&resource, "id").to_lowercase()), "{}", text(&resource, "id"));
        }
    }
}
