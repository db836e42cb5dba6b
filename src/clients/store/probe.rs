//! What can be learnt of account, database and container without changing anything.

use std::time::Duration;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::TimeToLive;

use super::Store;

/// What is tried, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreStep {
    /// To find the account.
    Account,
    /// To read the container's properties.
    Container,
    /// To read an item.
    Read,
    /// To write one.
    Write,
}

/// At which step it went wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreProblem {
    pub(crate) step: StoreStep,
    /// HTTP status; the SDK has some of its own for what never reached the account.
    pub(crate) status: u16,
    pub(crate) sub_status: Option<u32>,
}

/// How the container is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerState {
    pub(crate) partition_key: Vec<String>,
    /// Whether items can expire.
    pub(crate) expires: bool,
}

/// An item that does not exist.
const NOWHERE: &str = "commerce-journeys-check";

impl Store {
    /// Goes all the way to the container. Whether writing is allowed shows in the attempt to delete an item that is
    /// not there.
    pub(crate) async fn probe(&self) -> Result<ContainerState, StoreProblem> {
        // The SDK tries again and again where a person is waiting.
        const PATIENCE: Duration = Duration::from_secs(20);
        let timed_out = StoreProblem { step: StoreStep::Account, status: 503, sub_status: None };
        tokio::time::timeout(PATIENCE, self.climb()).await.unwrap_or(Err(timed_out))
    }

    async fn climb(&self) -> Result<ContainerState, StoreProblem> {
        let at = |step| move |error: CosmosError| problem(step, &error);
        let client = self.client().await.map_err(at(StoreStep::Account))?;
        let database = client.database_client(&self.settings.database);
        let container =
            database.container_client(&self.settings.container, None).await.map_err(at(StoreStep::Container))?;
        let properties = container.read(None).await.map_err(at(StoreStep::Container))?;
        let properties = properties.into_model().map_err(|error| problem(StoreStep::Container, &error))?;
        allow_missing(container.read_item(NOWHERE.to_owned(), NOWHERE, None).await).map_err(at(StoreStep::Read))?;
        allow_missing(container.delete_item(NOWHERE.to_owned(), NOWHERE, None).await).map_err(at(StoreStep::Write))?;
        let partition_key = properties.partition_key.paths().iter().map(ToString::to_string).collect();
        Ok(ContainerState { partition_key, expires: properties.default_ttl != TimeToLive::Forever })
    }
}

fn allow_missing<T>(answer: Result<T, CosmosError>) -> Result<(), CosmosError> {
    match answer {
        Err(error) if !error.status().is_not_found() => Err(error),
        _ => Ok(()),
    }
}

fn problem(step: StoreStep, error: &CosmosError) -> StoreProblem {
    let status = error.status();
    let sub_status = status.sub_status().map(|sub| u32::from(sub.value()));
    StoreProblem { step, status: status.status_code().into(), sub_status }
}
