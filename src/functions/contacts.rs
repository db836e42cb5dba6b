//! Finds a customer's contact in Dataverse, or creates it. Concurrent deliveries create only one contact.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use uuid::Uuid;

use super::Services;
use crate::clients::dataverse::{ContactColumns, ContactRow, Dataverse, DataverseError};
use crate::clients::single_flight::{Cached, SingleFlight};
use crate::clients::store::StoreError;
use crate::contacts::{Person, carries_number, contact_id, missing_columns, new_contact, select_contact};

/// Companies and customer groups. They rarely change, and are read again after an hour. Concurrent deliveries share one
/// request, and its failure.
#[derive(Debug, Default)]
pub struct ContactCache {
    companies: Mutex<CacheEntries>,
    groups: Mutex<CacheEntries>,
}

type CacheEntries = HashMap<String, Arc<SingleFlight<Option<Uuid>, DataverseError>>>;

const CACHE_DURATION: TimeDelta = TimeDelta::hours(1);

/// A contact, and how it was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResolvedContact {
    pub(super) id: Uuid,
    pub(super) resolution: ContactResolution,
}

/// How a contact was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContactResolution {
    /// Found by the account number.
    FoundByNumber,
    /// Found by an e-mail address of the customer.
    FoundByEmail,
    /// Found, and updated with the missing number or address.
    Linked,
    /// Created.
    Created,
}

impl ContactResolution {
    /// The name in the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FoundByNumber => "foundByNumber",
            Self::FoundByEmail => "foundByEmail",
            Self::Linked => "linked",
            Self::Created => "created",
        }
    }
}

/// Finds the person's contact, if there is one.
pub(super) async fn find(services: &Services, person: &Person) -> Result<Option<ContactRow>, DataverseError> {
    let rows = services.dataverse.contacts(person.number.as_deref(), &person.emails).await?;
    // The person's company is needed only if a contact has a company.
    let company = if rows.iter().any(|row| row.company.is_some()) { company(services, person).await? } else { None };
    Ok(select_contact(rows, person, company))
}

/// Why there is no contact.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContactError {
    #[error(transparent)]
    Dataverse(#[from] DataverseError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds or creates the person's contact, and adds a missing account number or e-mail address.
pub(super) async fn resolve(services: &Services, person: &Person) -> Result<ResolvedContact, ContactError> {
    let found = find(services, person).await?;
    let is_new_customer = found.as_ref().is_none_or(|row| !carries_number(row));
    let proposed = found.as_ref().map_or_else(|| contact_id(person), |row| row.contactid);
    let id = match &person.number {
        Some(number) if is_new_customer => services.store.assign_contact(&person.company, number, proposed).await?,
        _ => proposed,
    };
    match found.filter(|row| row.contactid == id) {
        Some(row) => {
            let linked = link(&services.dataverse, &row, person).await?;
            let resolution = match linked {
                true => ContactResolution::Linked,
                false if is_new_customer => ContactResolution::FoundByEmail,
                false => ContactResolution::FoundByNumber,
            };
            Ok(ResolvedContact { id, resolution })
        }
        None => Ok(create(services, person, id).await?),
    }
}

/// Adds the account number or the e-mail address that the contact does not have. Returns whether one was missing.
async fn link(dataverse: &Dataverse, row: &ContactRow, person: &Person) -> Result<bool, DataverseError> {
    let Some(columns) = missing_columns(row, person) else { return Ok(false) };
    dataverse.update_contact(row.contactid, &row.etag, &columns).await.map(|()| true)
}

/// Creates the contact. All deliveries use the same id, so a race creates only one row.
async fn create(services: &Services, person: &Person, id: Uuid) -> Result<ResolvedContact, DataverseError> {
    let columns = columns_of_new_contact(services, person).await?;
    match services.dataverse.create_contact(id, &columns).await {
        Ok(()) => Ok(ResolvedContact { id, resolution: ContactResolution::Created }),
        // The contact exists, although the query did not return it: another delivery has just created or linked it, or its
        // number or address was changed, or it was deactivated. The id shows that it belongs to this person.
        Err(conflict @ DataverseError::Conflict(_)) => {
            // A trigger for a contact that does not exist would be lost.
            if !services.dataverse.contact_exists(id).await? {
                return Err(conflict);
            }
            let by_number = person.number.is_some();
            let resolution = if by_number { ContactResolution::FoundByNumber } else { ContactResolution::FoundByEmail };
            Ok(ResolvedContact { id, resolution })
        }
        Err(error) => Err(error),
    }
}

async fn columns_of_new_contact(services: &Services, person: &Person) -> Result<ContactColumns, DataverseError> {
    let company = company(services, person).await?;
    let group = match (company, &person.customer_group) {
        (Some(company), Some(group)) => customer_group(services, group, company).await?,
        _ => None,
    };
    Ok(new_contact(person, company, group))
}

async fn company(services: &Services, person: &Person) -> Result<Option<Uuid>, DataverseError> {
    if person.company.is_empty() {
        return Ok(None);
    }
    let fetch = async || services.dataverse.company(&person.company).await;
    cached(services, &services.contact_cache.companies, &person.company, fetch).await
}

async fn customer_group(services: &Services, group: &str, company: Uuid) -> Result<Option<Uuid>, DataverseError> {
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
