//! Checks account, database and container without changing anything.

use std::time::Duration;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::models::TimeToLive;

use super::Store;

/// The steps, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeStep {
    /// Connect to the account.
    Account,
    /// Read the container's properties.
    Container,
    /// Read an item.
    Read,
    /// Delete an item.
    Write,
}

/// The step that failed, and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbeError {
    pub(crate) step: ProbeStep,
    /// HTTP status. The SDK defines additional ones for requests that did not reach the account.
    pub(crate) status: u16,
    pub(crate) sub_status: Option<u32>,
}

/// The configuration of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerState {
    pub(crate) partition_key: Vec<String>,
    /// Whether items can expire.
    pub(crate) expires: bool,
}

/// A key that does not exist.
const NONEXISTENT_KEY: &str = "commerce-journeys-check";

impl Store {
    /// Runs all steps. The deletion of an item that does not exist shows whether writing is permitted.
    pub(crate) async fn probe(&self) -> Result<ContainerState, ProbeError> {
        // The SDK retries for longer than a person wants to wait.
        const TIMEOUT: Duration = Duration::from_secs(20);
        let timed_out = ProbeError { step: ProbeStep::Account, status: 503, sub_status: None };
        tokio::time::timeout(TIMEOUT, self.run_probes()).await.unwrap_or(Err(timed_out))
    }

    async fn run_probes(&self) -> Result<ContainerState, ProbeError> {
        let at = |step| move |error: CosmosError| probe_error(step, &error);
        let client = self.client().await.map_err(at(ProbeStep::Account))?;
        let database = client.database_client(&self.settings.database);
        let container =
            database.container_client(&self.settings.container, None).await.map_err(at(ProbeStep::Container))?;
        let properties = container.read(None).await.map_err(at(ProbeStep::Container))?;
        let properties = properties.into_model().map_err(|error| probe_error(ProbeStep::Container, &error))?;
        allow_missing(container.read_item(NONEXISTENT_KEY.to_owned(), NONEXISTENT_KEY, None).await)
            .map_err(at(ProbeStep::Read))?;
        allow_missing(container.delete_item(NONEXISTENT_KEY.to_owned(), NONEXISTENT_KEY, None).await)
            .map_err(at(ProbeStep::Write))?;
        let partition_key = properties.partition_key.paths().iter().map(ToString::to_string).collect();
        Ok(ContainerState { partition_key, expires: properties.default_ttl != TimeToLive::Forever })
    }
}

fn allow_missing<T>(response: Result<T, CosmosError>) -> Result<(), CosmosError> {
    match response {
        Err(error) if !error.status().is_not_found() => Err(error),
        _ => Ok(()),
    }
}

fn probe_error(step: ProbeStep, error: &CosmosError) -> ProbeError {
    let status = error.status();
    let sub_status = status.sub_status().map(|sub| u32::from(sub.value()));
    ProbeError { step, status: status.status_code().into(), sub_status }
}
