//! The custom triggers of the enabled journeys: whether they are published, and whether their parameters match.
//!
//! Page: "CustomAPI tables" of the Dataverse developer guide.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::dataverse::{failed, no_response, rejection};
use super::{Finding, ParameterFinding, Stage};
use crate::clients::Reply;
use crate::dependency::Dependency;
use crate::functions::Services;
use crate::journeys::{DeclaredParameter, Journey, Type};
use crate::json::read_json;

pub(super) async fn check(services: &Services) -> Vec<Finding> {
    let mut findings = Vec::new();
    for journey in services.journeys.iter() {
        findings.push(check_one(services, journey).await);
    }
    findings
}

#[derive(Deserialize)]
struct Found {
    value: Vec<Trigger>,
}

/// A custom API.
#[derive(Deserialize)]
struct Trigger {
    uniquename: String,
    #[serde(rename = "CustomAPIRequestParameters", default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    uniquename: String,
    #[serde(rename = "type")]
    kind: u8,
    isoptional: bool,
}

const SELECT: &str = "uniquename,isfunction,bindingtype";
const EXPAND: &str = "CustomAPIRequestParameters($select=uniquename,type,isoptional)";

async fn check_one(services: &Services, journey: &Journey) -> Finding {
    let what = format!("trigger of {}", journey.name);
    let filter = format!("uniquename eq '{}'", journey.trigger);
    let query = [("$select", SELECT), ("$expand", EXPAND), ("$filter", filter.as_str())];
    match services.dataverse.probe("customapis", &query).await {
        Ok(reply) => evaluate(&what, journey, &reply),
        Err(error) => no_response(&what, &error),
    }
}

fn evaluate(what: &str, journey: &Journey, reply: &Reply) -> Finding {
    let found = read_json::<Found>(&reply.body).ok().filter(|_| reply.status.is_success());
    let Some(found) = found else { return rejection(what, reply) };
    // The query ignores case, but the names of actions are case-sensitive.
    let Some(trigger) = found.value.into_iter().find(|trigger| trigger.uniquename == journey.trigger) else {
        return failed(
            what,
            Stage::Exists,
            format!("there is no custom trigger {}, or it is not published", journey.trigger),
            "in Customer Insights - Journeys, Triggers, set the trigger to Ready to use, and give journeys.json (or the \
             setting that it names) the name that Go to code snippet shows",
        );
    };
    compare(what, journey, &trigger.parameters)
}

/// Compares the trigger's parameters with those of the journey.
fn compare(what: &str, journey: &Journey, expected: &[Parameter]) -> Finding {
    let declared: BTreeMap<&str, DeclaredParameter<'_>> =
        journey.parameters().map(|parameter| (parameter.name, parameter)).collect();
    let mut mistakes = Vec::new();
    for Parameter { uniquename, kind, isoptional } in expected {
        match declared.get(uniquename.as_str()) {
            None if *isoptional => {}
            None => mistakes.push(format!("{uniquename} is required and not filled")),
            Some(own) if !is_compatible(own.kind, *kind) => {
                mistakes.push(format!(
                    "{uniquename} is a {}, but journeys.json has a {:?}",
                    kind_name(*kind),
                    own.kind
                ));
            }
            Some(own) if own.may_be_absent && !isoptional => {
                mistakes.push(format!("{uniquename} is required, but optional in journeys.json"));
            }
            Some(_) => {}
        }
    }
    let unknown = declared.keys().filter(|name| !expected.iter().any(|parameter| parameter.uniquename == **name));
    mistakes.extend(unknown.clone().map(|name| format!("the trigger has no parameter {name}")));
    let finding = match mistakes.is_empty() {
        true => Finding::ok(Dependency::Dataverse, what),
        false => failed(
            what,
            Stage::Exists,
            mistakes.join("; "),
            &format!(
                "change the parameters of \"{}\" in journeys.json to match the trigger: Dataverse rejects an invocation \
                 with a missing required parameter, an unknown parameter, or a parameter of the wrong type",
                journey.name
            ),
        ),
    };
    let existing = expected.iter().map(|parameter| ParameterFinding {
        name: parameter.uniquename.clone(),
        kind: Some(kind_name(parameter.kind).to_owned()),
        required: !parameter.isoptional,
        filled: declared.contains_key(parameter.uniquename.as_str()),
    });
    let surplus =
        unknown.map(|name| ParameterFinding { name: (*name).to_owned(), kind: None, required: false, filled: true });
    let parameters = existing.chain(surplus).collect();
    Finding { parameters, ..finding }.with_note(journey.trigger.as_str())
}

/// `customapirequestparameter.type`.
const KINDS: [&str; 13] = [
    "Boolean",
    "DateTime",
    "Decimal",
    "Entity",
    "EntityCollection",
    "EntityReference",
    "Float",
    "Integer",
    "Money",
    "Picklist",
    "String",
    "StringArray",
    "Guid",
];

fn kind_name(code: u8) -> &'static str {
    KINDS.get(usize::from(code)).copied().unwrap_or("type unknown here")
}

/// Whether a value of the declared type is valid for the trigger's type.
fn is_compatible(declared: Type, expected: u8) -> bool {
    let expected = kind_name(expected);
    match declared {
        Type::Decimal | Type::Float | Type::Money => ["Decimal", "Float", "Money"].contains(&expected),
        Type::Integer => ["Integer", "Picklist", "Decimal", "Float", "Money"].contains(&expected),
        Type::DateTime => ["DateTime", "String"].contains(&expected),
        Type::Guid => ["Guid", "String"].contains(&expected),
        Type::Boolean => expected == "Boolean",
        Type::String => expected == "String",
    }
}
