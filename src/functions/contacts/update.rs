//! Adds the account number or the e-mail address that a contact does not have. Journeys need neither, so a refusal does not
//! hold them up.

use super::outcome::{ContactError, ContactResolution, Found, NotWritten, ResolvedContact};
use crate::clients::dataverse::{ContactColumns, ContactRow, DataverseError};
use crate::contacts::{Person, missing_columns};
use crate::functions::Services;

/// Adds what a found contact does not have.
pub(super) async fn update(
    services: &Services,
    person: &Person,
    found: Found,
    may_skip: bool,
) -> Result<ResolvedContact, ContactError> {
    let (row, by) = match found {
        Found::Created(id, not_written) => {
            return Ok(ResolvedContact { id, resolution: ContactResolution::Created, not_written });
        }
        Found::Existing(row, by) => (row, by),
    };
    let id = row.contactid;
    let Some(columns) = missing_columns(&row, person) else {
        return Ok(ResolvedContact { id, resolution: by, not_written: None });
    };
    let not_written = write(services, &row, columns, may_skip).await?;
    let resolution = if not_written.is_some() { by } else { ContactResolution::Linked };
    Ok(ResolvedContact { id, resolution, not_written })
}

/// Writes the columns together, and after a refusal each of them by itself. Returns what could not be written.
async fn write(
    services: &Services,
    row: &ContactRow,
    columns: ContactColumns,
    may_skip: bool,
) -> Result<Option<NotWritten>, ContactError> {
    let Some(failure) = write_once(services, row, &columns, may_skip).await? else { return Ok(None) };
    let mut not_written = NotWritten { columns: columns.names(), cause: failure.to_string() };
    let parts = columns.parts();
    if parts.len() > 1 && failure.is_refusal() {
        for part in parts {
            // The other one is what was refused. The row has another version now.
            if write_once(services, row, &part, may_skip).await?.is_none() {
                not_written.columns.retain(|name| !part.names().contains(name));
                break;
            }
        }
    }
    Ok(Some(not_written))
}

/// Writes columns of a contact. Returns the failure if the contact is used without them. An outage is an error, unless it
/// may be skipped.
async fn write_once(
    services: &Services,
    row: &ContactRow,
    columns: &ContactColumns,
    may_skip: bool,
) -> Result<Option<DataverseError>, DataverseError> {
    match services.dataverse.update_contact(row.contactid, &row.etag, columns).await {
        Ok(()) => Ok(None),
        // The contact was deleted. Another one has to be found.
        Err(error @ DataverseError::NotFound { .. }) => Err(error),
        Err(error) if may_skip || error.is_refusal() => Ok(Some(error)),
        Err(error) => Err(error),
    }
}
