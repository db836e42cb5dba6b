//! `prepare-data sync-contacts`: contacts in Dataverse for the customers of gold, where Dual-write does not make them.
//!
//! `decide` decides about one customer, with the rules of the real-time handler; `service` calls Dataverse; `reconcile`
//! combines both for a batch; `state` stores the results.

mod args;
mod customers;
mod decide;
mod error;
mod multipart;
mod rate_limiter;
mod reconcile;
mod report;
mod service;
mod state;

use std::sync::Arc;
use std::time::Duration;

use commerce_journeys::clients::dataverse::Dataverse;
use commerce_journeys::clients::identity::{Tokens, azure_credential};
use commerce_journeys::clients::store::Store;
use commerce_journeys::clients::{SetupError, http_client};
use commerce_journeys::clock::{SharedClock, SystemClock};
use commerce_journeys::events::RetryPolicy;
use commerce_journeys::settings::{ContactSettings, SettingsError};
use futures::TryStreamExt as _;

pub use args::SyncContactsArgs;
use customers::Gold;
use decide::Customer;
pub use decide::Reason;
pub use error::SyncError;
use rate_limiter::RateLimiter;
use reconcile::reconcile;
pub use report::{Example, Kind, SyncReport};
use service::Service;
use state::{State, Vanished};

use crate::engine::Engine;
use crate::error::Context as _;
use crate::location::Location;

/// What a run needs besides its arguments.
pub struct SyncContext {
    /// Dataverse, and Cosmos DB if the function app is running.
    pub settings: ContactSettings,
    /// The clock.
    pub clock: SharedClock,
}

impl SyncContext {
    /// From the environment variables.
    ///
    /// # Errors
    ///
    /// Names every setting that is missing or wrong.
    pub fn from_environment() -> Result<Self, SettingsError> {
        let settings = ContactSettings::read(|name| std::env::var(name).ok())?;
        Ok(Self { settings, clock: Arc::new(SystemClock) })
    }
}

/// Longer than Dataverse itself works on a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(130);

/// Dataverse asks for minutes at most. An hour of failures only is an outage.
const RETRY_POLICY: RetryPolicy = RetryPolicy {
    first_delay: Duration::from_secs(2),
    longest_delay: Duration::from_secs(900),
    horizon: Duration::from_secs(3600),
};

/// Memory for sorting and joining customers, in bytes. What does not fit goes to disk.
const QUERY_MEMORY: usize = 1 << 30;

/// Synchronises contacts, with the settings of the environment.
///
/// # Errors
///
/// The run cannot start or continue; see [`SyncError`].
pub async fn run(args: SyncContactsArgs) -> Result<SyncReport, SyncError> {
    sync(&args, SyncContext::from_environment()?).await
}

/// Synchronises contacts.
///
/// # Errors
///
/// As [`run`].
pub async fn sync(args: &SyncContactsArgs, context: SyncContext) -> Result<SyncReport, SyncError> {
    let engine = Engine::new(QUERY_MEMORY, std::thread::available_parallelism().map_or(2, usize::from))?;
    let session = engine.session();
    let environment = context.settings.dataverse.url.to_string();
    let mut state = State::open(Location::parse(&args.state_location())?, &session).await?;
    let defaults = &context.settings.default_customers;
    let gold = Gold::open(&Location::parse(&args.customers)?, &session, &environment, defaults).await?;
    let mut report = SyncReport { dry_run: args.dry_run, customers: gold.count().await?, ..SyncReport::default() };
    let vanished = gold.vanished().await?;
    if report.customers == 0 && !vanished.is_empty() {
        return Err(SyncError::EmptyGold);
    }
    report.add_vanished(&vanished);
    let clock = context.clock.clone();
    let service = service(context, args.share)?;
    sync_customers(args, &service, &gold, &mut state, &clock, &mut report).await?;
    if !args.dry_run {
        finish(&engine, &mut state, &vanished, &clock).await?;
    }
    report.requests = service.rate_limiter.requests();
    report.pauses = service.rate_limiter.pauses();
    Ok(report)
}

/// Synchronises batch after batch, and stores the result of each.
async fn sync_customers(
    args: &SyncContactsArgs,
    service: &Service,
    gold: &Gold<'_>,
    state: &mut State,
    clock: &SharedClock,
    report: &mut SyncReport,
) -> Result<(), SyncError> {
    let mut rows = gold.to_do(args.all, args.limit).await?;
    let mut waiting: Vec<Customer> = Vec::new();
    let size = usize::from(args.batch);
    let mut is_over = false;
    while !is_over {
        match rows.try_next().await.context("read customers")? {
            Some(batch) => waiting.extend(gold.customers(&batch)?),
            None => is_over = true,
        }
        while waiting.len() >= size || (is_over && !waiting.is_empty()) {
            let batch: Vec<Customer> = waiting.drain(..size.min(waiting.len())).collect();
            let outcomes = reconcile(service, batch, args.dry_run).await?;
            if !args.dry_run {
                state.add(&outcomes, clock.now()).await?;
            }
            outcomes.iter().for_each(|outcome| report.add(outcome));
            tracing::info!(looked_at = report.looked_at, created = report.created.count, "contacts synchronised");
        }
    }
    Ok(())
}

async fn finish(
    engine: &Engine,
    state: &mut State,
    vanished: &[Vanished],
    clock: &SharedClock,
) -> Result<(), SyncError> {
    state.add_vanished(vanished, clock.now()).await?;
    if let Err(error) = state.maintain(&engine.delta_session()).await {
        // Another run may be writing. The next run tries again.
        tracing::warn!(%error, "the state table still has many files");
    }
    Ok(())
}

fn service(context: SyncContext, share: u8) -> Result<Service, SyncError> {
    let SyncContext { settings, clock } = context;
    let http = http_client(REQUEST_TIMEOUT)?;
    let managed = settings.managed_identity.as_deref();
    let audience = settings.dataverse.url.as_str().trim_end_matches('/').to_owned();
    let tokens = Tokens::new(&settings.dataverse.identity, &audience, managed, &http, REQUEST_TIMEOUT, &clock);
    let store = settings.store.as_ref().map(|store| {
        let identity = azure_credential(managed)
            .map_err(|error| SetupError { what: "the managed identity", cause: error.to_string() })?;
        Ok::<_, SetupError>(Store::new(store, identity, REQUEST_TIMEOUT))
    });
    Ok(Service {
        dataverse: Dataverse::new(&settings.dataverse, tokens, &http, &clock),
        store: store.transpose()?,
        company_refs: tokio::sync::Mutex::default(),
        rate_limiter: RateLimiter::new(share, clock.clone()),
        retry_policy: RETRY_POLICY,
        clock,
    })
}
