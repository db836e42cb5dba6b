//! Starts journeys when custom triggers are called.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::State;
use super::error::ODataError;
use super::payload::guid;
use super::rows::Value as Cell;
use super::schema::Table;

/// An accepted call of a custom trigger.
///
/// Two calls with the same parameters are two journeys.
#[derive(Clone, Debug, PartialEq)]
pub struct StartedJourney {
    /// The number of the call, from 1.
    pub number: u64,
    /// The trigger's name.
    pub trigger: String,
    /// The contact of the journey: `msdynmkt_profileid`, if it is a contact's id and `msdynmkt_signaluserauthid` is the
    /// same. Otherwise the call is accepted, but no message is sent.
    pub contact: Option<Uuid>,
    /// Whether the contact was active at that time.
    pub to_active_contact: bool,
    /// The call's body, with every number as it was written.
    pub body: String,
    /// The time of the call.
    pub at: DateTime<Utc>,
    /// The call's `traceparent` header.
    pub traceparent: Option<String>,
}

impl StartedJourney {
    /// The parameters, parsed from the body. The body is kept as text, because a parsed object needs several times the
    /// memory.
    pub fn parameters(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A parameter as it was written in the body: a number with all its digits, a text with its quotes.
    pub fn as_written(&self, parameter: &str) -> Option<String> {
        let values: BTreeMap<String, &RawValue> = serde_json::from_str(&self.body).ok()?;
        values.get(parameter).map(|value| value.get().to_owned())
    }
}

/// Checks a call, starts its journey and returns its number.
pub(super) fn start(
    state: &mut State,
    name: &str,
    body: &[u8],
    traceparent: Option<&str>,
    at: DateTime<Utc>,
) -> Result<u64, ODataError> {
    let published = state.triggers.get(name).filter(|trigger| trigger.published);
    let trigger = published.ok_or_else(|| ODataError::unknown_segment(name))?.trigger.clone();
    let body = std::str::from_utf8(body).map_err(|error| ODataError::payload("", error))?;
    trigger.check(body)?;
    let parameters: Value = serde_json::from_str(body).map_err(|error| ODataError::payload("", error))?;
    let number = state.started.len() as u64 + 1;
    let contact = contact(state, &parameters);
    let row = contact.and_then(|id| state.rows.get(Table::Contacts, id));
    let to_active_contact = row.is_some_and(|row| row.get("statecode") == Some(&Cell::Int(0)));
    let started = StartedJourney {
        number,
        trigger: name.to_owned(),
        contact,
        to_active_contact,
        body: body.to_owned(),
        at,
        traceparent: traceparent.map(str::to_owned),
    };
    state.started.push(Arc::new(started));
    Ok(number)
}

fn contact(state: &State, parameters: &Value) -> Option<Uuid> {
    let id = |name: &str| parameters.get(name).and_then(Value::as_str).and_then(guid);
    let profile = id("msdynmkt_profileid")?;
    let same = id("msdynmkt_signaluserauthid") == Some(profile);
    state.rows.get(Table::Contacts, profile).filter(|_| same).map(|row| row.id)
}
