//! The clients, caches and settings that the functions use.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;

use super::contacts::ContactCache;
use super::enrich::{CustomerCache, Source};
use super::poll_events::{LostMessageCheck, PollCache, UnpolledTypes};
use crate::clients::bus::Bus;
use crate::clients::commerce::Commerce;
use crate::clients::dataverse::Dataverse;
use crate::clients::identity::{Tokens, azure_credential};
use crate::clients::store::Store;
use crate::clients::{SetupError, http_client};
use crate::clock::SharedClock;
use crate::journeys::Journeys;
use crate::settings::{BusCredential, Identity, Settings};

/// Everything that the functions use. Created once per process.
pub struct Services {
    /// The settings.
    pub settings: Settings,
    /// The enabled journeys.
    pub journeys: Journeys,
    /// The event types to poll, each separately.
    pub event_types: Vec<String>,
    /// The clock.
    pub clock: SharedClock,
    /// The Scale Unit.
    pub commerce: Commerce,
    /// Cosmos DB.
    pub store: Store,
    /// Service Bus.
    pub bus: Bus,
    /// Dataverse.
    pub dataverse: Dataverse,
    /// Companies and customer groups that were read from Dataverse.
    pub contact_cache: ContactCache,
    /// What the poller keeps between runs. It only saves requests.
    pub poll_cache: PollCache,
    /// When the poller looks for lost messages.
    pub(super) lost_messages: LostMessageCheck,
    /// When the poller forgets types that are not polled any more.
    pub(super) unpolled_types: UnpolledTypes,
}

impl Services {
    /// Creates all clients. This does not use the network.
    pub fn new(settings: Settings, journeys: Journeys, clock: SharedClock) -> Result<Self, SetupError> {
        let http = http_client(settings.request_timeout)?;
        let managed_id = settings.managed_identity.as_deref();
        let managed: Arc<dyn TokenCredential> = azure_credential(managed_id)
            .map_err(|error| SetupError { what: "the managed identity", cause: error.to_string() })?;
        let tokens = |identity, audience: &str| {
            Tokens::new(identity, audience, managed_id, &http, settings.request_timeout, &clock)
        };
        let commerce_tokens = tokens(&settings.commerce.identity, &settings.commerce.audience);
        let dataverse_audience = settings.dataverse.url.as_str().trim_end_matches('/');
        let dataverse_tokens = tokens(&settings.dataverse.identity, dataverse_audience);
        let bus_tokens = matches!(settings.bus.credential, BusCredential::Identity { .. })
            .then(|| tokens(&Identity::Managed, "https://servicebus.azure.net"));
        let bus = Bus::new(&settings.bus, bus_tokens, &http, &clock)
            .map_err(|error| SetupError { what: "the Service Bus client", cause: error.to_string() })?;
        Ok(Self {
            commerce: Commerce::new(&settings.commerce, commerce_tokens, &http, &clock),
            dataverse: Dataverse::new(&settings.dataverse, dataverse_tokens, &http, &clock),
            store: Store::new(&settings.store, managed, settings.request_timeout),
            bus,
            event_types: journeys.polled_types(settings.poll.event_types.as_deref()),
            settings,
            journeys,
            clock,
            contact_cache: ContactCache::default(),
            poll_cache: PollCache::default(),
            lost_messages: LostMessageCheck::default(),
            unpolled_types: UnpolledTypes::default(),
        })
    }

    /// The source of events' data, with these customers.
    pub(super) fn source<'a>(&'a self, customers: &'a CustomerCache) -> Source<'a> {
        let default_customers = &self.settings.default_customers;
        Source { commerce: &self.commerce, customers, default_customers, journeys: &self.journeys }
    }
}
