//! Names, times and limits in the templates equal those in the code.

use std::time::Duration;

use commerce_journeys::settings::{SETTINGS, parse_duration};
use sandbox::environment::{SUBSCRIPTION, TOPIC};
use serde_json::Value;

use crate::bicep::{Bicep, Kind, unquoted};
use crate::file;

fn default_of(name: &str) -> &'static str {
    SETTINGS.iter().find(|setting| setting.name == name).and_then(|setting| setting.default).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&file(path)).unwrap()
}

/// `P14D`, `PT10M`, `PT1M`: what the templates use of ISO 8601.
fn iso(text: &str) -> Duration {
    let (number, unit) =
        text.trim_start_matches('P').trim_start_matches('T').split_at(text.len() - 2 - usize::from(text.contains('T')));
    let seconds = match unit {
        "D" => 86_400,
        "H" => 3_600,
        "M" => 60,
        _ => panic!("{text}"),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * seconds)
}

#[test]
fn topic_subscription_database_and_container_have_one_name_each() {
    let main = Bicep::read("main.bicep");
    let local = json("local.settings.json");
    for (variable, setting) in [
        ("topicName", "ServiceBusTopicName"),
        ("subscriptionName", "ServiceBusSubscriptionName"),
        ("databaseName", "CosmosDbDatabaseId"),
        ("containerName", "CosmosDbContainerId"),
    ] {
        let variable = main.find(Kind::Variable, variable);
        let name = unquoted(main.text_of(variable.node.named_child(1).unwrap()));
        assert_eq!(name, default_of(setting));
        // Without a value, the default applies.
        assert_eq!(local["Values"][setting].as_str().unwrap_or(name), name, "local.settings.json");
        if setting.starts_with("ServiceBus") {
            assert!([TOPIC, SUBSCRIPTION].contains(&name), "the sandbox has no {name}");
        }
    }
}

#[test]
fn the_container_is_what_the_store_expects() {
    let cosmos = Bicep::read("modules/cosmos.bicep");
    let container = cosmos.find(Kind::Resource, "container");
    let meaning = SETTINGS.iter().find(|setting| setting.name == "CosmosDbContainerId").unwrap().meaning;
    assert!(meaning.contains("/EventChannelId"));
    assert!(cosmos.value(&container, "properties.resource.partitionKey.paths").contains("'/EventChannelId'"));
    assert_eq!(cosmos.value(&container, "properties.resource.defaultTtl"), "-1");
}

/// The properties by which a query filters or sorts; `id` and `_ts` are indexed always.
fn searched(query: &str) -> Vec<&str> {
    // A condition that is built in parts is a text of its own.
    let conditions = query.split_once(" WHERE ").map_or(query, |(_, conditions)| conditions);
    let properties = conditions.split("c.").skip(1);
    properties
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c)).next().unwrap_or_default())
        .filter(|name| !["id", "_ts"].contains(name))
        .collect()
}

/// A query, or a part of its condition.
fn is_query(text: &str) -> bool {
    text.starts_with("SELECT ") || ["c.", "(c.", "IS_DEFINED(c."].iter().any(|start| text.starts_with(start))
}

#[test]
fn what_queries_search_by_is_indexed_and_nothing_else() {
    let cosmos = Bicep::read("modules/cosmos.bicep");
    let container = cosmos.find(Kind::Resource, "container");
    let included = cosmos.value(&container, "properties.resource.indexingPolicy.includedPaths");
    let excluded = cosmos.value(&container, "properties.resource.indexingPolicy.excludedPaths");
    assert!(excluded.contains("'/*'"));
    let folder = std::fs::read_dir(crate::repository("src/clients/store")).unwrap();
    let sources: Vec<String> = folder.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let queries = sources.iter().flat_map(|source| source.split('"').filter(|text| is_query(text)));
    let mut needed: Vec<String> =
        queries.flat_map(searched).map(|name| format!("/{}/?", name.replace('.', "/"))).collect();
    needed.sort();
    needed.dedup();
    assert!(needed.len() > 2, "{needed:?}");
    let mut indexed: Vec<String> =
        included.split('\'').filter(|text| text.starts_with('/')).map(str::to_owned).collect();
    indexed.sort();
    assert_eq!(indexed, needed);
}

#[test]
fn service_bus_fits_the_retry_design() {
    let bus = Bicep::read("modules/service-bus.bicep");
    let topic = bus.find(Kind::Resource, "orderTopic");
    let time = |value: &str| iso(unquoted(value));
    let default = |name| parse_duration(default_of(name)).unwrap();
    assert_eq!(bus.value(&topic, "properties.requiresDuplicateDetection"), "true");
    let window = time(bus.value(&topic, "properties.duplicateDetectionHistoryTimeWindow"));
    // A run that crashed between sending and recording sends again; a lost message is published again.
    assert!(window > default("LeaseDuration") + default("PollTimeBudget"));
    assert!(window < 2 * default("RetryHorizon"));
    assert!(time(bus.value(&topic, "properties.defaultMessageTimeToLive")) > 2 * default("RetryHorizon"));

    let subscription = bus.find(Kind::Resource, "orderSubscription");
    let host = json("host.json");
    let renewal = host["extensions"]["serviceBus"]["maxAutoLockRenewalDuration"].as_str().unwrap();
    let lock = time(bus.value(&subscription, "properties.lockDuration"));
    assert!(lock <= Duration::from_secs(300) && lock < parse_duration(renewal).unwrap());
    assert_eq!(bus.value(&subscription, "properties.maxDeliveryCount"), "10", "as in the sandbox");
    assert_eq!(bus.value(&subscription, "properties.deadLetteringOnMessageExpiration"), "true");
    assert!(!bus.body(&subscription).contains_key("autoDeleteOnIdle"));
}

/// Parallel requests that Dataverse accepts from one user on one web server.
const AT_ONCE: u64 = 52;

#[test]
fn the_apps_parallel_requests_respect_the_limit_of_dataverse() {
    let main = Bicep::read("main.bicep");
    let scale = main.find(Kind::Parameter, "scale");
    let parameters = Bicep::read("main.bicepparam");
    let given = parameters.find(Kind::Variable, "scale");
    let host = json("host.json");
    for (file, declaration) in [(&main, &scale), (&parameters, &given)] {
        let number = |name| file.value(declaration, name).parse::<u64>().unwrap();
        assert!(number("maximumInstanceCount") * number("messagesPerInstance") <= AT_ONCE);
        assert_eq!(host["extensions"]["serviceBus"]["maxConcurrentCalls"], number("messagesPerInstance"));
    }
}
