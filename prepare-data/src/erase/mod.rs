//! Removes a customer who was deleted in the source from the files that tables keep for thirty days.
//!
//! Only files that no table uses any more are deleted. So nothing that is published changes, and an erasure that was
//! interrupted is repeated. What a later step needs to find the person is deleted last.

mod files;
mod report;
mod trace;

use chrono::Utc;
use object_store::ObjectStoreExt;

pub use report::{ErasedTable, Erasure};

use self::files::{Found, TableFiles};
use self::trace::{Condition, Trace};
use crate::engine::Engine;
use crate::error::{Context, Error, Result};
use crate::location::Location;

/// Erases a customer, given as in `customers.customer_id`.
///
/// # Errors
/// The id is not valid, or the tables cannot be read, or a file cannot be deleted.
pub async fn erase(prepared: &Location, customer_id: &str, engine: &Engine) -> Result<Erasure> {
    let Some((company, account)) =
        customer_id.split_once('-').filter(|(company, account)| !company.is_empty() && !account.is_empty())
    else {
        return Err(Error::Settings(format!(
            "`{customer_id}` is no customer id: give customers.customer_id, as usmf-004021"
        )));
    };
    let trace = Trace::find(prepared, engine, company, account).await?;
    let mut erasure = Erasure::new(customer_id, Utc::now(), trace.is_found());
    for (table, condition) in trace.conditions(prepared).await? {
        let Some(files) = TableFiles::open(&prepared.join(&table)).await? else { continue };
        erasure.tables.extend(erase_from(&table, &files, engine, &condition).await?);
    }
    Ok(erasure)
}

/// Deletes the replaced files that contain the person, unless the table itself still does.
async fn erase_from(
    table: &str,
    files: &TableFiles,
    engine: &Engine,
    condition: &Condition,
) -> Result<Option<ErasedTable>> {
    let Found { current_rows, replaced } = files.find(engine, condition).await?;
    if current_rows == 0 && replaced.is_empty() {
        return Ok(None);
    }
    let mut erased = ErasedTable { table: table.to_owned(), current_rows, deleted_files: 0, kept_files: 0 };
    if current_rows > 0 {
        erased.kept_files = replaced.len();
        return Ok(Some(erased));
    }
    for path in replaced {
        match files.store.delete(&path).await {
            // Maintenance, or an erasure that was interrupted, was faster.
            Ok(()) | Err(deltalake::ObjectStoreError::NotFound { .. }) => erased.deleted_files += 1,
            Err(error) => return Err(error).context(format!("delete {}{path}", files.location)),
        }
    }
    Ok(Some(erased))
}
