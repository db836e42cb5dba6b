//! The program with invalid settings: it fails with one message that lists all of them.

use std::collections::BTreeMap;
use std::process::{Command, Output};

fn valid() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("CSUEndpoint", "https://scu.example.com/"),
        ("OperatingUnitNumber", "052"),
        ("CosmosDbEndpoint", "https://events.documents.azure.com/"),
        ("ServiceBusConnection__fullyQualifiedNamespace", "events.servicebus.windows.net"),
        ("DataverseUrl", "https://contoso.crm.dynamics.com"),
        ("OrderConfirmationTrigger", "msdynmkt_orderconfirmation_1"),
    ])
}

fn start(settings: &BTreeMap<&'static str, &'static str>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_commerce-journeys"))
        .env_clear()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs(settings)
        .output()
        .unwrap()
}

fn error_text(settings: &BTreeMap<&'static str, &'static str>) -> String {
    let output = start(settings);
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"", "errors are written to stderr");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_message_contains_each_invalid_setting() {
    let cases = [
        ("CSUEndpoint", ""),
        ("CSUEndpoint", "http://scu.example.com/"),
        ("OperatingUnitNumber", " "),
        ("EventTypes", ","),
        ("AuthSchemeD365Commerce", "Basic"),
        ("CosmosDbEndpoint", "events"),
        ("ServiceBusConnection", "Endpoint=https://x/"),
        ("ServiceBusConnection__fullyQualifiedNamespace", "https://events.servicebus.windows.net/"),
        ("ServiceBusMaxMessageBytes", "1"),
        ("DataverseUrl", ""),
        ("InitialLookback", "1 day"),
        ("PollOverlap", "00:00:00"),
        ("PollPageSize", "0"),
        ("CommerceConcurrency", "many"),
        ("LeaseDuration", "00:00:10"),
        ("RetryFirstDelay", "1.00:00:00"),
        ("RecordTimeToLive", "00:10:00"),
        ("RecordTimeToLive", "30000.00:00:00"),
        ("OrderConfirmationTrigger", ""),
        ("OrderConfirmationTrigger", "contacts(1)/x"),
    ];
    for (name, value) in cases {
        let mut settings = valid();
        settings.insert(name, value);
        let text = error_text(&settings);
        assert!(text.contains(name) || text.contains("journeys[0].trigger"), "{name}={value}: {text}");
        assert!(!text.contains("CSUEndpoint is missing") || name == "CSUEndpoint", "{text}");
    }
}

#[test]
fn one_message_contains_all_invalid_settings() {
    let text = error_text(&BTreeMap::from([("CommerceClientSecretD365Commerce", "hush"), ("LeaseDuration", "soon")]));
    for name in [
        "CSUEndpoint",
        "OperatingUnitNumber",
        "TenantIdD365Commerce",
        "CommerceClientIdD365Commerce",
        "CosmosDbEndpoint",
        "ServiceBusConnection",
        "DataverseUrl",
        "LeaseDuration",
        "OrderConfirmationTrigger",
    ] {
        assert!(text.contains(name), "{name} is missing in: {text}");
    }
    assert_eq!(text.lines().count(), 1, "the host makes one trace of each line: {text}");
    assert!(!text.contains("hush"));
}

#[test]
fn an_unresolved_key_vault_reference_is_not_used_as_a_secret() {
    let reference = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/commerce-client-secret)";
    let mut settings = valid();
    settings.extend([
        ("CommerceClientSecretD365Commerce", reference),
        ("TenantIdD365Commerce", "contoso"),
        ("CommerceClientIdD365Commerce", "app"),
    ]);
    let text = error_text(&settings);
    assert!(text.contains("CommerceClientSecretD365Commerce is a Key Vault reference that is not resolved"), "{text}");
}

#[test]
fn an_unresolved_reference_is_named_in_every_setting_and_never_quoted() {
    let references = [
        "@Microsoft.KeyVault(SecretUri=https://hush.vault.azure.net/secrets/s)",
        " @microsoft.keyvault(VaultName=hush;SecretName=s)",
        "@Microsoft.AppConfiguration(Endpoint=https://hush.azconfig.io; Key=k)",
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey=@Microsoft.KeyVault(SecretUri=hush)",
    ];
    let secrets = ["CosmosDbKey", "ServiceBusConnection", "DataverseClientSecret", "CommerceClientSecretD365Commerce"];
    for name in secrets.into_iter().chain(["CSUEndpoint", "PollPageSize", "OrderConfirmationTrigger", "EventTypes"]) {
        for reference in references {
            let mut settings = valid();
            settings.insert(name, reference);
            let text = error_text(&settings);
            assert!(text.contains(&format!("{name} is a Key Vault reference that is not resolved")), "{name}: {text}");
            assert!(!text.contains("hush"), "{text}");
        }
    }
}

#[test]
fn records_that_expire_before_a_journey_is_due_are_reported() {
    let folder = std::env::temp_dir().join(format!("commerce-journeys-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = include_str!("../../journeys.json").replace("\"onUncertain\": \"retry\"", "\"after\": \"90.00:00:00\"");
    std::fs::write(folder.join("journeys.json"), file).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_commerce-journeys"))
        .env_clear()
        .env("FUNCTIONS_APP_ROOT_PATH", &folder)
        .envs(valid())
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("RecordTimeToLive must be longer"), "{text}");
    assert!(text.contains("order-confirmation"), "{text}");
}
