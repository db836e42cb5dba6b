//! Searches the person's contact, and follows merges.

use uuid::Uuid;

use super::cache::company;
use super::outcome::ContactResolution;
use crate::clients::dataverse::{ContactRow, ContactState, DataverseError};
use crate::contacts::{MAX_MERGES, Person, Selection, carries_number, select_contact};
use crate::functions::Services;
use crate::telemetry::LogEvent;

/// The person's contact.
#[derive(Debug)]
pub(in crate::functions) enum Located {
    /// It is active.
    Usable(ContactRow, ContactResolution),
    /// It is inactive, or was merged into a contact that is.
    Unusable(Uuid),
    /// There is none.
    Absent,
}

/// Searches the person's contact.
pub(in crate::functions) async fn find(services: &Services, person: &Person) -> Result<Located, DataverseError> {
    let found = services.dataverse.contacts(person.number.as_deref(), &person.emails).await?;
    if found.is_truncated {
        LogEvent::ContactSearchTruncated { rows: found.rows.len() }.log();
    }
    select(services, person, found.rows).await
}

/// Selects the person's contact from rows.
pub(super) async fn select(
    services: &Services,
    person: &Person,
    rows: Vec<ContactRow>,
) -> Result<Located, DataverseError> {
    // The person's company is needed only if a contact has a company.
    let company = if rows.iter().any(|row| row.company.is_some()) { company(services, person).await? } else { None };
    match select_contact(rows, person, company) {
        Selection::Active(row) => {
            let by_number = person.number.is_some() && carries_number(&row);
            let by = if by_number { ContactResolution::FoundByNumber } else { ContactResolution::FoundByEmail };
            Ok(Located::Usable(row, by))
        }
        Selection::Merged(row) => follow(services, row).await,
        Selection::Inactive(row) => Ok(Located::Unusable(row.contactid)),
        Selection::None => Ok(Located::Absent),
    }
}

/// The contact with this id, or the one that it was merged into.
pub(super) async fn read(services: &Services, id: Uuid) -> Result<Located, DataverseError> {
    match services.dataverse.contact(id).await? {
        Some(row) => follow(services, row).await,
        None => Ok(Located::Absent),
    }
}

/// The active contact that stands for this one. People merge contacts that were merged before.
async fn follow(services: &Services, mut row: ContactRow) -> Result<Located, DataverseError> {
    let first = row.contactid;
    for _ in 0..=MAX_MERGES {
        match row.state() {
            ContactState::Active if row.contactid == first => {
                return Ok(Located::Usable(row, ContactResolution::FoundByNumber));
            }
            ContactState::Active => return Ok(Located::Usable(row, ContactResolution::Merged)),
            ContactState::Inactive => return Ok(Located::Unusable(row.contactid)),
            ContactState::Merged(master) => match services.dataverse.contact(master).await? {
                Some(next) => row = next,
                None => return Ok(Located::Unusable(row.contactid)),
            },
        }
    }
    Ok(Located::Unusable(first))
}
