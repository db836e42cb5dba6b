//! Cosmos DB: account, database, container and its set-up, reading and writing.

use super::{Finding, Problem, Stage};
use crate::app::App;
use crate::clients::Dependency;
use crate::clients::store::{ContainerState, StoreProblem, StoreStep};

const PARTITION_KEY: &str = "/EventChannelId";

pub(super) async fn check(app: &App) -> Finding {
    let settings = &app.settings.store;
    let what = format!("container {}/{}", settings.database, settings.container);
    let failed = |at, mistake: String, remedy: &str| {
        Finding::failed(Dependency::CosmosDb, what.as_str(), at, Problem::new(mistake, remedy))
    };
    match app.store.probe().await {
        Ok(ContainerState { partition_key, .. }) if partition_key != [PARTITION_KEY] => failed(
            Stage::Exists,
            format!("the container is partitioned by {}", partition_key.join(", ")),
            "a partition key cannot be changed: create the container anew, partitioned by /EventChannelId",
        ),
        Ok(ContainerState { expires: false, .. }) => failed(
            Stage::Exists,
            "items of the container cannot expire".to_owned(),
            "set the container's time to live to \"on (no default)\", or records and claims stay for ever",
        ),
        Ok(_) => Finding::green(Dependency::CosmosDb, what),
        Err(problem) => {
            let (at, mistake, remedy) = explain(&problem, settings.key.is_some());
            failed(at, format!("{mistake} ({})", code(&problem)), remedy)
        }
    }
}

fn code(problem: &StoreProblem) -> String {
    match problem.sub_status {
        Some(sub) => format!("{}/{sub}", problem.status),
        None => problem.status.to_string(),
    }
}

fn explain(problem: &StoreProblem, with_key: bool) -> (Stage, &'static str, &'static str) {
    const ROLE: &str = "assign the managed identity the data-plane role \"Cosmos DB Built-in Data Contributor\" \
        (az cosmosdb sql role assignment create) on the account or the database; it may take some minutes";
    match (problem.status, problem.step) {
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
        (403, StoreStep::Write) => (Stage::Permitted, "the identity may read but not write", ROLE),
        (403, _) if with_key => (
            Stage::Permitted,
            "the account does not let this machine in",
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
            "the account does not answer",
            "check CosmosDbEndpoint, name resolution, and that the account's firewall lets this machine in",
        ),
    }
}
