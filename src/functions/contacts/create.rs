//! Creates a contact. All deliveries use the same id, so a race creates only one row.

use uuid::Uuid;

use super::cache::{company, customer_group};
use super::locate::{Located, read, select};
use super::outcome::{ContactError, Found, NotWritten};
use crate::clients::dataverse::{ContactColumns, DataverseError};
use crate::contacts::{Person, belongs_to_other_customer, new_contact};
use crate::functions::Services;

/// Creates the contact, or returns the one that is in the way, if it is the person's.
pub(super) async fn create(services: &Services, person: &Person, id: Uuid) -> Result<Found, ContactError> {
    let columns = columns(services, person).await?;
    match services.dataverse.create_contact(id, &columns).await {
        Ok(()) => Ok(Found::Created(id, None)),
        Err(DataverseError::Conflict { cause, .. }) => match existing(services, person, id, &cause).await {
            // Perhaps the party number is taken. The contact is more important.
            Err(error @ ContactError::KeyTaken { .. }) => without_extras(services, id, &columns, cause, error).await,
            other => other,
        },
        Err(DataverseError::Refused(cause)) => {
            let error = DataverseError::Refused(cause.clone()).into();
            without_extras(services, id, &columns, cause, error).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn columns(services: &Services, person: &Person) -> Result<ContactColumns, DataverseError> {
    let company = company(services, person).await?;
    let group = match (company, &person.customer_group) {
        (Some(company), Some(group)) => customer_group(services, group, company).await?,
        _ => None,
    };
    Ok(new_contact(person, company, group))
}

/// The contact that prevents the creation. One status has several meanings, so the contact must be seen: the id may exist
/// because another delivery has just created it, or another row, also an inactive one, may have a value that must be unique.
async fn existing(services: &Services, person: &Person, id: Uuid, cause: &str) -> Result<Found, ContactError> {
    let holders = |holders| ContactError::KeyTaken { cause: cause.to_owned(), holders };
    match read(services, id).await? {
        Located::Usable(row, by) if row.contactid != id => return Ok(Found::Existing(row, by)),
        Located::Usable(row, by) => {
            let company = if row.company.is_some() { company(services, person).await? } else { None };
            // Somebody has given the contact to another customer.
            let is_taken = belongs_to_other_customer(&row, person, company);
            return if is_taken { Err(holders(vec![id])) } else { Ok(Found::Existing(row, by)) };
        }
        Located::Unusable(id) => return Err(ContactError::Inactive(id)),
        Located::Absent => {}
    }
    let rows = services.dataverse.contacts(person.number.as_deref(), &person.emails).await?.rows;
    let ids = rows.iter().map(|row| row.contactid).collect();
    match select(services, person, rows).await? {
        Located::Usable(row, by) => Ok(Found::Existing(row, by)),
        Located::Unusable(id) => Err(ContactError::Inactive(id)),
        Located::Absent => Err(holders(ids)),
    }
}

/// Creates the contact without what is only nice to have. `error` is returned if that does not help either.
async fn without_extras(
    services: &Services,
    id: Uuid,
    columns: &ContactColumns,
    cause: String,
    error: ContactError,
) -> Result<Found, ContactError> {
    let (essential, omitted) = columns.essential();
    if omitted.is_empty() {
        return Err(error);
    }
    match services.dataverse.create_contact(id, &essential).await {
        Ok(()) => Ok(Found::Created(id, Some(NotWritten { columns: omitted, cause }))),
        Err(DataverseError::Conflict { .. } | DataverseError::Refused(_)) => Err(error),
        Err(other) => Err(other.into()),
    }
}
