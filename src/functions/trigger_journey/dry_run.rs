//! The dry run: shows contact and parameters, and changes nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::answer::{Answer, failed};
use crate::contacts::Person;
use crate::events::Message;
use crate::functions::Services;
use crate::functions::contacts::find;
use crate::functions::person::view_and_person;
use crate::functions::start_journeys::skip_reason;
use crate::journeys::{Journey, View};

/// The dry run of one journey.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRun<'a> {
    trigger: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_because: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BTreeMap<&'a str, Box<RawValue>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Shows the contact and the parameters of each journey. Changes nothing.
pub(super) async fn dry_run(services: &Services, message: &Message) -> Result<Answer, Answer> {
    let (view, person) = view_and_person(message, &services.settings.default_customers);
    let contact = match person.is_known() {
        true => find(services, &person).await.map_err(|error| failed(&message.event, error.into()))?,
        false => None,
    };
    let id = contact.map(|row| row.contactid);
    let journeys: BTreeMap<&str, DryRun<'_>> = services
        .journeys
        .of_type(&message.event.event_type)
        .map(|journey| (journey.name.as_str(), dry_run_one(services, journey, &view, &person, id)))
        .collect();
    let contact = match id {
        Some(id) => json!({"id": id, "found": true}),
        None => json!({"id": null, "found": false, "wouldBeCreated": person.is_known()}),
    };
    let body = json!({"eventId": message.event.id(), "dryRun": true, "contact": contact, "journeys": journeys});
    Ok(Answer { status: 200, body, retry_after: None })
}

fn dry_run_one<'a>(
    services: &Services,
    journey: &'a Journey,
    view: &View<'_>,
    person: &Person,
    contact: Option<Uuid>,
) -> DryRun<'a> {
    let trigger = journey.trigger.as_str();
    let skipped_because = skip_reason(journey, view, person);
    if skipped_because.is_some() {
        return DryRun { trigger, skipped_because, parameters: None, problem: None };
    }
    let (parameters, problem) = match journey.fill(view, contact.unwrap_or(Uuid::nil()), services.clock.now()) {
        Ok(parameters) => (Some(parameters), None),
        Err(missing) => (None, Some(missing.to_string())),
    };
    DryRun { trigger, skipped_because, parameters, problem }
}
