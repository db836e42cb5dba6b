//! Alternate keys: combinations of columns that must be unique. Inactive rows count, too; rows without a value do not.
//!
//! Microsoft's page "Work with alternate keys".

use axum::http::StatusCode;
use uuid::Uuid;

use super::error::{self, ODataError};
use super::rows::{Changes, Row, Value};

/// The alternate keys of the contact table.
#[derive(Clone, Debug, Default)]
pub(super) struct AlternateKeys(Vec<Vec<&'static str>>);

impl AlternateKeys {
    /// Defines a key.
    pub(super) fn define(&mut self, columns: Vec<&'static str>) {
        self.0.push(columns);
    }

    /// Rejects a write after which another of `rows` would have the same values. `row` is the row before the write.
    pub(super) fn check<'a>(
        &self,
        rows: impl Iterator<Item = &'a Row> + Clone,
        row: Option<&Row>,
        id: Uuid,
        changes: &Changes,
    ) -> Result<(), ODataError> {
        for key in &self.0 {
            if !key.iter().any(|column| changes.contains_key(column)) {
                continue;
            }
            let after = |column: &&'static str| match changes.get(column) {
                Some(value) => value.as_ref(),
                None => row.and_then(|row| row.get(column)),
            };
            let Some(values) = key.iter().map(after).collect::<Option<Vec<&Value>>>() else { continue };
            let has_values = |other: &&Row| {
                key.iter().zip(&values).all(|(column, value)| {
                    other.get(column).and_then(|its| its.compare(value)).is_some_and(std::cmp::Ordering::is_eq)
                })
            };
            if rows.clone().any(|other| other.id != id && has_values(&other)) {
                return Err(violated(key));
            }
        }
        Ok(())
    }
}

fn violated(key: &[&str]) -> ODataError {
    let columns = key.join(", ");
    let message = format!(
        "Entity Key {columns} Key violated. A record with the same value for {columns} already exists. A duplicate record \
         cannot be created. Select one or more unique values and try again."
    );
    ODataError::new(StatusCode::PRECONDITION_FAILED, error::KEY_TAKEN, message)
}
