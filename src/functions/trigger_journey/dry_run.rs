//! The dry run: shows contact and parameters, what has started already, and what would start. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::answer::{Answer, error_of, store_error};
use crate::contacts::Person;
use crate::events::{JourneyOutcome, Message};
use crate::functions::Services;
use crate::functions::contacts::{ContactError, Located, find};
use crate::functions::on_heap::on_heap;
use crate::functions::person::view_and_person;
use crate::functions::start_journeys::{prevented, skip_reason};
use crate::journeys::{Journey, View};

/// The dry run of one journey.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRun<'a> {
    trigger: &'a str,
    /// Whether Dataverse has the trigger. Absent if Dataverse does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_published: Option<bool>,
    /// The recorded outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<JourneyOutcome>,
    /// When it is due, if that is later.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_for: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_because: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BTreeMap<&'a str, Box<RawValue>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What is the same for all journeys of the event.
struct Context<'a> {
    services: &'a Services,
    view: View<'a>,
    person: Person,
    contact: Located,
    recorded: BTreeMap<String, JourneyOutcome>,
    prevented: BTreeMap<String, String>,
    occurred_at: Option<DateTime<Utc>>,
    published: Option<BTreeSet<String>>,
}

/// Shows the contact and, for each journey, its parameters and what is known about it. Changes nothing.
pub(super) async fn dry_run(services: &Services, message: &Message) -> Result<Answer, Answer> {
    let event = &message.event;
    let (view, person) = view_and_person(message, &services.settings.default_customers);
    let contact = match person.is_known() {
        true => find(services, &person).await.map_err(|error| error_of(error.into()))?,
        false => Located::Absent,
    };
    let record = services.store.record(&event.channel_id, &event.id()).await.map_err(|error| store_error(&error))?;
    let recorded = record.as_ref().map(|record| record.journeys().clone()).unwrap_or_default();
    let triggers: Vec<&str> =
        services.journeys.of_type(&event.event_type).map(|journey| journey.trigger.as_str()).collect();
    // A dry run is useful without it.
    let (published, not_checked) = match services.dataverse.published_triggers(&triggers).await {
        Ok(published) => (Some(published), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let prevented = on_heap(|| prevented(services, event, &person)).await.map_err(|error| store_error(&error))?;
    let occurred_at = event.occurred_at();
    let context = Context { services, view, person, contact, recorded, prevented, occurred_at, published };
    let journeys: BTreeMap<&str, DryRun<'_>> = services
        .journeys
        .of_type(&event.event_type)
        .map(|journey| (journey.name.as_str(), context.dry_run(journey)))
        .collect();
    let body = json!({
        "eventId": event.id(), "eventChannelId": event.channel_id, "dryRun": true,
        "status": record.map(|record| record.status()), "contact": context.contact_fields(), "journeys": journeys,
        "triggersNotChecked": not_checked});
    Ok(Answer::ok(body))
}

impl Context<'_> {
    fn contact_fields(&self) -> serde_json::Value {
        match &self.contact {
            Located::Usable(row, _) => json!({"id": row.contactid, "found": true}),
            Located::Unusable(id) => json!({"id": id, "found": true, "inactive": true}),
            Located::Absent => json!({"id": null, "found": false, "wouldBeCreated": self.person.is_known()}),
        }
    }

    /// The contact's id, and why its journeys would be skipped.
    fn contact_id(&self) -> (Uuid, Option<String>) {
        match &self.contact {
            Located::Usable(row, _) => (row.contactid, None),
            Located::Unusable(id) => (*id, Some(ContactError::Inactive(*id).to_string())),
            Located::Absent => (Uuid::nil(), None),
        }
    }

    fn skip_reason(&self, journey: &Journey) -> Option<String> {
        let prevented = self.prevented.get(&journey.name).cloned();
        prevented.or_else(|| skip_reason(journey, &self.view, &self.person).map(|(_, because)| because))
    }

    fn dry_run<'a>(&self, journey: &'a Journey) -> DryRun<'a> {
        let (contact, unusable) = self.contact_id();
        let mut dry_run = DryRun {
            trigger: journey.trigger.as_str(),
            trigger_published: self.published.as_ref().map(|published| published.contains(&journey.trigger)),
            recorded: self.recorded.get(&journey.name).cloned(),
            scheduled_for: journey.rules.due_at(self.occurred_at).filter(|due_at| *due_at > self.services.clock.now()),
            skipped_because: self.skip_reason(journey).or(unusable),
            parameters: None,
            problem: None,
        };
        if dry_run.skipped_because.is_some() {
            return dry_run;
        }
        let now = self.services.clock.now();
        match journey.fill(&self.view, contact, now) {
            Ok(parameters) => dry_run.parameters = Some(parameters),
            Err(missing) => dry_run.problem = Some(missing.to_string()),
        }
        dry_run
    }
}
