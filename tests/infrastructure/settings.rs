//! The app settings of the template: all that the app reads, no unknown one, no secret.

use std::collections::{BTreeMap, BTreeSet};

use commerce_journeys::journeys::Journeys;
use commerce_journeys::settings::{SETTINGS, Settings};
use serde_json::Value;
use tree_sitter::Node;

use crate::bicep::{Bicep, Kind, unquoted};
use crate::file;

/// Settings of the app that the template does not make: it uses the managed identity, not keys or an application for
/// Dataverse.
const LEFT_OUT: [&str; 6] = [
    "CosmosDbKey",
    "ServiceBusConnection",
    "DataverseAuthority",
    "DataverseTenantId",
    "DataverseClientId",
    "DataverseClientSecret",
];

/// What the Functions host reads. `FUNCTIONS_WORKER_RUNTIME` is not among them: Flex Consumption has
/// `functionAppConfig.runtime` instead and refuses it.
const FOR_THE_HOST: [&str; 8] = [
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "ServiceBusConnection__credential",
    "ServiceBusConnection__clientId",
];

/// Settings of the template, with their values as written.
fn made(app: &Bicep, variable: &str) -> BTreeMap<String, String> {
    let variable = app.find(Kind::Variable, variable);
    let text = |node: Node<'_>| app.text_of(node).to_owned();
    app.body(&variable).into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
}

fn for_the_handler(app: &Bicep) -> BTreeMap<String, String> {
    let mut settings = made(app, "handlerSettings");
    settings.extend(made(app, "commerceIdentitySettings"));
    settings
}

/// `%Name%` in `journeys.json`.
fn triggers() -> BTreeSet<String> {
    let journeys: Value = serde_json::from_str(&file("journeys.json")).unwrap();
    let names = journeys["journeys"].as_array().unwrap().iter().map(|it| it["trigger"].as_str().unwrap());
    names.filter_map(|name| Some(name.strip_prefix('%')?.strip_suffix('%')?.to_owned())).collect()
}

#[test]
fn the_template_makes_every_setting_and_no_unknown_one() {
    let app = Bicep::read("modules/function-app.bicep");
    let made: BTreeSet<String> = for_the_handler(&app).into_keys().collect();
    let read = SETTINGS.iter().map(|setting| setting.name).filter(|name| !LEFT_OUT.contains(name));
    assert_eq!(made, read.map(str::to_owned).collect());
}

#[test]
fn the_template_makes_the_settings_of_the_host() {
    let app = Bicep::read("modules/function-app.bicep");
    let made: BTreeSet<String> = made(&app, "hostSettings").into_keys().collect();
    assert_eq!(made, FOR_THE_HOST.map(str::to_owned).into());
    let settings = app.find(Kind::Resource, "settings");
    let all = "union(additionalSettings, hostSettings, handlerSettings, commerceIdentitySettings, triggers)";
    assert_eq!(app.value(&settings, "properties"), all, "nothing else is a setting");
}

#[test]
fn the_triggers_are_those_of_the_shipped_journeys() {
    let types = Bicep::read("types.bicep");
    let mut members: BTreeSet<String> =
        types.body(&types.find(Kind::Type, "Triggers")).into_keys().map(str::to_owned).collect();
    assert!(members.remove("*"), "a deployment has journeys of its own");
    assert_eq!(members, triggers());
}

#[test]
fn defaults_equal_those_of_the_app() {
    let app = Bicep::read("modules/function-app.bicep");
    let made = for_the_handler(&app);
    let mut compared = 0;
    for setting in SETTINGS {
        let (Some(default), Some(value)) = (setting.default, made.get(setting.name)) else { continue };
        // `tuning.?x ?? 'default'`, `string(tuning.?x ?? 1)`, or the default itself.
        let literal = value.rsplit("??").next().unwrap().trim().trim_end_matches(')');
        if literal.starts_with('\'') || literal.parse::<u64>().is_ok() {
            assert_eq!(unquoted(literal), default, "{}", setting.name);
            compared += 1;
        }
    }
    assert!(compared > 14, "{compared}");
}

/// A possible value of an expression of the template.
fn example(name: &str) -> &str {
    match name {
        "CSUEndpoint" => "https://contoso.scale.commerce.dynamics.com/",
        "CosmosDbEndpoint" => "https://cosmos-journeys-prod-abc123.documents.azure.com:443/",
        "DataverseUrl" => "https://contoso.crm.dynamics.com",
        "ServiceBusConnection__fullyQualifiedNamespace" => "sbns-journeys-prod-abc123.servicebus.windows.net",
        "AuthorityD365Commerce" => "https://login.microsoftonline.com/",
        "CosmosDbDatabaseId" => "EventTrackingDB",
        _ => "value",
    }
}

#[test]
fn the_app_accepts_these_settings() {
    let app = Bicep::read("modules/function-app.bicep");
    let made = for_the_handler(&app);
    let value = |name: &str| {
        let literal = made.get(name)?.rsplit("??").next()?.trim().trim_end_matches(')').to_owned();
        let is_text = literal.starts_with('\'') && literal != "''" && !literal.contains("${");
        let is_literal = is_text || literal.parse::<u64>().is_ok();
        Some(if is_literal { unquoted(&literal).to_owned() } else { example(name).to_owned() })
    };
    Settings::read(value).unwrap();
    let trigger = |name: &str| triggers().contains(name).then(|| "msdynmkt_example_1".to_owned());
    Journeys::read(&file("journeys.json"), trigger).unwrap();
}

#[test]
fn no_setting_holds_a_secret() {
    let app = Bicep::read("modules/function-app.bicep");
    let mut settings = for_the_handler(&app);
    settings.extend(made(&app, "hostSettings"));
    let secret = settings.remove("CommerceClientSecretD365Commerce").unwrap();
    assert_eq!(secret, "'@Microsoft.KeyVault(SecretUri=${commerceClientSecretUri})'");
    // Telemetry is accepted from identities only: without a token its connection string is an address.
    assert!(settings.remove("APPLICATIONINSIGHTS_CONNECTION_STRING").is_some());
    let monitoring = Bicep::read("modules/monitoring.bicep");
    let component = monitoring.find(Kind::Resource, "applicationInsights");
    assert_eq!(monitoring.value(&component, "properties.DisableLocalAuth"), "true");
    for (name, value) in settings {
        for word in ["Secret", "Key", "Password", "ConnectionString", "CONNECTION_STRING"] {
            assert!(!name.contains(word), "{name}");
            assert!(!value.contains(word), "{name} is {value}");
        }
        assert_ne!(name, "ServiceBusConnection");
    }
}

#[test]
fn no_file_reads_a_key() {
    for file in Bicep::all() {
        for token in file.tokens() {
            let reads_key = token.starts_with("list") && token.len() > 4 || token.contains("SharedAccessKey");
            assert!(!reads_key && !token.contains("AccountKey="), "{}: {token}", file.path.display());
        }
    }
}
