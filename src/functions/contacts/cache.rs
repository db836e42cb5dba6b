//! Companies and customer groups, read once an hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use uuid::Uuid;

use crate::clients::dataverse::DataverseError;
use crate::clients::single_flight::{Cached, SingleFlight};
use crate::contacts::Person;
use crate::functions::Services;

/// Companies and customer groups. They rarely change, and are read again after an hour. Concurrent deliveries share one
/// request, and its failure.
#[derive(Debug, Default)]
pub struct ContactCache {
    companies: Mutex<CacheEntries>,
    groups: Mutex<CacheEntries>,
}

type CacheEntries = HashMap<String, Arc<SingleFlight<Option<Uuid>, DataverseError>>>;

const CACHE_DURATION: TimeDelta = TimeDelta::hours(1);

/// The id of the person's company in Dataverse, if it exists.
pub(super) async fn company(services: &Services, person: &Person) -> Result<Option<Uuid>, DataverseError> {
    if person.company.is_empty() {
        return Ok(None);
    }
    let fetch = async || services.dataverse.company(&person.company).await;
    cached(services, &services.contact_cache.companies, &person.company, fetch).await
}

/// The id of a customer group in Dataverse, if it exists.
pub(super) async fn customer_group(
    services: &Services,
    group: &str,
    company: Uuid,
) -> Result<Option<Uuid>, DataverseError> {
    let key = format!("{company}/{group}");
    let fetch = async || services.dataverse.customer_group(group, company).await;
    cached(services, &services.contact_cache.groups, &key, fetch).await
}

async fn cached(
    services: &Services,
    cache: &Mutex<CacheEntries>,
    key: &str,
    fetch: impl AsyncFnOnce() -> Result<Option<Uuid>, DataverseError>,
) -> Result<Option<Uuid>, DataverseError> {
    let entry = cache.lock().unwrap_or_else(PoisonError::into_inner).entry(key.to_owned()).or_default().clone();
    let now = || services.clock.now();
    let fetch = async || {
        let read_at = now();
        let value = fetch().await?;
        // While Dataverse does not respond, an older value still serves.
        let (refresh_at, expires_at) = (read_at + CACHE_DURATION, read_at + CACHE_DURATION * 2);
        Ok(Cached { value, refresh_at, expires_at })
    };
    entry.get(now, fetch).await
}
