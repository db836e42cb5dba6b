//! The body of a create or an update: the columns and their new values.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::error::{self, ODataError};
use super::rows::{Changes, Value};
use super::schema::{Column, Kind, Table};

/// Reads a body for `table`. `dual_write` decides whether it can refer to the Dual-write tables.
///
/// The real Dataverse ignores some values of columns that it sets itself (`createdon`, `fullname`). Here they are
/// rejected, because sending them is a mistake.
pub(super) fn read(table: Table, dual_write: bool, body: &[u8]) -> Result<Changes, ODataError> {
    let object: Map<String, Json> =
        serde_json::from_slice(body).map_err(|error| ODataError::payload(table.set(), error.to_string()))?;
    object.iter().map(|(name, value)| change(table, dual_write, name, value)).collect()
}

fn change(
    table: Table,
    dual_write: bool,
    name: &str,
    value: &Json,
) -> Result<(&'static str, Option<Value>), ODataError> {
    if let Some(navigation) = name.strip_suffix("@odata.bind") {
        return bind(table, dual_write, navigation, value);
    }
    let column = table.column(name, dual_write).ok_or_else(|| invalid_property(table, name))?;
    match column.kind {
        Kind::Lookup { .. } => Err(ODataError::payload(table.set(), "a lookup is set through its navigation property")),
        _ if !column.writable => Err(ODataError::payload(table.set(), format!("'{name}' cannot be written"))),
        _ => Ok((column.name, convert(table, column, value)?)),
    }
}

fn invalid_property(table: Table, name: &str) -> ODataError {
    let message = format!(
        "An error occurred while validating input parameters: Invalid property '{name}' was found in entity \
         'Microsoft.Dynamics.CRM.{}'.",
        table.logical()
    );
    ODataError::bad_request(error::UNKNOWN_PROPERTY, message)
}

/// The value of a plain column. An empty text is stored as null.
fn convert(table: Table, column: &Column, value: &Json) -> Result<Option<Value>, ODataError> {
    let mismatch = || {
        let reason =
            format!("Cannot convert the value of '{}' to the expected type '{}'.", column.name, column.kind.edm());
        ODataError::payload(table.set(), reason)
    };
    let converted = match (column.kind, value) {
        (Kind::Key, Json::Null) => return Err(mismatch()),
        (_, Json::Null) => return Ok(None),
        (Kind::Text(_), Json::String(text)) if text.is_empty() => return Ok(None),
        (Kind::Text(max), Json::String(text)) => Value::Text(fitting(table, column, text, max)?),
        (Kind::Key, Json::String(text)) => Value::Id(guid(text).ok_or_else(mismatch)?),
        (Kind::Bool, Json::Bool(bool)) => Value::Bool(*bool),
        (Kind::Int, Json::Number(number)) => {
            let int = number.as_i64().filter(|int| i32::try_from(*int).is_ok());
            Value::Int(int.ok_or_else(mismatch)?)
        }
        _ => return Err(mismatch()),
    };
    Ok(Some(converted))
}

fn fitting(table: Table, column: &Column, text: &str, max: usize) -> Result<String, ODataError> {
    check_characters(column.name, text)?;
    if text.encode_utf16().count() <= max {
        return Ok(text.to_owned());
    }
    let message = format!(
        "A validation error occurred. The length of the '{}' attribute of the '{}' entity exceeded the maximum \
         allowed length of '{max}'.",
        column.name,
        table.logical()
    );
    Err(ODataError::bad_request(error::TOO_LONG, message))
}

/// Dataverse passes values on as XML, so characters that XML 1.0 does not allow are rejected (`InvalidCharactersInField`).
pub(super) fn check_characters(field: &str, text: &str) -> Result<(), ODataError> {
    let is_allowed = |character: &char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    match text.chars().find(|character| !is_allowed(character)) {
        None => Ok(()),
        Some(character) => {
            let message = format!(
                "Invalid character in field '{field}': '', hexadecimal value 0x{:02X}, is an invalid character.",
                u32::from(character)
            );
            Err(ODataError::bad_request(error::CHARACTER, message))
        }
    }
}

/// `"<navigation>@odata.bind": "/<entity set>(<guid>)"`; null removes the reference.
fn bind(
    table: Table,
    dual_write: bool,
    navigation: &str,
    value: &Json,
) -> Result<(&'static str, Option<Value>), ODataError> {
    let found = table.columns(dual_write).find_map(|column| match column.kind {
        Kind::Lookup { navigation: name, target } if name == navigation && column.writable => {
            Some((column.name, target))
        }
        _ => None,
    });
    let Some((column, target)) = found else {
        let reason = format!(
            "An undeclared property '{navigation}' which only has property annotations in the payload but no \
             property value was found in the payload."
        );
        return Err(ODataError::payload(table.set(), reason));
    };
    match value {
        Json::Null => Ok((column, None)),
        Json::String(uri) => {
            let id = bound(uri, target);
            let id = id.ok_or_else(|| {
                ODataError::payload(table.set(), format!("'{navigation}' is not bound to an existing row."))
            })?;
            Ok((column, Some(Value::Id(id))))
        }
        _ => Err(ODataError::payload(table.set(), format!("'{navigation}' must be bound to an address."))),
    }
}

/// The id in `cdm_companies(<guid>)`, `/cdm_companies(<guid>)` or an absolute address.
fn bound(uri: &str, target: Table) -> Option<Uuid> {
    let relative = match uri.split_once("/api/data/v9.2/") {
        Some((origin, rest)) if origin.starts_with("http://") || origin.starts_with("https://") => rest,
        Some(_) => return None,
        None => uri.strip_prefix('/').unwrap_or(uri),
    };
    let key = relative.strip_prefix(target.set())?.strip_prefix('(')?.strip_suffix(')')?;
    guid(key)
}

/// A GUID in its usual form, with hyphens and without brackets.
pub(super) fn guid(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|_| text.len() == 36)
}
