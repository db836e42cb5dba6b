//! The custom triggers of the enabled journeys: published, and given what they ask for.
//!
//! Page: "CustomAPI tables" of the Dataverse developer guide.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::dataverse::{failed, refusal, unanswered};
use super::{Finding, ParameterFinding, Stage};
use crate::app::App;
use crate::clients::{Dependency, Reply};
use crate::journeys::{DeclaredParameter, Journey, Type};

pub(super) async fn check(app: &App) -> Vec<Finding> {
    let mut findings = Vec::new();
    for journey in app.journeys.iter() {
        findings.push(check_one(app, journey).await);
    }
    findings
}

#[derive(Deserialize)]
struct Found {
    value: Vec<Trigger>,
}

/// A custom API, as far as it matters.
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

async fn check_one(app: &App, journey: &Journey) -> Finding {
    let what = format!("trigger of {}", journey.name);
    let filter = format!("uniquename eq '{}'", journey.trigger);
    let query = [("$select", SELECT), ("$expand", EXPAND), ("$filter", filter.as_str())];
    match app.dataverse.probe("customapis", &query).await {
        Ok(reply) => judge(&what, journey, &reply),
        Err(error) => unanswered(&what, &error),
    }
}

fn judge(what: &str, journey: &Journey, reply: &Reply) -> Finding {
    let found = serde_json::from_slice::<Found>(&reply.body).ok().filter(|_| reply.status.is_success());
    let Some(found) = found else { return refusal(what, reply) };
    // Text is compared without regard to case; the names of actions are not.
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

/// Compares what the trigger asks for with what the journey gives.
fn compare(what: &str, journey: &Journey, theirs: &[Parameter]) -> Finding {
    let ours: BTreeMap<&str, DeclaredParameter<'_>> =
        journey.parameters().map(|parameter| (parameter.name, parameter)).collect();
    let mut mistakes = Vec::new();
    for Parameter { uniquename, kind, isoptional } in theirs {
        match ours.get(uniquename.as_str()) {
            None if *isoptional => {}
            None => mistakes.push(format!("{uniquename} is required and not filled")),
            Some(ours) if !fits(ours.kind, *kind) => {
                mistakes.push(format!("{uniquename} is a {}, and filled with a {:?}", kind_name(*kind), ours.kind));
            }
            Some(ours) if ours.may_be_absent && !isoptional => {
                mistakes.push(format!("{uniquename} is required, and optional in journeys.json"));
            }
            Some(_) => {}
        }
    }
    let unknown = ours.keys().filter(|name| !theirs.iter().any(|parameter| parameter.uniquename == **name));
    mistakes.extend(unknown.clone().map(|name| format!("the trigger has no parameter {name}")));
    let finding = match mistakes.is_empty() {
        true => Finding::green(Dependency::Dataverse, what),
        false => failed(
            what,
            Stage::Exists,
            mistakes.join("; "),
            &format!(
                "bring the parameters of \"{}\" in journeys.json in line with the trigger: Dataverse refuses every \
                 invocation that leaves a required parameter out, has one too many, or one of the wrong type",
                journey.name
            ),
        ),
    };
    let declared = theirs.iter().map(|parameter| ParameterFinding {
        name: parameter.uniquename.clone(),
        kind: Some(kind_name(parameter.kind).to_owned()),
        required: !parameter.isoptional,
        filled: ours.contains_key(parameter.uniquename.as_str()),
    });
    let surplus =
        unknown.map(|name| ParameterFinding { name: (*name).to_owned(), kind: None, required: false, filled: true });
    let parameters = declared.chain(surplus).collect();
    Finding { parameters, ..finding }.noting(journey.trigger.as_str())
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

/// Whether a value in the JSON form of `ours` is one of `theirs`.
fn fits(ours: Type, theirs: u8) -> bool {
    let theirs = kind_name(theirs);
    match ours {
        Type::Decimal | Type::Float | Type::Money => ["Decimal", "Float", "Money"].contains(&theirs),
        Type::Integer => ["Integer", "Picklist", "Decimal", "Float", "Money"].contains(&theirs),
        Type::DateTime => ["DateTime", "String"].contains(&theirs),
        Type::Guid => ["Guid", "String"].contains(&theirs),
        Type::Boolean => theirs == "Boolean",
        Type::String => theirs == "String",
    }
}
