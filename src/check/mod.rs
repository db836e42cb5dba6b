//! `commerce-journeys check`: tries every dependency with the configured settings and identity, and changes nothing.
//!
//! One file for each dependency; each turns answers into [`Finding`]s, rendered in one place. The
//! requests are the clients' own, with keys that nothing has: what comes back tells "refused" from "not there".

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

use crate::app::{App, StartError};
use crate::clients::Dependency;
use crate::clock::SystemClock;
use crate::journeys::Journeys;
use crate::settings::Settings;
pub use report::{Finding, Mark, ParameterFinding, Problem, Report, Stage};

/// Tries everything that the handler depends on.
///
/// # Errors
///
/// When the clients cannot be made, which needs no network.
pub async fn check(settings: Settings, journeys: Journeys) -> Result<Report, StartError> {
    let app = App::new(settings, journeys, Arc::new(SystemClock))?;
    let mut findings = entra::check(&app).await?;
    // Not at once: a dependency that limits requests must not refuse a check.
    let limit = 2 * app.settings.request_timeout;
    findings.extend(in_time(limit, Dependency::Commerce, commerce::check(&app)).await);
    findings.extend(in_time(limit, Dependency::CosmosDb, cosmos_db::check(&app).map(|finding| vec![finding])).await);
    findings.extend(in_time(limit, Dependency::ServiceBus, service_bus::check(&app)).await);
    findings.extend(in_time(limit, Dependency::Dataverse, dataverse::check(&app)).await);
    findings.extend(in_time(limit, Dependency::Dataverse, triggers::check(&app)).await);
    Ok(Report { findings })
}

/// Each of many requests may wait for a token, or for a host that swallows them: somebody sits before the screen.
async fn in_time(limit: Duration, dependency: Dependency, check: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(limit, check).await.unwrap_or_else(|_| {
        let mistake = format!("not answered within {} s", limit.as_secs());
        let remedy = "mend first what is named above; then check name resolution, and that this machine may call out";
        vec![Finding::failed(dependency, "everything else", Stage::Reached, Problem::new(mistake, remedy))]
    })
}
