//! The services that the handler calls.

use serde::Serialize;

/// A service that the handler calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is the name of a product")]
pub enum Dependency {
    Commerce,
    CosmosDb,
    Dataverse,
    Entra,
    ServiceBus,
}

impl Dependency {
    /// The name in logs and traces.
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
