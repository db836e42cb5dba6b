//! All dependencies of the handler on one machine, and the app settings with which the function app finds them.

mod amqp_source;
mod bus;
mod function_app;
mod seed_data;
mod settings;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::audit::{Audit, Evidence, Explained, Journey};
use crate::auth::TokenCheck;
use crate::clock::Clock;
use crate::cosmos::{CosmosAccount, CosmosOptions};
use crate::csu::{Csu, CsuOptions};
use crate::dataverse::{Dataverse, DataverseOptions, demo_triggers};
use crate::entra::{Client, Entra, EntraOptions};
use crate::host::HttpRequests;
use crate::network::{Dependency, Network, NoFaults, ProtocolHandler, Served};
use crate::service_bus::amqp::ServiceBusAmqp;
use crate::service_bus::rest::ServiceBusRest;
use crate::service_bus::{Broker, Counts, CreateError, EntityPath, Sent};
use crate::shop::{CART_WAIT, LedgerEntry, Names, Shop};

use self::bus::{broker, rest_options};
pub use self::function_app::{FUNCTION_KEY, FunctionApp, HostingError, MASTER_KEY};
pub use self::source::{BrokerSource, Deliver, SettleFaults};

/// The topic for event messages.
pub const TOPIC: &str = "order-events";
/// The subscription of `process-message`.
pub const SUBSCRIPTION: &str = "order-subscription";
/// The first port of the block of fixed ports.
pub const PORT_BASE: u16 = 7700;

const MINUTE: Duration = Duration::from_secs(60);

/// The client application of the Scale Unit.
const COMMERCE_CLIENT: (&str, &str) = ("0b6e2f57-3d1a-4c88-a2f9-71c4d5e8b360", "sandbox-commerce-secret");
/// The application user of Dataverse.
const DATAVERSE_CLIENT: (&str, &str) = ("5a9d14c3-82e7-4b06-9f3d-e60c7b2a1f48", "sandbox-dataverse-secret");
/// The shared access policy of the namespace.
const SAS: (&str, &str) = ("RootManageSharedAccessKey", "c2FuZGJveC1zZXJ2aWNlLWJ1cy1rZXk=");

/// How to set up an environment.
pub struct EnvironmentOptions {
    /// The time that all dependencies share.
    pub clock: Clock,
    /// The seed of the shop's customers and of all ids that the shop generates.
    pub seed: u64,
    /// The names and addresses of the shop's customers.
    pub names: Names,
    /// The first of a block of ports: one for each dependency and one for the function app. `None` uses free ports.
    pub ports: Option<u16>,
    /// The network.
    pub network: Network,
    /// The Scale Unit.
    pub csu: CsuOptions,
    /// Dataverse.
    pub dataverse: DataverseOptions,
    /// Whether some customers have merged or deactivated contacts.
    pub odd_contacts: bool,
    /// The number of physical partitions of the Cosmos DB container.
    pub cosmos_partitions: u32,
    /// The lifetime of Entra's tokens.
    pub token_lifetime: Duration,
    /// Whether the shop also writes the events of a partner's extension, and the triggers of their journeys are app settings.
    pub partner_events: bool,
    /// How far the shop's clock is ahead of all other clocks (behind, if negative).
    pub shop_skew: TimeDelta,
    /// How the Functions host receives messages.
    pub deliver: Deliver,
    /// How long a cart must be left before its reminder, as in `journeys.json`.
    pub cart_wait: TimeDelta,
}

impl EnvironmentOptions {
    /// An environment without faults, on free ports.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            seed: 1,
            names: Names::default(),
            ports: None,
            network: Network::new(NoFaults::default()),
            csu: CsuOptions::default(),
            dataverse: DataverseOptions::default(),
            odd_contacts: false,
            cosmos_partitions: 2,
            token_lifetime: 60 * MINUTE,
            partner_events: false,
            shop_skew: TimeDelta::zero(),
            deliver: Deliver::default(),
            cart_wait: CART_WAIT,
        }
    }
}

/// Why an environment could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A port is taken.
    #[error("{dependency} cannot listen{}: {source}", port.map(|port| format!(" on port {port}")).unwrap_or_default())]
    Port {
        /// The dependency that needs the port.
        dependency: Dependency,
        /// The port, if it was fixed.
        port: Option<u16>,
        /// The reason.
        source: io::Error,
    },
    /// The topic or its subscription was not created.
    #[error("Service Bus: {0}")]
    Bus(#[from] CreateError),
}

/// All dependencies, served until dropped.
pub struct Environment {
    clock: Clock,
    network: Network,
    ports: Option<u16>,
    shop: Shop,
    entra: Entra,
    tenant: String,
    dataverse: Dataverse,
    broker: Broker,
    cosmos: CosmosAccount,
    /// All except Cosmos DB, which serves itself.
    served: BTreeMap<Dependency, Served>,
    connection_string: String,
    initial_contacts: BTreeSet<Uuid>,
    deliver: Deliver,
    partner_events: bool,
    cart_wait: TimeDelta,
    settle_faults: SettleFaults,
    /// The HTTP requests that reached the function app.
    requests: HttpRequests,
    /// The number of function apps that were hosted.
    hosts: AtomicUsize,
}

impl Environment {
    /// Starts all dependencies. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When a port is taken.
    pub async fn start(options: EnvironmentOptions) -> Result<Self, EnvironmentError> {
        let _hold = options.clock.hold();
        let mut sites = Sites::open(&options).await?;
        let (entra, tenant) = entra(&options);
        let shop = Shop::with_names(options.clock.skewed(options.shop_skew), options.seed, options.names);
        shop.set_partner_events(options.partner_events);
        shop.set_asynchronous_customers(options.csu.asynchronous_customers);
        for audience in [sites.url(Dependency::Commerce)?, sites.url(Dependency::Dataverse)?] {
            entra.register_resource(&audience);
        }
        entra.register_resource("https://servicebus.azure.net");
        entra.register_resource("https://cosmos.azure.com");
        let check = |audience: &str| -> Arc<dyn TokenCheck> { Arc::new(entra.check_for(&[audience])) };
        let csu = Csu::new(shop.clone(), check(&sites.url(Dependency::Commerce)?), options.csu);
        let dataverse =
            Dataverse::new(options.clock.clone(), check(&sites.url(Dependency::Dataverse)?), options.dataverse);
        demo_triggers().into_iter().for_each(|trigger| dataverse.register_trigger(trigger));
        seed_data::load(&dataverse, &shop);
        if options.odd_contacts {
            seed_data::load_odd_contacts(&dataverse, &shop);
        }
        let broker = broker(&options.clock)?;
        let tokens = check("https://servicebus.azure.net");
        let amqp = ServiceBusAmqp::new(broker.clone(), &rest_options(), tokens.clone());
        let bus = ServiceBusRest::new(broker.clone(), rest_options(), tokens);
        let cosmos = CosmosOptions {
            tokens: check("https://cosmos.azure.com"),
            clock: options.clock.clone(),
            partition_count: options.cosmos_partitions,
            ..CosmosOptions::default()
        };
        let cosmos_port = port(options.ports, Dependency::Cosmos);
        let cosmos = CosmosAccount::start(&options.network, cosmos_port, cosmos)
            .await
            .map_err(port_error(Dependency::Cosmos, cosmos_port))?;
        for (dependency, router, protocol) in [
            (Dependency::Entra, entra.router(), None),
            (Dependency::Commerce, csu.router(), None),
            (Dependency::ServiceBus, bus.router(), Some(amqp.protocol_handler())),
            (Dependency::Dataverse, dataverse.router(), None),
        ] {
            sites.serve(dependency, router, protocol)?;
        }
        let bus_port = sites.served.get(&Dependency::ServiceBus).map_or(0, Served::port);
        Ok(Self {
            clock: options.clock,
            network: options.network,
            ports: options.ports,
            shop,
            entra,
            tenant,
            initial_contacts: dataverse.contacts().iter().map(|contact| contact.id).collect(),
            dataverse,
            broker,
            cosmos,
            served: sites.served,
            connection_string: bus.connection_string(bus_port).unwrap_or_default(),
            deliver: options.deliver,
            partner_events: options.partner_events,
            cart_wait: options.cart_wait,
            settle_faults: SettleFaults::default(),
            requests: HttpRequests::default(),
            hosts: AtomicUsize::new(0),
        })
    }

    /// The time that all dependencies share.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The network: its fault injector and its count of calls.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The shop behind the Scale Unit.
    pub fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Entra.
    pub fn entra(&self) -> &Entra {
        &self.entra
    }

    /// Dataverse.
    pub fn dataverse(&self) -> &Dataverse {
        &self.dataverse
    }

    /// Service Bus.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Cosmos DB.
    pub fn cosmos(&self) -> &CosmosAccount {
        &self.cosmos
    }

    /// The server of a dependency, with its address and its reachability.
    pub fn served(&self, dependency: Dependency) -> &Served {
        self.served.get(&dependency).unwrap_or_else(|| self.cosmos.served())
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self, dependency: Dependency) -> String {
        self.served(dependency).url()
    }

    /// The subscription of `process-message`.
    pub fn subscription(&self) -> EntityPath {
        EntityPath::new(TOPIC, SUBSCRIPTION)
    }

    /// The message counts of the subscription.
    pub fn counts(&self) -> Counts {
        self.broker.counts(&self.subscription()).unwrap_or_default()
    }

    /// The rate at which completing a message fails.
    pub fn settle_faults(&self) -> &SettleFaults {
        &self.settle_faults
    }

    /// The HTTP requests that reached the function app.
    pub fn requests(&self) -> &HttpRequests {
        &self.requests
    }

    /// How the messages of the topic were sent.
    pub fn sent(&self) -> Sent {
        self.broker.sent(TOPIC).unwrap_or_default()
    }

    /// The shop's ledger.
    pub fn ledger(&self) -> Vec<Arc<LedgerEntry>> {
        self.shop.ledger()
    }

    /// The same without its first `seen` entries.
    pub fn ledger_after(&self, seen: usize) -> Vec<Arc<LedgerEntry>> {
        self.shop.ledger_after(seen)
    }

    /// The contacts that existed at the start.
    pub fn initial_contacts(&self) -> &BTreeSet<Uuid> {
        &self.initial_contacts
    }

    /// Compares the shop's ledger with the journeys that Dataverse started so far. `explained` lists the starts whose
    /// answers did not reach the handler.
    pub fn audit(&self, enabled: &[Journey], explained: &[Explained]) -> Audit {
        Audit::of(&Evidence {
            ledger: &self.ledger(),
            started: &self.dataverse.started(),
            contacts: &self.dataverse.contacts(),
            initial_contacts: &self.initial_contacts,
            enabled,
            explained,
            requests: &self.requests.all(),
            left_over: self.counts(),
            cart_wait: self.cart_wait,
        })
    }
}

/// The addresses of the dependencies. They must be known before the servers start, because they are token audiences.
struct Sites {
    network: Network,
    listeners: BTreeMap<Dependency, TcpListener>,
    served: BTreeMap<Dependency, Served>,
}

impl Sites {
    async fn open(options: &EnvironmentOptions) -> Result<Self, EnvironmentError> {
        let mut listeners = BTreeMap::new();
        for dependency in Dependency::ALL.into_iter().filter(|dependency| *dependency != Dependency::Cosmos) {
            let port = port(options.ports, dependency);
            listeners.insert(dependency, Network::bind(port).await.map_err(port_error(dependency, port))?);
        }
        Ok(Self { network: options.network.clone(), listeners, served: BTreeMap::new() })
    }

    /// The dependency's address without trailing slash: the audience of its tokens.
    fn url(&self, dependency: Dependency) -> Result<String, EnvironmentError> {
        let address = self.listeners.get(&dependency).map(TcpListener::local_addr);
        let address = address.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
        address.map(|address| format!("http://{address}")).map_err(port_error(dependency, None))
    }

    fn serve(
        &mut self,
        dependency: Dependency,
        router: axum::Router,
        protocol: Option<ProtocolHandler>,
    ) -> Result<(), EnvironmentError> {
        let listener = self.listeners.remove(&dependency).ok_or_else(|| io::ErrorKind::NotFound.into());
        let served =
            listener.and_then(|listener| self.network.serve_with_protocol(dependency, router, protocol, listener));
        self.served.insert(dependency, served.map_err(port_error(dependency, None))?);
        Ok(())
    }
}

/// The dependency's port in a block.
fn port(base: Option<u16>, dependency: Dependency) -> Option<u16> {
    let place = Dependency::ALL.iter().position(|it| *it == dependency).and_then(|place| u16::try_from(place).ok());
    base.map(|base| base.saturating_add(place.unwrap_or_default()))
}

fn port_error(dependency: Dependency, port: Option<u16>) -> impl FnOnce(io::Error) -> EnvironmentError {
    move |source| EnvironmentError::Port { dependency, port, source }
}

fn entra(options: &EnvironmentOptions) -> (Entra, String) {
    let clients = [COMMERCE_CLIENT, DATAVERSE_CLIENT]
        .map(|(client_id, secret)| Client { client_id: client_id.to_owned(), secret: secret.to_owned() });
    let entra =
        EntraOptions { clients: clients.to_vec(), token_lifetime: options.token_lifetime, ..EntraOptions::default() };
    let tenant = entra.tenant.clone();
    (Entra::new(options.clock.clone(), entra), tenant)
}

#[cfg(test)]
mod tests;
