//! Finds a customer's contact in Dataverse, or creates it, once however many deliveries try.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::clients::dataverse::{ContactRow, Dataverse, DataverseError};
use crate::clients::store::StoreError;
use crate::contacts::{Person, carries_number, choose, contact_id, new_contact, what_it_lacks};

/// Companies and customer groups, which hardly ever change, and are asked for again after an hour.
#[derive(Debug, Default)]
pub struct Contacts {
    companies: Mutex<Shelf>,
    groups: Mutex<Shelf>,
}

type Shelf = HashMap<String, (Option<Uuid>, DateTime<Utc>)>;

const FRESH_FOR: TimeDelta = TimeDelta::hours(1);

/// A contact, and how it was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) id: Uuid,
    pub(super) fate: ContactFate,
}

/// How a contact was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ContactFate {
    /// It carries the account number.
    FoundByNumber,
    /// It carries an address of the customer.
    FoundByEmail,
    /// It was found, and given the number or the address that it lacked.
    Linked,
    /// It was created.
    Created,
}

/// Finds the person's contact, if there is one.
pub(super) async fn find(app: &App, person: &Person) -> Result<Option<ContactRow>, DataverseError> {
    let rows = app.dataverse.contacts(person.number.as_deref(), &person.emails).await?;
    // A contact that has a company must have this one; asked for once an hour.
    let company = if rows.iter().any(|row| row.company.is_some()) { company(app, person).await? } else { None };
    Ok(choose(rows, person, company))
}

/// Why there is no contact.
#[derive(Debug, thiserror::Error)]
pub(super) enum ContactError {
    #[error(transparent)]
    Dataverse(#[from] DataverseError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds or creates the person's contact, and links what is missing in it.
pub(super) async fn resolve(app: &App, person: &Person) -> Result<Resolved, ContactError> {
    let found = find(app, person).await?;
    let is_new_customer = found.as_ref().is_none_or(|row| !carries_number(row));
    let proposed = found.as_ref().map_or_else(|| contact_id(person), |row| row.contactid);
    let id = match &person.number {
        Some(number) if is_new_customer => app.store.choose_contact(&person.company, number, proposed).await?,
        _ => proposed,
    };
    match found.filter(|row| row.contactid == id) {
        Some(row) => {
            let linked = link(&app.dataverse, &row, person).await?;
            let fate = match linked {
                true => ContactFate::Linked,
                false if is_new_customer => ContactFate::FoundByEmail,
                false => ContactFate::FoundByNumber,
            };
            Ok(Resolved { id, fate })
        }
        None => Ok(create(app, person, id).await?),
    }
}

/// Adds the account number or the e-mail address that a found contact lacks; says whether it lacked one.
async fn link(dataverse: &Dataverse, row: &ContactRow, person: &Person) -> Result<bool, DataverseError> {
    let Some(columns) = what_it_lacks(row, person) else { return Ok(false) };
    dataverse.update_contact(row.contactid, &row.etag, &columns).await.map(|()| true)
}

/// Creates the contact under an id on which all deliveries agree, so that a race ends in one row.
async fn create(app: &App, person: &Person, id: Uuid) -> Result<Resolved, DataverseError> {
    match create_contact(app, person, id).await {
        Ok(()) => Ok(Resolved { id, fate: ContactFate::Created }),
        // It is there, although the search did not show it: created or linked this moment by another delivery, or
        // since given another number or address, or deactivated. The id says that it is this person's.
        Err(DataverseError::Conflict(_)) => {
            let by_number = person.number.is_some();
            Ok(Resolved { id, fate: if by_number { ContactFate::FoundByNumber } else { ContactFate::FoundByEmail } })
        }
        Err(error) => Err(error),
    }
}

async fn create_contact(app: &App, person: &Person, id: Uuid) -> Result<(), DataverseError> {
    let company = company(app, person).await?;
    let group = match (company, &person.customer_group) {
        (Some(company), Some(group)) => customer_group(app, group, company).await?,
        _ => None,
    };
    app.dataverse.create_contact(id, &new_contact(person, company, group)).await
}

async fn company(app: &App, person: &Person) -> Result<Option<Uuid>, DataverseError> {
    if person.company.is_empty() {
        return Ok(None);
    }
    cached(&app.contacts.companies, &person.company, app.clock.now(), || app.dataverse.company(&person.company)).await
}

async fn customer_group(app: &App, group: &str, company: Uuid) -> Result<Option<Uuid>, DataverseError> {
    let key = format!("{company}/{group}");
    cached(&app.contacts.groups, &key, app.clock.now(), || app.dataverse.customer_group(group, company)).await
}

async fn cached<F: Future<Output = Result<Option<Uuid>, DataverseError>>>(
    shelf: &Mutex<Shelf>,
    key: &str,
    now: DateTime<Utc>,
    fetch: impl FnOnce() -> F,
) -> Result<Option<Uuid>, DataverseError> {
    let lock = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((id, asked)) = lock().get(key)
        && now - *asked < FRESH_FOR
    {
        return Ok(*id);
    }
    let id = fetch().await?;
    lock().insert(key.to_owned(), (id, now));
    Ok(id)
}
