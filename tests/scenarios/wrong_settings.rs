//! The program with wrong settings: one message that names them all, and a failure.

use std::collections::BTreeMap;
use std::process::{Command, Output};

fn sound() -> BTreeMap<&'static str, &'static str> {
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

fn complaint(settings: &BTreeMap<&'static str, &'static str>) -> String {
    let output = start(settings);
    assert!(!output.status.success());
    assert_eq!(output.stdout, b"", "complaints go to stderr, which the host takes for errors");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn each_wrong_setting_is_named() {
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
        ("OrderConfirmationTrigger", ""),
        ("OrderConfirmationTrigger", "contacts(1)/x"),
    ];
    for (name, value) in cases {
        let mut settings = sound();
        settings.insert(name, value);
        let complaint = complaint(&settings);
        assert!(complaint.contains(name) || complaint.contains("journeys[0].trigger"), "{name}={value}: {complaint}");
        assert!(!complaint.contains("CSUEndpoint is missing") || name == "CSUEndpoint", "{complaint}");
    }
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let complaint =
        complaint(&BTreeMap::from([("CommerceClientSecretD365Commerce", "hush"), ("LeaseDuration", "soon")]));
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
        assert!(complaint.contains(name), "{name} is missing in: {complaint}");
    }
    assert_eq!(complaint.lines().count(), 1, "the host makes one trace of each line: {complaint}");
    assert!(!complaint.contains("hush"));
}
