//! Custom triggers of Customer Insights - Journeys: unbound actions with typed parameters.
//!
//! Wire format: "Use Web API actions" and the `customapirequestparameter` table in Microsoft's documentation.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{self, ODataError};
use super::payload::{check_characters, guid};

/// A custom trigger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Trigger {
    /// The action's name, including the number that each environment adds.
    #[serde(rename = "trigger")]
    pub name: String,
    /// The parameters.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a custom trigger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Parameter {
    /// The name: `msdynmkt_` and the attribute in lower case.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// Whether it can be omitted.
    pub optional: bool,
}

/// A parameter's type, by its code in `customapirequestparameter.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
#[expect(missing_docs, reason = "the names are Dataverse's")]
pub enum ParameterKind {
    Boolean = 0,
    DateTime = 1,
    Decimal = 2,
    Float = 6,
    Integer = 7,
    Money = 8,
    String = 10,
    Guid = 12,
}

/// A type code that the sandbox does not support.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not the code of a parameter type that the sandbox knows")]
pub struct UnknownKind(u8);

impl TryFrom<u8> for ParameterKind {
    type Error = UnknownKind;

    fn try_from(code: u8) -> Result<Self, UnknownKind> {
        use ParameterKind as Kind;
        let kinds = [Kind::Boolean, Kind::DateTime, Kind::Decimal, Kind::Float, Kind::Integer, Kind::Money];
        let mut kinds = kinds.into_iter().chain([Kind::String, Kind::Guid]);
        kinds.find(|kind| *kind as u8 == code).ok_or(UnknownKind(code))
    }
}

impl Trigger {
    /// Reads `{"trigger": name, "parameters": [{"name", "type", "optional"}]}`.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// Checks a call's body: every parameter has the right type, none is missing, and none is unknown.
    pub(super) fn check(&self, body: &str) -> Result<(), ODataError> {
        // Numbers stay text here, because a decimal must not be converted to a binary fraction.
        let values: BTreeMap<String, &RawValue> =
            serde_json::from_str(body).map_err(|error| ODataError::payload("", error.to_string()))?;
        for name in values.keys() {
            if !self.parameters.iter().any(|parameter| parameter.name == *name) {
                let reason = format!(
                    "The parameter '{name}' in the request payload is not a valid parameter for the operation '{}'.",
                    self.name
                );
                return Err(ODataError::payload("", reason));
            }
        }
        self.parameters.iter().try_for_each(|parameter| parameter.check(values.get(&parameter.name).copied()))
    }
}

impl Parameter {
    /// A required parameter.
    pub fn required(name: &str, kind: ParameterKind) -> Self {
        Self { name: name.to_owned(), kind, optional: false }
    }

    /// An optional parameter.
    pub fn optional(name: &str, kind: ParameterKind) -> Self {
        Self { name: name.to_owned(), kind, optional: true }
    }

    /// A required parameter must have a value other than null. An empty text is a value.
    fn check(&self, value: Option<&RawValue>) -> Result<(), ODataError> {
        let Some(value) = value.map(RawValue::get).filter(|value| *value != "null") else {
            return if self.optional { Ok(()) } else { Err(self.missing()) };
        };
        if self.kind == ParameterKind::String
            && let Ok(text) = serde_json::from_str::<String>(value)
        {
            return check_characters(&self.name, &text);
        }
        if self.kind.accepts(value) {
            return Ok(());
        }
        let reason = format!("Cannot convert the value of '{}' to the expected type {:?}.", self.name, self.kind);
        Err(ODataError::payload("", reason))
    }

    fn missing(&self) -> ODataError {
        let message = format!("The required parameter '{}' is missing.", self.name);
        ODataError::bad_request(error::MISSING_PARAMETER, message)
    }
}

impl ParameterKind {
    /// Whether a JSON value, as it was written, has this type.
    fn accepts(self, raw: &str) -> bool {
        let text = || serde_json::from_str::<String>(raw).ok();
        match self {
            Self::Boolean => raw == "true" || raw == "false",
            Self::DateTime => text().is_some_and(|text| DateTime::parse_from_rfc3339(&text).is_ok()),
            // The range of a decimal. Its scale is not limited.
            Self::Decimal | Self::Money => number(raw).is_some_and(|number| number.abs() < 7.9e28),
            Self::Float => number(raw).is_some(),
            Self::Integer => raw.parse::<i32>().is_ok(),
            Self::String => text().is_some(),
            Self::Guid => text().is_some_and(|text| guid(&text).is_some()),
        }
    }
}

fn number(raw: &str) -> Option<f64> {
    serde_json::from_str::<f64>(raw).ok()
}
