//! One dependency each: its wire format and its typed errors, and nothing of our flow.

pub mod bus;
pub mod commerce;
pub mod dataverse;
mod http;
pub mod identity;
pub mod store;

use serde::Serialize;

pub(crate) use http::milliseconds;
pub use http::{CallError, Reply};

/// Whom the handler talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dependency {
    Commerce,
    CosmosDb,
    Dataverse,
    Entra,
    ServiceBus,
}

impl Dependency {
    /// The name in log and traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commerce => "commerce",
            Self::CosmosDb => "cosmosDb",
            Self::Dataverse => "dataverse",
            Self::Entra => "entra",
            Self::ServiceBus => "serviceBus",
        }
    }
}
