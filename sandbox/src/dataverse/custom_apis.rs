//! The `customapis` table: the available actions and their parameters.
//!
//! Page: "CustomAPI tables" of the Dataverse developer guide. Here it contains only custom triggers, and the only
//! supported query is for unique names, with or without its parameters.

use serde_json::{Map, Value, json};

use super::error::ODataError;
use super::lexer::{Token, tokens};
use super::request::ApiRequest;
use super::triggers::{Parameter, Trigger};

const LOGICAL: &str = "customapi";
const COLUMNS: [&str; 6] =
    ["customapiid", "uniquename", "displayname", "isfunction", "bindingtype", "allowedcustomprocessingsteptype"];
const NAVIGATION: &str = "CustomAPIRequestParameters";
const PARAMETER_COLUMNS: [&str; 5] = ["customapirequestparameterid", "uniquename", "name", "type", "isoptional"];

/// A query for custom APIs by name.
pub(super) struct Query<'a> {
    names: Vec<String>,
    columns: Vec<&'a str>,
    /// The columns of the expanded parameters.
    parameters: Option<Vec<&'a str>>,
}

impl<'a> Query<'a> {
    /// Parses the options of a request.
    pub(super) fn parse(request: &'a ApiRequest) -> Result<Self, ODataError> {
        let mut query = Self { names: Vec::new(), columns: COLUMNS.to_vec(), parameters: None };
        for (option, value) in &request.options {
            match option.as_str() {
                "$select" => query.columns = columns(value, &COLUMNS, LOGICAL)?,
                "$expand" => query.parameters = Some(expanded(value)?),
                "$filter" => query.names = by_names(value)?,
                _ => return Err(ODataError::not_here(&format!("The query option '{option}' on {LOGICAL}"))),
            }
        }
        if query.names.is_empty() {
            return Err(ODataError::not_here("A list of all custom APIs"));
        }
        Ok(query)
    }

    /// Whether the query is for this action. Text is compared case-insensitively.
    pub(super) fn asks_for(&self, trigger: &Trigger) -> bool {
        self.names.iter().any(|name| trigger.name.eq_ignore_ascii_case(name))
    }

    /// A row of the answer.
    pub(super) fn row(&self, trigger: &Trigger) -> Value {
        let value = |column: &str| match column {
            "customapiid" => json!(id(&trigger.name)),
            "isfunction" => json!(false),
            // A global action that allows asynchronous steps only.
            "bindingtype" => json!(0),
            "allowedcustomprocessingsteptype" => json!(1),
            _ => json!(trigger.name),
        };
        let mut row: Map<String, Value> = self.columns.iter().map(|name| ((*name).to_owned(), value(name))).collect();
        row.insert("customapiid".to_owned(), value("customapiid"));
        if let Some(columns) = &self.parameters {
            let rows = trigger.parameters.iter().map(|parameter| parameter_row(trigger, parameter, columns)).collect();
            row.insert(NAVIGATION.to_owned(), Value::Array(rows));
        }
        Value::Object(row)
    }
}

fn parameter_row(trigger: &Trigger, parameter: &Parameter, columns: &[&str]) -> Value {
    let value = |column: &str| match column {
        "customapirequestparameterid" => json!(id(&format!("{}/{}", trigger.name, parameter.name))),
        "type" => json!(parameter.kind as u8),
        "isoptional" => json!(parameter.optional),
        _ => json!(parameter.name),
    };
    columns.iter().chain(&PARAMETER_COLUMNS[..1]).map(|name| ((*name).to_owned(), value(name))).collect()
}

fn id(name: &str) -> uuid::Uuid {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(name.as_bytes());
    let (half, _) = digest.split_at(16);
    uuid::Uuid::from_slice(half).unwrap_or_default()
}

fn columns<'a>(text: &'a str, known: &[&str], logical: &str) -> Result<Vec<&'a str>, ODataError> {
    let column = |name: &'a str| {
        let name = name.trim();
        if known.contains(&name) { Ok(name) } else { Err(ODataError::unknown_property(name, logical)) }
    };
    text.split(',').map(column).collect()
}

/// `CustomAPIRequestParameters($select=…)`
fn expanded(text: &str) -> Result<Vec<&str>, ODataError> {
    let inside = text.strip_prefix(NAVIGATION).and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')'));
    match inside.and_then(|inside| inside.strip_prefix("$select=")) {
        Some(names) => columns(names, &PARAMETER_COLUMNS, "customapirequestparameter"),
        None if text == NAVIGATION => Ok(PARAMETER_COLUMNS.to_vec()),
        None => Err(ODataError::unknown_property(text.split('(').next().unwrap_or_default(), LOGICAL)),
    }
}

/// `uniquename eq '…'`, or several of them joined by `or`
fn by_names(text: &str) -> Result<Vec<String>, ODataError> {
    let tokens: Vec<Token> = tokens(text)?.into_iter().map(|(_, token)| token).collect();
    let conditions = tokens.split(|token| matches!(token, Token::Word(word) if word == "or"));
    let name = |condition: &[Token]| match condition {
        [Token::Word(column), Token::Word(eq), Token::Text(name)] if column == "uniquename" && eq == "eq" => {
            Ok(name.clone())
        }
        _ => Err(ODataError::not_here("Another filter on customapi")),
    };
    conditions.map(name).collect()
}
