//! Finds a customer's contact in Dataverse, or creates it. Concurrent deliveries create only one contact.
//!
//! A journey starts only for a contact that was seen, active, in a reply of Dataverse. `docs/contacts.md` has the rules.

mod cache;
mod create;
mod locate;
mod outcome;
mod update;

use uuid::Uuid;

use super::Services;
use crate::clients::dataverse::ContactRow;
use crate::contacts::{Person, carries_number, contact_id};
pub use cache::ContactCache;
use create::create;
use locate::read;
pub(super) use locate::{Located, find};
use outcome::Found;
pub(super) use outcome::{ContactError, ContactResolution, NotWritten, ResolvedContact};
use update::update;

/// Finds or creates the person's contact, and adds a missing account number or e-mail address. `may_skip_update` is whether
/// the contact is used although Dataverse was not available for the update.
pub(super) async fn resolve(
    services: &Services,
    person: &Person,
    may_skip_update: bool,
) -> Result<ResolvedContact, ContactError> {
    let found = match find(services, person).await? {
        Located::Usable(row, by) => choose(services, person, row, by).await?,
        Located::Unusable(id) => return Err(ContactError::Inactive(id)),
        Located::Absent => create(services, person, new_id(services, person).await?).await?,
    };
    update(services, person, found, may_skip_update).await
}

/// The id of the person's new contact. The first delivery of a new customer chooses it.
async fn new_id(services: &Services, person: &Person) -> Result<Uuid, ContactError> {
    let id = contact_id(person);
    match &person.number {
        Some(number) => Ok(services.store.assign_contact(&person.company, number, id).await?),
        None => Ok(id),
    }
}

/// The contact to use when one was found. A customer whose number no contact has may have been given another contact within
/// the last hours, whose number could not be written or is not visible yet.
async fn choose(
    services: &Services,
    person: &Person,
    row: ContactRow,
    by: ContactResolution,
) -> Result<Found, ContactError> {
    let Some(number) = person.number.as_ref().filter(|_| !carries_number(&row)) else {
        return Ok(Found::Existing(row, by));
    };
    let assigned = services.store.assign_contact(&person.company, number, row.contactid).await?;
    if assigned == row.contactid {
        return Ok(Found::Existing(row, by));
    }
    let row = match read(services, assigned).await? {
        Located::Absent => return create(services, person, assigned).await,
        Located::Usable(other, _) => other,
        Located::Unusable(_) => row,
    };
    if row.contactid == assigned {
        return Ok(Found::Existing(row, by));
    }
    // The remembered contact was merged or deactivated meanwhile.
    let agreed = services.store.reassign_contact(&person.company, number, assigned, row.contactid).await?;
    match agreed == row.contactid {
        true => Ok(Found::Existing(row, by)),
        false => Err(ContactError::ChosenOtherwise),
    }
}
