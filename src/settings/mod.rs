//! All app settings, read and validated together at start.

mod environment;
mod reader;
mod values;

use std::time::Duration;

use azure_core::credentials::Secret;
use chrono::{DateTime, Utc};
use croner::Cron;
use reqwest::Url;

use crate::events::RetryPolicy;
pub use environment::{SettingWarning, suspicious_settings};
use reader::Reader;
pub use reader::SettingsError;
pub use values::{BusCredential, is_unresolved_reference, parse_duration};

/// An app setting of this function app, for the documentation and the tests that compare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The name of the environment variable.
    pub name: &'static str,
    /// The default value, if there is one.
    pub default: Option<&'static str>,
    /// The description.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:literal $(= $default:literal)? : $meaning:literal;)*) => {
        /// All settings that the handler reads, in the order of the documentation.
        pub const SETTINGS: &[Setting] = &[$(Setting { name: $name, default: settings!(@ $($default)?), meaning: $meaning }),*];
    };
    (@ $default:literal) => { Some($default) };
    (@) => { None };
}

settings! {
    "CSUEndpoint": "Retail Server URL of the Commerce Scale Unit; required";
    "OperatingUnitNumber": "operating unit number (OUN) under which the event store is searched; required";
    "EventTypes": "event types to poll, each separately, separated by commas; default: those of the enabled journeys";
    "AuthorityD365Commerce" = "https://login.microsoftonline.com/": "Entra authority for the Scale Unit's tokens";
    "TenantIdD365Commerce": "Entra tenant of the Scale Unit; required with a client secret";
    "AudienceD365Commerce": "audience of the Scale Unit's tokens: its server resource id, exactly as in headquarters; default: CSUEndpoint without the slash at its end";
    "CommerceClientIdD365Commerce": "Entra application that may call the Scale Unit; required with a client secret";
    "CommerceClientSecretD365Commerce": "its secret; without one, the managed identity is used";
    "AuthSchemeD365Commerce" = "id_token": "authorization scheme of the Scale Unit: id_token or Bearer";
    "CosmosDbEndpoint": "URL of the Cosmos DB account; required";
    "CosmosDbKey": "account key; without one, the managed identity is used";
    "CosmosDbDatabaseId" = "EventTrackingDB": "database";
    "CosmosDbContainerId" = "ProcessedEvents": "container, partitioned by /EventChannelId";
    "CosmosDbRegion" = "East US": "region of this app; reads and writes prefer the nearest region of the account";
    "ServiceBusConnection": "connection string (SAS); required unless the next setting is set";
    "ServiceBusConnection__fullyQualifiedNamespace": "host name of the namespace, used with the managed identity";
    "ServiceBusTopicName" = "order-events": "topic";
    "ServiceBusSubscriptionName" = "order-subscription": "subscription of process-message";
    "ServiceBusMaxMessageBytes" = "262144": "size limit of a message and of a batch on the topic (256 KiB on the Standard tier)";
    "DataverseUrl": "environment URL, such as https://contoso.crm.dynamics.com; required";
    "DataverseAuthority" = "https://login.microsoftonline.com/": "Entra authority for Dataverse tokens";
    "DataverseTenantId": "Entra tenant of Dataverse; required with a client secret";
    "DataverseClientId": "Entra application that is an application user there; required with a client secret";
    "DataverseClientSecret": "its secret; without one, the managed identity is used";
    "DefaultCustomers": "account numbers of the default customers of stores, separated by commas; a sale with such a number counts as a guest's";
    "AZURE_CLIENT_ID": "client id of the user-assigned managed identity; default: the system-assigned one";
    "PollSchedule" = "*/20 * * * * *": "six-field NCRONTAB, in UTC, by which the Functions host starts poll-events";
    "PollAgainAfter" = "00:00:02": "while new events arrive, a run searches again after this time, until the next run is due; 00:00:00: one search per run";
    "InitialLookback" = "1.00:00:00": "lookback of the first poll of an event type";
    "PollOverlap" = "00:02:00": "lookback of each poll before its cursor, for events that become visible late";
    "PollClockAllowance" = "00:05:00": "how far the Scale Unit's clock may be ahead";
    "PollPageSize" = "250": "events per search request";
    "PollTimeBudget" = "00:02:00": "after this time a run of poll-events stops and leaves the rest to the next run";
    "CommerceConcurrency" = "32": "concurrent requests to the Scale Unit";
    "LostMessageAfter" = "00:15:00": "a message that was published this long ago and has no trace, although later ones are finished, is published again";
    "LeaseDuration" = "00:02:00": "lease of an event while it is processed";
    "RetryFirstDelay" = "00:00:10": "delay after an event's first failure; it doubles with each failure";
    "RetryLongestDelay" = "00:15:00": "maximum retry delay";
    "RetryHorizon" = "1.00:00:00": "an event that has been failing for this time fails permanently";
    "RecordTimeToLive" = "90.00:00:00": "how long finished records are kept";
    "RequestTimeout" = "00:00:30": "time-out of one HTTP request, from the connection to the last byte";
    "JourneysOverlay": "file beside journeys.json with the changes of this environment, such as journeys.prod.json; default: none";
}

/// The validated settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The Scale Unit.
    pub commerce: CommerceSettings,
    /// Cosmos DB.
    pub store: StoreSettings,
    /// Service Bus.
    pub bus: BusSettings,
    /// Dataverse.
    pub dataverse: DataverseSettings,
    /// Account numbers that belong to no person: the default customers of stores.
    pub default_customers: Vec<String>,
    /// Client id of the user-assigned managed identity.
    pub managed_identity: Option<String>,
    /// `poll-events`.
    pub poll: PollSettings,
    /// The lease of an event while it is processed.
    pub lease: Duration,
    /// The retry policy.
    pub retry: RetryPolicy,
    /// How long finished records are kept.
    pub keep_records: Duration,
    /// Time-out of one HTTP request.
    pub request_timeout: Duration,
}

/// The identity for requests to a dependency.
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
    /// The identity for it.
    pub identity: Identity,
    /// Concurrent requests.
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
    /// The region of this app.
    pub region: String,
}

/// Service Bus.
#[derive(Clone, Debug)]
pub struct BusSettings {
    /// The address of the namespace and the credential for it.
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
    /// The identity for it.
    pub identity: Identity,
}

/// The settings for a program that works on contacts outside the function app.
#[derive(Clone, Debug)]
pub struct ContactSettings {
    /// Dataverse.
    pub dataverse: DataverseSettings,
    /// Where contacts are assigned to customers, if `CosmosDbEndpoint` is set.
    pub store: Option<StoreSettings>,
    /// Account numbers that belong to no person: the default customers of stores.
    pub default_customers: Vec<String>,
    /// Client id of the user-assigned managed identity.
    pub managed_identity: Option<String>,
}

/// `poll-events`.
#[derive(Clone, Debug)]
pub struct PollSettings {
    /// The event types to poll. `None`: those of the enabled journeys.
    pub event_types: Option<Vec<String>>,
    /// When the Functions host starts a run.
    pub schedule: Box<Cron>,
    /// The pause between two searches of a run while new events arrive. Zero: one search per run.
    pub again_after: Duration,
    /// Lookback of the first poll.
    pub initial_lookback: Duration,
    /// Lookback of each poll before its cursor.
    pub overlap: Duration,
    /// How far ahead the Scale Unit's clock may be.
    pub clock_allowance: Duration,
    /// Events per search request.
    pub page_size: usize,
    /// The time after which a run stops.
    pub time_budget: Duration,
    /// The time after publication from which a message can be lost.
    pub lost_after: Duration,
}

/// Seconds: the limit of Cosmos DB for the time to live of an item.
const LONGEST_TIME_TO_LIVE: u64 = i32::MAX as u64;

impl Settings {
    /// Reads all settings through `lookup` (in production: the environment). One error lists all problems.
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
        let default_customers = reader.default_customers();
        let managed_identity = reader.optional("AZURE_CLIENT_ID");
        if let (Some(poll), Some(keep)) = (&poll, keep_records) {
            reader.require(
                keep > poll.initial_lookback + poll.overlap,
                "RecordTimeToLive",
                "must be longer than InitialLookback and PollOverlap together, or old events would be processed again",
            );
        }
        if let Some(keep) = keep_records {
            reader.require(
                keep.as_secs() <= LONGEST_TIME_TO_LIVE,
                "RecordTimeToLive",
                "must not be longer than 68 years, the limit of Cosmos DB",
            );
        }
        if let (Some(lease), Some(timeout)) = (lease, request_timeout) {
            reader.require(
                lease >= 2 * timeout,
                "LeaseDuration",
                "must be at least twice RequestTimeout, or a lease could expire during a request",
            );
        }
        let settings = (|| {
            Some(Self {
                commerce: commerce?,
                store: store?,
                bus: bus?,
                dataverse: dataverse?,
                default_customers,
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

    /// Whether the record of an event of this time, if it ever had one, may have expired. Clocks may differ.
    pub fn may_have_expired(&self, occurred_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        occurred_at + self.keep_records <= now + self.poll.clock_allowance
    }

    /// How long a claim is stored that is never settled. It shows which journeys are uncertain, so it must exist for as
    /// long as anything can deliver the event again: an unfinished event is published again after twice the retry horizon.
    pub fn claim_time_to_live(&self) -> Duration {
        (self.keep_records + 3 * self.retry.horizon).min(Duration::from_secs(LONGEST_TIME_TO_LIVE))
    }
}

impl ContactSettings {
    /// Reads these settings under their usual names, as [`Settings::read`] does.
    ///
    /// # Errors
    ///
    /// When settings are missing or invalid. The error lists all of them.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(&lookup);
        let dataverse = reader.dataverse();
        let store = reader.optional("CosmosDbEndpoint").and_then(|_| reader.store());
        let default_customers = reader.default_customers();
        let managed_identity = reader.optional("AZURE_CLIENT_ID");
        reader.finish(dataverse.map(|dataverse| Self { dataverse, store, default_customers, managed_identity }))
    }
}
