//! `commerce-journeys check` as an operator runs it: each problem is reported with its solution.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sandbox::clock::Clock;
use sandbox::cosmos::Role;
use sandbox::csu::CsuOptions;
use sandbox::dataverse::{ORDER_CONFIRMATION, Parameter, ParameterKind, Trigger, demo_triggers};
use sandbox::environment::{Environment, EnvironmentOptions};
use sandbox::network::Dependency;
use sandbox::service_bus::Rights;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::environment::{SHIPPED, all_journeys};

/// The result of a run of the check.
pub(crate) struct CheckRun {
    pub(crate) code: i32,
    pub(crate) printed: String,
    pub(crate) errors: String,
}

pub(crate) async fn environment() -> Environment {
    Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap()
}

/// The folder of a function app with this `journeys.json`.
pub(crate) fn app(name: &str, journeys: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check").join(name);
    fs::create_dir_all(&folder).unwrap();
    // Other tests may be reading it.
    let new = folder.join(format!("{}.json", uuid::Uuid::new_v4()));
    fs::write(&new, journeys).unwrap();
    fs::rename(new, folder.join("journeys.json")).unwrap();
    folder
}

pub(crate) async fn run(settings: &BTreeMap<String, String>, folder: &Path, arguments: &[&str]) -> CheckRun {
    let mut command = Command::new(env!("CARGO_BIN_EXE_commerce-journeys"));
    command.env_clear().envs(settings).env("FUNCTIONS_APP_ROOT_PATH", folder).arg("check").args(arguments);
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    CheckRun { code: output.status.code().unwrap(), printed: text(output.stdout), errors: text(output.stderr) }
}

/// Asserts that a check with these settings has this finding, with these texts.
pub(crate) async fn assert_reported(
    settings: &BTreeMap<String, String>,
    folder: &Path,
    what: &str,
    mistake: &str,
    remedy: &str,
) {
    let ran = run(settings, folder, &["--json"]).await;
    assert_eq!(ran.code, 1, "{}{}", ran.printed, ran.errors);
    let report: Value = serde_json::from_str(&ran.printed).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let failed: Vec<&Value> = findings.iter().filter(|finding| finding.get("problem").is_some()).collect();
    let found = failed.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {report:#}"));
    let contains = |field: &str, words: &str| found["problem"][field].as_str().is_some_and(|text| text.contains(words));
    assert!(contains("mistake", mistake), "{mistake}: {found:#}");
    assert!(contains("remedy", remedy), "{remedy}: {found:#}");
    // The table contains the same.
    let table = run(settings, folder, &[]).await.printed;
    assert!(table.contains("FAILED") && table.contains(mistake) && table.contains("To do: "), "{table}");
    assert!(!table.contains("No problems found"), "{table}");
    // No secret is printed.
    for name in ["CommerceClientSecretD365Commerce", "CosmosDbKey", "DataverseClientSecret", "IDENTITY_HEADER"] {
        let secret = settings.get(name).filter(|secret| !secret.is_empty());
        assert!(secret.is_none_or(|secret| !table.contains(secret.as_str()) && !ran.printed.contains(secret.as_str())));
    }
}

pub(crate) fn with(environment: &Environment, changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut settings = environment.settings();
    settings.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    settings
}

/// The shipped journeys.
pub(crate) fn shipped() -> PathBuf {
    app("shipped", SHIPPED)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_problems_in_the_sandbox() {
    let environment = environment().await;
    let before = environment.cosmos().documents().await.unwrap();
    for settings in
        [environment.settings(), environment.settings_with_secrets(), with(&environment, &[("CosmosDbKey", "")])]
    {
        let folder = app("all", &all_journeys());
        let ran = run(&settings, &folder, &[]).await;
        assert_eq!(ran.code, 0, "{}{}", ran.printed, ran.errors);
        assert!(ran.printed.contains("No problems found.") && !ran.printed.contains("FAILED"), "{}", ran.printed);
        for journey in ["order-confirmation", "feedback-request", "loyalty-invitation", "abandoned-cart"] {
            assert!(ran.printed.contains(&format!("trigger of {journey}")), "{}", ran.printed);
        }
        assert!(ran.printed.contains("msdynmkt_amountpaid") && ran.printed.contains("Decimal"), "{}", ran.printed);
        let report: Value = serde_json::from_str(&run(&settings, &folder, &["--json"]).await.printed).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let passed = findings.iter().filter(|finding| finding["reached"] == "ok" && finding.get("problem").is_none());
        assert_eq!(passed.count(), findings.len(), "{report:#}");
    }
    // The check has changed nothing.
    assert_eq!(environment.cosmos().documents().await.unwrap(), before);
    assert_eq!(environment.counts(), sandbox::service_bus::Counts::default());
    assert!(environment.dataverse().started().is_empty());
    assert_eq!(environment.dataverse().contacts().len(), environment.initial_contacts().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_read_from_local_settings_json() {
    let environment = environment().await;
    let folder = app("core-tools", SHIPPED);
    let file = folder.join("local.settings.json");
    fs::write(&file, json!({"IsEncrypted": false, "Values": environment.settings()}).to_string()).unwrap();
    let nothing = BTreeMap::new();
    let ran = run(&nothing, &folder, &["--settings", file.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.printed, ran.errors);
    // Environment variables take precedence.
    let changed = BTreeMap::from([("ServiceBusTopicName".to_owned(), "another".to_owned())]);
    let ran = run(&changed, &folder, &["--settings", file.to_str().unwrap()]).await;
    assert_eq!(ran.code, 1, "{}", ran.printed);
    assert!(ran.printed.contains("topic another"), "{}", ran.printed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_read_as_core_tools_reads_them() {
    let environment = environment().await;
    let folder = app("core-tools-comments", &format!("\u{feff}{SHIPPED}"));
    let file = folder.join("local.settings.json");
    let values = serde_json::to_string(&environment.settings()).unwrap();
    let values = values.trim_end_matches('}');
    let text = format!(
        "\u{feff}// local only\n{{ \"IsEncrypted\": false, /* all */ \"Values\": {values}, \"PollPageSize\": 250, }}, }}"
    );
    fs::write(&file, text).unwrap();
    let ran = run(&BTreeMap::new(), &folder, &["--settings", file.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.printed, ran.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_order_does_not_wait_for_is_no_problem() {
    let csu = CsuOptions { specific_error_names: true, byte_order_marks: true, ..CsuOptions::default() };
    let environment =
        Environment::start(EnvironmentOptions { csu, ..EnvironmentOptions::new(Clock::real()) }).await.unwrap();
    let ran = run(&environment.settings(), &shipped(), &[]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.printed, ran.errors);
    assert!(!ran.printed.contains("events continue without"), "{}", ran.printed);
}

#[tokio::test]
async fn invalid_settings_have_their_own_exit_status() {
    let folder = shipped();
    let ran = run(&BTreeMap::new(), &folder, &[]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("CSUEndpoint is missing") && ran.errors.contains("OrderConfirmationTrigger"));
    let ran = run(&BTreeMap::new(), &folder, &["--fix"]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("usage: "), "{}", ran.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_problem_is_reported_by_its_error_code() {
    let environment = environment().await;
    let dataverse = environment.url(Dependency::Dataverse);
    let dataverse = dataverse.trim_end_matches('/');
    let token = "token for the Scale Unit";
    let cases = [
        ("TenantIdD365Commerce", "contoso", token, "no such tenant", "TenantIdD365Commerce"),
        ("CommerceClientIdD365Commerce", "nobody", token, "no such application", "CommerceClientIdD365Commerce"),
        (
            "CommerceClientSecretD365Commerce",
            "not-the-secret-5f2c",
            token,
            "AADSTS7000215",
            "CommerceClientSecretD365Commerce",
        ),
        ("AudienceD365Commerce", "https://nowhere.example", token, "AADSTS500011", "AudienceD365Commerce"),
        ("AuthorityD365Commerce", "https://no-such-host.invalid/", token, "(Connect)", "AuthorityD365Commerce"),
        // A valid token for another audience.
        ("AudienceD365Commerce", dataverse, "search for Checkout events", "another audience", "AudienceD365Commerce"),
        ("AZURE_CLIENT_ID", "nobody", "token for Dataverse", "400", "AZURE_CLIENT_ID"),
        ("IDENTITY_HEADER", "not-the-header-5f2c", "token for Dataverse", "401", "AZURE_CLIENT_ID"),
    ];
    for (setting, value, what, mistake, remedy) in cases {
        assert_reported(&with(&environment, &[(setting, value)]), &shipped(), what, mistake, remedy).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_dependencies_are_reported() {
    let environment = environment().await;
    let nowhere = "https://no-such-host.invalid/";
    let bus = "Endpoint=sb://no-such-host.invalid/;SharedAccessKeyName=n;SharedAccessKey=a2V5";
    let commerce = environment.url(Dependency::Commerce);
    let dataverse_token = "token for Dataverse";
    let cases = [
        (
            vec![("CSUEndpoint", nowhere), ("AudienceD365Commerce", commerce.as_str())],
            "orders",
            "no connection",
            "CSUEndpoint",
        ),
        (vec![("ServiceBusConnection", bus)], "topic order-events", "no connection", "ServiceBusConnection"),
        (
            vec![("CosmosDbEndpoint", nowhere)],
            "container EventTrackingDB/ProcessedEvents",
            "does not respond",
            "CosmosDbEndpoint",
        ),
        (vec![("DataverseUrl", nowhere)], dataverse_token, "400", "DataverseUrl"),
    ];
    for (changes, what, mistake, remedy) in cases {
        assert_reported(&with(&environment, &changes), &shipped(), what, mistake, remedy).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_request_to_the_scale_unit_differs_from_a_missing_entity() {
    let csu = CsuOptions { application_reads_orders: false, ..CsuOptions::default() };
    let environment =
        Environment::start(EnvironmentOptions { csu, ..EnvironmentOptions::new(Clock::real()) }).await.unwrap();
    assert_reported(&environment.settings(), &shipped(), "orders", "the role Application may not", "role table").await;
    let types = ("EventTypes", "Checkout,AddCartLines");
    let settings = with(&environment, &[("OperatingUnitNumber", "no-such-unit"), types]);
    let search = "search for AddCartLines events";
    assert_reported(&settings, &shipped(), search, "InvalidChannel", "OperatingUnitNumber").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_accepted_authorization_scheme_is_reported() {
    for (accepted, configured) in [("Bearer", "id_token"), ("id_token", "Bearer")] {
        let csu = CsuOptions { scheme: Some(accepted), ..CsuOptions::default() };
        let environment =
            Environment::start(EnvironmentOptions { csu, ..EnvironmentOptions::new(Clock::real()) }).await.unwrap();
        let settings = with(&environment, &[("AuthSchemeD365Commerce", configured)]);
        let remedy = format!("set AuthSchemeD365Commerce to {accepted}");
        let mistake = format!("only with the authorization scheme {accepted}");
        assert_reported(&settings, &shipped(), "search for Checkout events", &mistake, &remedy).await;
        let settings = with(&environment, &[("AuthSchemeD365Commerce", accepted)]);
        assert_eq!(run(&settings, &shipped(), &[]).await.code, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_of_cosmos_db_are_reported() {
    let environment = environment().await;
    let folder = shipped();
    let container = "container EventTrackingDB/ProcessedEvents";
    let settings = with(&environment, &[("CosmosDbContainerId", "Events")]);
    assert_reported(
        &settings,
        &folder,
        "container EventTrackingDB/Events",
        "no such database or container",
        "CosmosDbContainerId",
    )
    .await;
    let settings = with(&environment, &[("CosmosDbKey", "d3Jvbmc=")]);
    assert_reported(&settings, &folder, container, "refuses the key", "CosmosDbKey").await;
    let identity = with(&environment, &[("CosmosDbKey", "")]);
    environment.cosmos().set_role(Role::None);
    assert_reported(&identity, &folder, container, "no right", "Data Contributor").await;
    environment.cosmos().set_role(Role::Reader);
    assert_reported(&identity, &folder, container, "may read but not write", "Data Contributor").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_of_service_bus_are_reported() {
    let environment = environment().await;
    let folder = shipped();
    let settings = with(&environment, &[("ServiceBusTopicName", "orders")]);
    assert_reported(&settings, &folder, "topic orders", "no such entity", "ServiceBusTopicName").await;
    let settings = with(&environment, &[("ServiceBusSubscriptionName", "everybody")]);
    assert_reported(&settings, &folder, "subscription everybody", "no such entity", "ServiceBusSubscriptionName").await;
    let connection =
        environment.settings()["ServiceBusConnection"].replace("SharedAccessKey=", "SharedAccessKey=wrong");
    let settings = with(&environment, &[("ServiceBusConnection", &connection)]);
    assert_reported(&settings, &folder, "topic order-events", "rejects the token", "ServiceBusConnection").await;
    environment.broker().set_rights(Rights { send: false, listen: true });
    assert_reported(&environment.settings(), &folder, "topic order-events", "Send is missing", "Send").await;
    environment.broker().set_rights(Rights { send: true, listen: false });
    assert_reported(&environment.settings(), &folder, "subscription order-subscription", "Listen is missing", "Listen")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_of_the_application_user_are_reported() {
    let environment = environment().await;
    let (folder, dataverse) = (shipped(), environment.dataverse());
    dataverse.revoke(Some("prvCreateContact"));
    assert_reported(
        &environment.settings(),
        &folder,
        "contact table, writing",
        "lacks prvCreateContact",
        "security role",
    )
    .await;
    dataverse.revoke(None);
    assert_reported(
        &environment.settings(),
        &folder,
        "contact table, reading",
        "lacks prvReadContact",
        "security role",
    )
    .await;
    assert_reported(
        &environment.settings(),
        &folder,
        "trigger of order-confirmation",
        "lacks prvReadCustomAPI",
        "security role",
    )
    .await;
    dataverse.set_application_user(false);
    assert_reported(
        &environment.settings(),
        &folder,
        "application user",
        "no such application user",
        "Application users",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_without_dual_write_is_reported() {
    let mut options = EnvironmentOptions::new(Clock::real());
    options.dataverse.dual_write = false;
    let environment = Environment::start(options).await.unwrap();
    assert_reported(&environment.settings(), &shipped(), "contact table, reading", "no column _msdyn_", "Dual-write")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn problems_of_a_trigger_are_reported() {
    let environment = environment().await;
    let what = "trigger of order-confirmation";
    let without = SHIPPED.replace(
        r#""msdynmkt_currencycode": { "from": "/OrderDetails/CurrencyCode", "type": "String" },"#,
        r#""msdynmkt_currency": { "from": "/OrderDetails/CurrencyCode", "type": "String" },"#,
    );
    assert_ne!(without, SHIPPED);
    let folder = app("parameters", &without);
    let settings = environment.settings();
    assert_reported(&settings, &folder, what, "msdynmkt_currencycode is required and not filled", "journeys.json")
        .await;
    assert_reported(&settings, &folder, what, "the trigger has no parameter msdynmkt_currency", "order-confirmation")
        .await;
    let mut trigger: Trigger = demo_triggers().into_iter().find(|trigger| trigger.name == ORDER_CONFIRMATION).unwrap();
    trigger.parameters.retain(|parameter| parameter.name != "msdynmkt_name");
    trigger.parameters.push(Parameter::required("msdynmkt_name", ParameterKind::Integer));
    environment.dataverse().register_trigger(trigger);
    assert_reported(
        &settings,
        &shipped(),
        what,
        "msdynmkt_name is a Integer, but journeys.json has a String",
        "wrong type",
    )
    .await;
    environment.dataverse().set_published(ORDER_CONFIRMATION, false);
    assert_reported(&settings, &shipped(), what, "not published", "Ready to use").await;
}
