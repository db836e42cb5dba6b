//! `commerce-journeys check`: tries every neighbour with the configured settings and identity, and changes nothing.
//!
//! One file for each neighbour; each turns answers into [`Finding`]s, rendered in one place. The
//! requests are the clients' own, with keys that nothing has: what comes back tells "refused" from "not there".

mod commerce;
mod cosmos_db;
mod dataverse;
mod entra;
mod report;
mod service_bus;
mod triggers;

use std::sync::Arc;

use crate::app::{App, StartError};
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
    // Not at once: a person reads along, and a neighbour that limits requests must not refuse a check.
    findings.extend(commerce::check(&app).await);
    findings.push(cosmos_db::check(&app).await);
    findings.extend(service_bus::check(&app).await);
    findings.extend(dataverse::check(&app).await);
    findings.extend(triggers::check(&app).await);
    Ok(Report { findings })
}
