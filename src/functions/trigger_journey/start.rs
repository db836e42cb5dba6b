//! Starts the journeys of one event, and says what was started.

use std::collections::BTreeSet;

use serde_json::json;

use super::answer::{Answer, bad_request, error_of, event_fields};
use crate::events::{JourneyOutcome, Message, Record};
use crate::functions::Services;
use crate::functions::on_heap::on_heap;
use crate::functions::start_error::StartError;
use crate::functions::start_journeys::{Force, Settled, StartOptions, start_and_report};

/// Starts the journeys of one event. The status is 200 if all requested journeys have started or are skipped.
pub(super) async fn start(services: &Services, message: &Message, options: &StartOptions) -> Result<Answer, Answer> {
    if let Some(names) = &options.only {
        check_journeys(services, message, names)?;
    }
    let Settled { record, started_now, error } = match on_heap(|| start_and_report(services, message, options)).await {
        Ok(settled) => settled,
        Err(error) => return Err(not_started(services, message, error).await),
    };
    let error = match &options.only {
        Some(names) => unfinished(&record, &started_now, names, options.force).map(|detail| (error, detail)),
        None => error.map(|error| (Some(error), String::new())),
    };
    let mut answer = match error {
        None => Answer::ok(json!({})),
        Some((Some(error), _)) => error_of(error),
        Some((None, detail)) => super::answer::error(422, "journeyNotStarted", detail),
    };
    answer.add(event_fields(&record));
    answer.add(json!({"startedNow": started_now}));
    Ok(answer)
}

/// Nothing could be recorded. The answer shows the record as it is.
async fn not_started(services: &Services, message: &Message, error: StartError) -> Answer {
    let id = message.event.id();
    let mut answer = error_of(error);
    answer.add(json!({"eventId": id, "eventChannelId": message.event.channel_id, "startedNow": []}));
    if let Ok(Some(record)) = services.store.record(&message.event.channel_id, &id).await {
        answer.add(event_fields(&record));
    }
    answer
}

/// Names that are no enabled journeys of the event's type.
fn check_journeys(services: &Services, message: &Message, names: &BTreeSet<String>) -> Result<(), Answer> {
    let event_type = &message.event.event_type;
    let known: Vec<&str> = services.journeys.of_type(event_type).map(|journey| journey.name.as_str()).collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(60).collect();
            let known = known.join(", ");
            Err(bad_request(format!("journeys: {name} is no enabled journey of {event_type}; they are: {known}")))
        }
    }
}

/// The requested journeys that have neither started nor are skipped.
fn unfinished(record: &Record, started_now: &[String], names: &BTreeSet<String>, force: Force) -> Option<String> {
    let is_finished = |name: &&String| match record.journeys().get(*name) {
        Some(JourneyOutcome::Started { .. }) => force != Force::Started || started_now.contains(name),
        outcome => matches!(outcome, Some(JourneyOutcome::Skipped { .. })),
    };
    let rest: Vec<&str> = names.iter().filter(|name| !is_finished(name)).map(String::as_str).collect();
    (!rest.is_empty()).then(|| {
        let rest = rest.join(", ");
        format!(
            "not started: {rest}; journeys contains the reason, and a dry run shows their conditions and parameters"
        )
    })
}
