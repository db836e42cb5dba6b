//! `commerce-journeys check`: checks every dependency with the configured settings and identity. It changes nothing.
//!
//! There is one file for each dependency. Each maps responses to [`Finding`]s. The requests are those of the clients, with
//! keys that do not exist, so that the response distinguishes "not permitted" from "not found".

mod commerce;
mod cosmos_db;
mod dataverse;
mod entra;
mod report;
mod service_bus;
mod triggers;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use crate::clients::SetupError;
use crate::clock::SystemClock;
use crate::dependency::Dependency;
use crate::functions::Services;
use crate::journeys::Journeys;
use crate::settings::Settings;
pub use dataverse::{DUAL_WRITE_PRIVILEGES, PRIVILEGES};
pub use report::{Finding, Mark, ParameterFinding, Problem, Report, Stage};

/// Checks everything that the handler depends on.
///
/// # Errors
///
/// When the clients cannot be created, which does not need the network.
pub async fn check(settings: Settings, journeys: Journeys) -> Result<Report, SetupError> {
    check_services(&Services::new(settings, journeys, Arc::new(SystemClock))?).await
}

/// The same check with existing services, as the running handler has them.
///
/// # Errors
///
/// When a client cannot be created.
pub async fn check_services(services: &Services) -> Result<Report, SetupError> {
    let mut findings = entra::check(services).await?;
    // One after the other, because a dependency may limit concurrent requests.
    let limit = 2 * services.settings.request_timeout;
    findings.extend(with_timeout(limit, Dependency::Commerce, commerce::check(services)).await);
    findings.extend(
        with_timeout(limit, Dependency::CosmosDb, cosmos_db::check(services).map(|finding| vec![finding])).await,
    );
    findings.extend(with_timeout(limit, Dependency::ServiceBus, service_bus::check(services)).await);
    findings.extend(with_timeout(limit, Dependency::Dataverse, dataverse::check(services)).await);
    findings.extend(with_timeout(limit, Dependency::Dataverse, triggers::check(services)).await);
    Ok(Report { findings })
}

/// Limits the time of a check, because each of its requests may have to wait for a token or a host that does not respond.
async fn with_timeout(
    limit: Duration,
    dependency: Dependency,
    check: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    tokio::time::timeout(limit, check).await.unwrap_or_else(|_| {
        let mistake = format!("no response within {} s", limit.as_secs());
        let remedy = "fix the problems above first; then check name resolution and outbound network access";
        vec![Finding::failed(dependency, "all other checks", Stage::Reached, Problem::new(mistake, remedy))]
    })
}
