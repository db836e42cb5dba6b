//! The parts of the house, put together once per process.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::TokenCredential;

use crate::clients::bus::Bus;
use crate::clients::commerce::Commerce;
use crate::clients::dataverse::Dataverse;
use crate::clients::identity::{Tokens, managed_identity};
use crate::clients::store::Store;
use crate::clock::SharedClock;
use crate::functions::{Contacts, PollMemory};
use crate::journeys::Journeys;
use crate::settings::{BusCredential, Settings};

/// Everything that the functions work with.
pub struct App {
    /// The settings.
    pub settings: Settings,
    /// The enabled journeys.
    pub journeys: Journeys,
    /// Time.
    pub clock: SharedClock,
    /// The Scale Unit.
    pub commerce: Commerce,
    /// The event records.
    pub store: Store,
    /// Service Bus.
    pub bus: Bus,
    /// Dataverse.
    pub dataverse: Dataverse,
    /// Finds and creates contacts.
    pub contacts: Contacts,
    /// What the poller remembers between runs; an optimisation only.
    pub memory: PollMemory,
}

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP client or an identity cannot be set up (no TLS roots, for instance).
    #[error("{what} cannot be set up: {cause}")]
    Client {
        /// Which part.
        what: &'static str,
        /// Why.
        cause: String,
    },
}

/// The client with which all dependencies are called; `timeout` is that of one request.
///
/// # Errors
///
/// When there is no TLS to be had.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client, StartError> {
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout / 3)
        .user_agent(concat!("commerce-journeys/", env!("CARGO_PKG_VERSION")))
        // A dependency that redirects is misconfigured; following would send it our token.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| StartError::Client { what: "the HTTP client", cause: error.to_string() })
}

impl App {
    /// Puts the parts together. Nothing here touches the network.
    pub fn new(settings: Settings, journeys: Journeys, clock: SharedClock) -> Result<Self, StartError> {
        let failed = |what, cause: String| StartError::Client { what, cause };
        let http = http_client(settings.request_timeout)?;
        let managed: Arc<dyn TokenCredential> = managed_identity(settings.managed_identity.as_deref())
            .map_err(|error| failed("the managed identity", error.to_string()))?;
        let tokens = |identity, audience: &str| {
            Tokens::new(identity, audience, settings.managed_identity.as_deref(), &http, &clock)
        };
        let dataverse_audience = settings.dataverse.url.as_str().trim_end_matches('/');
        let commerce = Commerce::new(
            &settings.commerce,
            tokens(&settings.commerce.identity, &settings.commerce.audience),
            &http,
            &clock,
        );
        let dataverse = Dataverse::new(
            &settings.dataverse,
            tokens(&settings.dataverse.identity, dataverse_audience),
            &http,
            &clock,
        );
        let bus_tokens = matches!(settings.bus.credential, BusCredential::Identity { .. })
            .then(|| tokens(&crate::settings::Identity::Managed, "https://servicebus.azure.net"));
        let bus = Bus::new(&settings.bus, bus_tokens, &http, &clock)
            .map_err(|error| failed("the Service Bus client", error.to_string()))?;
        let store = Store::new(&settings.store, managed.clone(), settings.request_timeout);
        Ok(Self {
            settings,
            journeys,
            clock,
            commerce,
            store,
            bus,
            dataverse,
            contacts: Contacts::default(),
            memory: PollMemory::default(),
        })
    }
}
