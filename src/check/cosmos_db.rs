//! Cosmos DB: account, database, container and its configuration, reading and writing.

use super::{Finding, Problem, Stage};
use crate::clients::store::{ContainerState, ProbeError, ProbeStep};
use crate::dependency::Dependency;
use crate::functions::Services;

const PARTITION_KEY: &str = "/EventChannelId";

pub(super) async fn check(services: &Services) -> Finding {
    let settings = &services.settings.store;
    let what = format!("container {}/{}", settings.database, settings.container);
    let failed = |at, mistake: String, remedy: &str| {
        Finding::failed(Dependency::CosmosDb, what.as_str(), at, Problem::new(mistake, remedy))
    };
    match services.store.probe().await {
        Ok(ContainerState { partition_key, .. }) if partition_key != [PARTITION_KEY] => failed(
            Stage::Exists,
            format!("the container is partitioned by {}", partition_key.join(", ")),
            "the partition key cannot be changed: create the container again, partitioned by /EventChannelId",
        ),
        Ok(ContainerState { expires: false, .. }) => failed(
            Stage::Exists,
            "items of the container cannot expire".to_owned(),
            "set the container's time to live to \"on (no default)\", or records and claims are never deleted",
        ),
        Ok(_) => Finding::ok(Dependency::CosmosDb, what),
        Err(error) => {
            let (at, mistake, remedy) = explain(&error, settings.key.is_some());
            failed(at, format!("{mistake} ({})", code(&error)), remedy)
        }
    }
}

fn code(error: &ProbeError) -> String {
    match error.sub_status {
        Some(sub) => format!("{}/{sub}", error.status),
        None => error.status.to_string(),
    }
}

fn explain(error: &ProbeError, with_key: bool) -> (Stage, &'static str, &'static str) {
    const ROLE: &str = "assign the managed identity the data-plane role \"Cosmos DB Built-in Data Contributor\" \
        (az cosmosdb sql role assignment create) on the account or the database; it may take some minutes";
    match (error.status, error.step) {
        (401, _) if with_key => (
            Stage::Authenticated,
            "the account refuses the key",
            "set CosmosDbKey to a key of the account of CosmosDbEndpoint, or leave it out and use the managed identity",
        ),
        (401, _) => (
            Stage::Authenticated,
            "the account refuses the managed identity's token",
            "the account must be in the identity's tenant; check CosmosDbEndpoint and AZURE_CLIENT_ID",
        ),
        (403, ProbeStep::Write) => (Stage::Permitted, "the identity may read but not write", ROLE),
        (403, _) if with_key => (
            Stage::Permitted,
            "the account does not permit this machine's network",
            "permit this machine's network in the account's firewall, or local authorization if it is off",
        ),
        (403, _) => (Stage::Permitted, "the identity has no right to the account's data", ROLE),
        (404, _) => (
            Stage::Exists,
            "there is no such database or container",
            "create it, partitioned by /EventChannelId and with time to live on, or set CosmosDbDatabaseId and \
             CosmosDbContainerId to the names that exist",
        ),
        _ => (
            Stage::Reached,
            "the account does not respond",
            "check CosmosDbEndpoint, name resolution, and the account's firewall",
        ),
    }
}
