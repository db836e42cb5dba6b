//! The dependencies of the handler.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A service that the handler calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dependency {
    /// The Commerce Scale Unit.
    Commerce,
    /// Entra's token endpoint and the App Service identity endpoint.
    Entra,
    /// Cosmos DB.
    Cosmos,
    /// Service Bus.
    ServiceBus,
    /// Dataverse with Customer Insights - Journeys.
    Dataverse,
}

impl Dependency {
    /// All dependencies, in the order in which an event meets them.
    pub const ALL: [Self; 5] = [Self::Entra, Self::Commerce, Self::Cosmos, Self::ServiceBus, Self::Dataverse];
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commerce => "Commerce",
            Self::Entra => "Entra",
            Self::Cosmos => "Cosmos DB",
            Self::ServiceBus => "Service Bus",
            Self::Dataverse => "Dataverse",
        })
    }
}
