//! Every app setting, read and checked together at start.

mod reader;
mod values;

use std::time::Duration;

use azure_core::credentials::Secret;
use croner::Cron;
use reqwest::Url;

use crate::events::RetryPolicy;
use reader::Reader;
pub use reader::SettingsError;
pub use values::{BusCredential, parse_duration};

/// One app setting of this function app, for documentation and for the checks that keep it true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What it is when absent; `None` if it has no default.
    pub default: Option<&'static str>,
    /// What it says.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:literal $(= $default:literal)? : $meaning:literal;)*) => {
        /// All settings that the handler itself reads, in the README's order.
        pub const SETTINGS: &[Setting] = &[$(Setting { name: $name, default: settings!(@ $($default)?), meaning: $meaning }),*];
    };
    (@ $default:literal) => { Some($default) };
    (@) => { None };
}

settings! {
    "CSUEndpoint": "Retail Server URL of the Commerce Scale Unit; required";
    "OperatingUnitNumber": "operating unit number (OUN) under which the event store is searched; required";
    "EventTypes" = "Checkout,AddCartLines": "event types to poll, each on its own";
    "AuthorityD365Commerce" = "https://login.microsoftonline.com/": "Entra authority for the Scale Unit's tokens";
    "TenantIdD365Commerce": "Entra tenant of the Scale Unit; required with a client secret";
    "AudienceD365Commerce": "audience of the Scale Unit's tokens (its server resource id); default: CSUEndpoint";
    "CommerceClientIdD365Commerce": "Entra application that may call the Scale Unit; required with a client secret";
    "CommerceClientSecretD365Commerce": "its secret; without one, the managed identity is used";
    "AuthSchemeD365Commerce" = "Bearer": "authorization scheme of the Scale Unit: Bearer or id_token";
    "CosmosDbEndpoint": "URL of the Cosmos DB account; required";
    "CosmosDbKey": "account key; without one, the managed identity is used";
    "CosmosDbDatabaseId" = "EventTrackingDB": "database";
    "CosmosDbContainerId" = "ProcessedEvents": "container, partitioned by /EventChannelId";
    "CosmosDbRegion" = "East US": "region that this app runs in; reads and writes prefer the account's nearest";
    "ServiceBusConnection": "connection string (SAS); or the next one";
    "ServiceBusConnection__fullyQualifiedNamespace": "host name of the namespace, used with the managed identity";
    "ServiceBusTopicName" = "order-events": "topic";
    "ServiceBusSubscriptionName" = "order-subscription": "subscription of process-message";
    "ServiceBusMaxMessageBytes" = "262144": "size limit of a message and of a batch on the topic (256 KiB on the Standard tier)";
    "DataverseUrl": "environment URL, such as https://contoso.crm.dynamics.com; required";
    "DataverseAuthority" = "https://login.microsoftonline.com/": "Entra authority for Dataverse tokens";
    "DataverseTenantId": "Entra tenant of Dataverse; required with a client secret";
    "DataverseClientId": "Entra application that is an application user there; required with a client secret";
    "DataverseClientSecret": "its secret; without one, the managed identity is used";
    "AZURE_CLIENT_ID": "client id of the user-assigned managed identity; default: the system-assigned one";
    "PollSchedule" = "*/20 * * * * *": "six-field NCRONTAB, in UTC, by which the Functions host starts poll-events";
    "PollAgainAfter" = "00:00:02": "while events keep coming, a run looks again after this time, until the next run is due; 00:00:00 for one look per run";
    "InitialLookback" = "1.00:00:00": "how far back the first poll of an event type reaches";
    "PollOverlap" = "00:02:00": "how far each poll looks back behind its cursor, for events that become visible late";
    "PollClockAllowance" = "00:05:00": "how far ahead of ours the Scale Unit's clock may be";
    "PollPageSize" = "250": "events per search request";
    "PollTimeBudget" = "00:02:00": "after this time a run of poll-events stops cleanly and leaves the rest to the next";
    "CommerceConcurrency" = "32": "requests under way at once toward the Scale Unit";
    "LeaseDuration" = "00:02:00": "how long work on an event is protected from others";
    "RetryFirstDelay" = "00:00:10": "wait after an event's first failure; doubles from there";
    "RetryLongestDelay" = "00:15:00": "no wait is longer";
    "RetryHorizon" = "1.00:00:00": "an event that has been failing for so long is given up";
    "RecordTimeToLive" = "90.00:00:00": "how long finished records are kept";
    "RequestTimeout" = "00:00:30": "one HTTP request, from connecting to the last byte";
}

/// The settings, understood.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Scale Unit.
    pub commerce: CommerceSettings,
    /// The event store's records.
    pub store: StoreSettings,
    /// Service Bus.
    pub bus: BusSettings,
    /// Dataverse.
    pub dataverse: DataverseSettings,
    /// Client id of the user-assigned managed identity.
    pub managed_identity: Option<String>,
    /// `poll-events`.
    pub poll: PollSettings,
    /// How long work on an event is protected from others.
    pub lease: Duration,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How long finished records are kept.
    pub keep_records: Duration,
    /// One HTTP request.
    pub request_timeout: Duration,
}

/// Who we are toward a dependency that is called with an Entra token.
#[derive(Clone, Debug)]
pub enum Identity {
    /// An application with a secret.
    Application {
        /// `https://login.microsoftonline.com/<tenant>/oauth2/v2.0/token`.
        token_url: Url,
        /// The application.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// The function app's own identity.
    Managed,
}

/// The Commerce Scale Unit.
#[derive(Clone, Debug)]
pub struct CommerceSettings {
    /// Retail Server URL, with a trailing slash.
    pub endpoint: Url,
    /// Operating unit number for searches.
    pub operating_unit: String,
    /// Audience of its tokens, without `/.default`.
    pub audience: String,
    /// Authorization scheme.
    pub scheme: String,
    /// Who we are there.
    pub identity: Identity,
    /// Requests under way at once.
    pub concurrency: usize,
}

/// Cosmos DB.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The account.
    pub endpoint: Url,
    /// The account key, if keys are used.
    pub key: Option<Secret>,
    /// Database id.
    pub database: String,
    /// Container id.
    pub container: String,
    /// Where this app runs.
    pub region: String,
}

/// Service Bus.
#[derive(Clone, Debug)]
pub struct BusSettings {
    /// How to reach the namespace and who we are there.
    pub credential: BusCredential,
    /// Topic.
    pub topic: String,
    /// Subscription of `process-message`.
    pub subscription: String,
    /// Size limit of a message and of a batch, in bytes.
    pub max_message_bytes: usize,
}

/// Dataverse.
#[derive(Clone, Debug)]
pub struct DataverseSettings {
    /// Environment URL, with a trailing slash.
    pub url: Url,
    /// Who we are there.
    pub identity: Identity,
}

/// What it takes to work on contacts outside the function app.
#[derive(Clone, Debug)]
pub struct ContactSettings {
    /// Dataverse.
    pub dataverse: DataverseSettings,
    /// Where the choices of contacts are entered, if `CosmosDbEndpoint` is set.
    pub store: Option<StoreSettings>,
    /// Client id of the user-assigned managed identity.
    pub managed_identity: Option<String>,
}

/// `poll-events`.
#[derive(Clone, Debug)]
pub struct PollSettings {
    /// Event types, each polled on its own.
    pub event_types: Vec<String>,
    /// When the Functions host starts a run.
    pub schedule: Box<Cron>,
    /// Between two looks of one run while events keep coming; zero for one look per run.
    pub again_after: Duration,
    /// Reach of the first poll.
    pub initial_lookback: Duration,
    /// How far each poll looks back behind its cursor.
    pub overlap: Duration,
    /// How far ahead the Scale Unit's clock may be.
    pub clock_allowance: Duration,
    /// Events per search request.
    pub page_size: usize,
    /// When a run stops by itself.
    pub time_budget: Duration,
}

impl Settings {
    /// Reads all settings through `lookup` (the environment, in production). One error names everything that is
    /// missing or wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(&lookup);
        let commerce = reader.commerce();
        let store = reader.store();
        let bus = reader.bus();
        let dataverse = reader.dataverse();
        let poll = reader.poll();
        let retry = reader.retry();
        let lease = reader.duration("LeaseDuration");
        let keep_records = reader.duration("RecordTimeToLive");
        let request_timeout = reader.duration("RequestTimeout");
        let managed_identity = reader.optional("AZURE_CLIENT_ID");
        if let (Some(poll), Some(keep)) = (&poll, keep_records) {
            reader.require(keep > poll.initial_lookback + poll.overlap, "RecordTimeToLive", "must be longer than InitialLookback and PollOverlap together, or old events would be taken for new ones");
        }
        if let (Some(lease), Some(timeout)) = (lease, request_timeout) {
            reader.require(
                lease >= 2 * timeout,
                "LeaseDuration",
                "must be at least twice RequestTimeout, or a lease could run out under a request",
            );
        }
        let settings = (|| {
            Some(Self {
                commerce: commerce?,
                store: store?,
                bus: bus?,
                dataverse: dataverse?,
                managed_identity,
                poll: poll?,
                lease: lease?,
                retry: retry?,
                keep_records: keep_records?,
                request_timeout: request_timeout?,
            })
        })();
        reader.finish(settings)
    }
}

impl ContactSettings {
    /// Reads these settings under their usual names, as [`Settings::read`] does.
    ///
    /// # Errors
    ///
    /// Names everything that is missing or wrong.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(&lookup);
        let dataverse = reader.dataverse();
        let store = reader.optional("CosmosDbEndpoint").and_then(|_| reader.store());
        let managed_identity = reader.optional("AZURE_CLIENT_ID");
        reader.finish(dataverse.map(|dataverse| Self { dataverse, store, managed_identity }))
    }
}
