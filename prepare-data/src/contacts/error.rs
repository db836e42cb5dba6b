//! The errors of `sync-contacts`.

use commerce_journeys::clients::SetupError;
use commerce_journeys::clients::dataverse::DataverseError;
use commerce_journeys::clients::store::StoreError;
use commerce_journeys::settings::SettingsError;

use crate::error::Error;

/// Why a run ended early. What is done stays done, and the next run continues from there.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Environment variables are missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The HTTP client or an identity cannot be set up.
    #[error(transparent)]
    Start(#[from] SetupError),
    /// A table of the lake cannot be read or written.
    #[error("the lake: {0}")]
    Lake(#[from] Error),
    /// There is no gold table.
    #[error("there is no Delta table of customers at {0}; run prepare-data first, or correct --customers")]
    NoCustomers(String),
    /// The gold table has no customers, although there were some.
    #[error("the gold table of customers is empty; nothing was done")]
    EmptyGold,
    /// The gold table has other columns than expected.
    #[error("the gold table of customers has no {0}; run this version of prepare-data first")]
    MissingColumns(String),
    /// Dataverse or Cosmos DB was not available for too long.
    #[error("stopped waiting: {0}; run again to continue")]
    Unavailable(String),
    /// Dataverse refuses the request.
    #[error(transparent)]
    Dataverse(DataverseError),
    /// Cosmos DB refuses the request.
    #[error(transparent)]
    Store(StoreError),
}

impl SyncError {
    /// 2: settings, arguments or the lake are wrong; 3: Dataverse or Cosmos DB refuses, or was not available.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Start(_)
            | Self::Lake(_)
            | Self::NoCustomers(_)
            | Self::EmptyGold
            | Self::MissingColumns(_) => 2,
            Self::Unavailable(_) | Self::Dataverse(_) | Self::Store(_) => 3,
        }
    }
}
