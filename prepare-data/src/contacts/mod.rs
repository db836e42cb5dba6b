//! `prepare-data sync-contacts`: contacts of Dataverse for the customers of gold, where Dual-write does not make them.
//!
//! `decide` says what is to be done about one customer, by the rules of the real-time handler; `service` talks to
//! Dataverse; `reconcile` brings both together for a batch; `state` remembers what is done.

mod args;
mod customers;
mod decide;
mod multipart;
mod pace;
mod reconcile;
mod report;
mod service;
mod state;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use commerce_journeys::clients::dataverse::{Dataverse, DataverseError};
use commerce_journeys::clients::identity::{Tokens, managed_identity};
use commerce_journeys::clients::store::{Store, StoreError};
use commerce_journeys::clients::{SetupError, http_client};
use commerce_journeys::clock::{SharedClock, SystemClock};
use commerce_journeys::events::RetryPolicy;
use commerce_journeys::settings::{ContactSettings, SettingsError};
use deltalake::DeltaTableError;
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::execution::runtime_env::RuntimeEnvBuilder;
use deltalake::datafusion::prelude::SessionContext;
use deltalake::delta_datafusion::DeltaSessionContext;
use futures::TryStreamExt as _;
use url::Url;

pub use args::SyncContactsArgs;
use customers::{Gold, customers};
use decide::Customer;
pub use decide::Reason;
use pace::Pace;
use reconcile::reconcile;
pub use report::{Example, Kind, SyncReport};
use service::Service;
use state::State;

/// Why a run ended early. What is done stays done, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Environment variables are missing or wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The HTTP client or an identity cannot be set up.
    #[error(transparent)]
    Start(#[from] SetupError),
    /// A table cannot be read or written.
    #[error("the lake: {0}")]
    Lake(#[from] DeltaTableError),
    /// A query over the tables has failed.
    #[error("the lake: {0}")]
    Query(#[from] DataFusionError),
    /// A location is none.
    #[error("{0} is neither a folder nor a URL")]
    Location(String),
    /// There is no gold table.
    #[error("there is no Delta table of customers at {0}; run prepare-data first, or correct --customers")]
    NoCustomers(String),
    /// The gold table has no customers, although there were some.
    #[error("the gold table of customers is empty; nothing was done")]
    EmptyGold,
    /// The gold table is another than expected.
    #[error("the gold table of customers lacks {0}; run this version of prepare-data first")]
    MissingColumns(String),
    /// Dataverse was away for too long.
    #[error("gave up waiting: {0}; run again, it goes on from here")]
    Unavailable(String),
    /// Dataverse refuses.
    #[error(transparent)]
    Dataverse(DataverseError),
    /// Cosmos DB refuses.
    #[error(transparent)]
    Store(StoreError),
}

impl SyncError {
    /// 2: settings, arguments or the lake are at fault; 3: Dataverse or Cosmos DB refuses or was away.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Start(_)
            | Self::Lake(_)
            | Self::Query(_)
            | Self::Location(_)
            | Self::NoCustomers(_)
            | Self::EmptyGold
            | Self::MissingColumns(_) => 2,
            Self::Unavailable(_) | Self::Dataverse(_) | Self::Store(_) => 3,
        }
    }
}

/// What a run needs beside its arguments.
pub struct World {
    /// Dataverse, and Cosmos DB if the function app is at work.
    pub settings: ContactSettings,
    /// Storage options of both tables.
    pub storage: HashMap<String, String>,
    /// Time.
    pub clock: SharedClock,
}

impl World {
    /// As the environment variables say.
    ///
    /// # Errors
    ///
    /// Names every setting that is missing or wrong.
    pub fn from_environment(storage: HashMap<String, String>) -> Result<Self, SettingsError> {
        let settings = ContactSettings::read(|name| std::env::var(name).ok())?;
        Ok(Self { settings, storage, clock: Arc::new(SystemClock) })
    }
}

/// Longer than Dataverse itself works on a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(130);

/// Dataverse asks for minutes at the most; an hour of nothing but failures is an outage.
const PATIENCE: RetryPolicy = RetryPolicy {
    first_delay: Duration::from_secs(2),
    longest_delay: Duration::from_secs(900),
    horizon: Duration::from_secs(3600),
};

/// Memory for sorting and joining customers; what does not fit goes to disk.
const QUERY_MEMORY: usize = 1 << 30;

/// Synchronises contacts as `args` say, with the settings of the environment.
///
/// # Errors
///
/// When the run cannot begin or go on; see [`SyncError`].
pub async fn run(args: SyncContactsArgs, storage: HashMap<String, String>) -> Result<SyncReport, SyncError> {
    sync(&args, World::from_environment(storage)?).await
}

/// Synchronises contacts.
///
/// # Errors
///
/// As [`run`].
pub async fn sync(args: &SyncContactsArgs, world: World) -> Result<SyncReport, SyncError> {
    let session = new_session()?;
    let environment = world.settings.dataverse.url.to_string();
    let mut state = State::open(location(&args.state_location())?, world.storage.clone(), &session).await?;
    let gold = Gold::open(location(&args.customers)?, world.storage.clone(), &session, &environment).await?;
    let mut report = SyncReport { dry_run: args.dry_run, customers: gold.count().await?, ..SyncReport::default() };
    let vanished = gold.vanished().await?;
    if report.customers == 0 && !vanished.is_empty() {
        return Err(SyncError::EmptyGold);
    }
    report.add_vanished(&vanished);
    let clock = world.clock.clone();
    let service = service(world, args.share)?;
    let mut rows = gold.to_do(args.all, args.limit).await?;
    let mut waiting: Vec<Customer> = Vec::new();
    let size = usize::from(args.batch);
    let mut is_over = false;
    while !is_over {
        match rows.try_next().await? {
            Some(batch) => waiting.extend(customers(&batch)?),
            None => is_over = true,
        }
        while waiting.len() >= size || (is_over && !waiting.is_empty()) {
            let batch: Vec<Customer> = waiting.drain(..size.min(waiting.len())).collect();
            let outcomes = reconcile(&service, batch, args.dry_run).await?;
            if !args.dry_run {
                state.add(&outcomes, clock.now()).await?;
            }
            outcomes.iter().for_each(|outcome| report.add(outcome));
            tracing::info!(looked_at = report.looked_at, created = report.created.count, "contacts synchronised");
        }
    }
    if !args.dry_run {
        state.add_vanished(&vanished, clock.now()).await?;
        if let Err(error) = state.tidy(&new_session()?).await {
            // Another run may be writing; the next one tidies up.
            tracing::warn!(%error, "the state table stays in many pieces");
        }
    }
    report.requests = service.pace.requests();
    report.pauses = service.pace.pauses();
    Ok(report)
}

/// A session that does not take more memory than it may. It reads names as they are written: lower case.
fn new_session() -> Result<SessionContext, SyncError> {
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(QUERY_MEMORY, 1.0).build_arc()?;
    Ok(DeltaSessionContext::with_runtime_env(runtime).into())
}

/// A URL, or a folder on this machine, which is not made.
fn location(text: &str) -> Result<Url, SyncError> {
    let unusable = || SyncError::Location(text.to_owned());
    match Url::parse(text) {
        // A single letter is a drive of Windows.
        Ok(url) if url.scheme().len() > 1 => Ok(url),
        _ => Url::from_directory_path(std::path::absolute(text).map_err(|_| unusable())?).map_err(|()| unusable()),
    }
}

fn service(world: World, share: u8) -> Result<Service, SyncError> {
    let World { settings, clock, .. } = world;
    let http = http_client(REQUEST_TIMEOUT)?;
    let managed = settings.managed_identity.as_deref();
    let audience = settings.dataverse.url.as_str().trim_end_matches('/').to_owned();
    let tokens = Tokens::new(&settings.dataverse.identity, &audience, managed, &http, &clock);
    let store = settings.store.as_ref().map(|store| {
        let identity = managed_identity(managed)
            .map_err(|error| SetupError { what: "the managed identity", cause: error.to_string() })?;
        Ok::<_, SetupError>(Store::new(store, identity, REQUEST_TIMEOUT))
    });
    Ok(Service {
        dataverse: Dataverse::new(&settings.dataverse, tokens, &http, &clock),
        store: store.transpose()?,
        places: tokio::sync::Mutex::default(),
        pace: Pace::new(share, clock.clone()),
        patience: PATIENCE,
        clock,
    })
}
