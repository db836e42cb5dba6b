//! `trigger-journey`: replays an event, takes dead letters up again, and tries journeys out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::contacts::find;
use super::enrich::{Customers, NotEnriched, enrich, needs_order};
use super::person::person_of;
use super::setback::{Setback, Terms};
use super::start_journeys::start_journeys;
use crate::app::App;
use crate::events::{CommerceEvent, EventId, Message, OutgoingMessage, Reason, ReasonCode, Record, read_json};
use crate::journeys::View;
use crate::telemetry::{LogEvent, invocation};

/// What the caller is told.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status: 200 only if all that was asked for is done.
    pub status: u16,
    /// JSON.
    pub body: Value,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    event_id: Option<EventId>,
    event_channel_id: Option<String>,
    message: Option<Box<RawValue>>,
    dead_letters: Option<DeadLetters>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadLetters {
    max: usize,
}

/// Dead letters taken up by one request; each is locked until the request ends.
const MOST_DEAD_LETTERS: usize = 100;

/// Carries out what the body of a request asks for.
pub async fn trigger_journey(app: &App, body: &[u8]) -> Answer {
    match carry_out(app, body).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn carry_out(app: &App, body: &[u8]) -> Result<Answer, Answer> {
    let request: Request = read_json(body).map_err(|problem| wrong(format!("the body is not a request: {problem}")))?;
    let Request { event_id, event_channel_id, message, dead_letters, force, dry_run } = request;
    let message = match (event_id, event_channel_id, message, dead_letters) {
        (Some(id), Some(channel), None, None) => recorded_message(app, &id, &channel).await?,
        (None, None, Some(message), None) => {
            Message::decode(message.get().as_bytes()).map_err(|problem| wrong(format!("message: {problem}")))?
        }
        (None, None, None, Some(DeadLetters { max })) => {
            if dry_run {
                return Err(wrong("dryRun: dead letters cannot be tried out; post one as \"message\""));
            }
            if max == 0 || max > MOST_DEAD_LETTERS {
                return Err(wrong(format!("deadLetters.max: must be from 1 to {MOST_DEAD_LETTERS}")));
            }
            return redrive(app, max, force).await;
        }
        (Some(_), None, ..) => {
            return Err(wrong("eventChannelId: is missing; an event is found by eventId and eventChannelId"));
        }
        (None, Some(_), ..) => {
            return Err(wrong("eventId: is missing; an event is found by eventId and eventChannelId"));
        }
        _ => return Err(wrong("give one of: eventId with eventChannelId, message, deadLetters")),
    };
    invocation::note(|facts| facts.about(&message.event));
    if dry_run {
        return try_out(app, &message).await;
    }
    let terms = Terms { look_first: true, reopen: true, force, ..Terms::default() };
    start_journeys(app, &message, &terms)
        .await
        .map(|record| done(&record))
        .map_err(|setback| unsuccessful(&message.event, setback))
}

fn error(status: u16, code: &str, message: impl Into<String>) -> Answer {
    Answer { status, body: json!({"error": {"code": code, "message": message.into()}}), retry_after: None }
}

fn wrong(message: impl Into<String>) -> Answer {
    error(400, "badRequest", message)
}

fn later(reason: &Reason, retry_after: Option<Duration>) -> Answer {
    let status = if reason.code == ReasonCode::InProgress { 409 } else { 503 };
    let retry_after = Some(retry_after.unwrap_or(Duration::from_secs(10)));
    Answer { retry_after, ..error(status, &reason.code.to_string(), &reason.detail) }
}

fn done(record: &Record) -> Answer {
    let body = json!({
        "eventId": record.id, "status": record.status, "contactId": record.contact_id, "journeys": record.journeys, "reason": record.reason });
    Answer { status: 200, body, retry_after: None }
}

fn unsuccessful(event: &CommerceEvent, setback: Setback) -> Answer {
    let mut answer = match setback {
        Setback::Never { reason, .. } => error(422, &reason.code.to_string(), reason.detail),
        Setback::Retry { reason, retry_after, .. } => later(&reason, retry_after),
    };
    answer.body["eventId"] = json!(event.id());
    answer
}

/// The message of a recorded event, enriched anew.
async fn recorded_message(app: &App, id: &EventId, channel_id: &str) -> Result<Message, Answer> {
    let found = app.store.record(channel_id, id).await;
    let record =
        found.map_err(|problem| later(&Reason::new(ReasonCode::StoreUnavailable, problem.to_string()), None))?;
    let record = record
        .ok_or_else(|| error(404, "eventNotFound", format!("there is no record {id} in channel {channel_id}")))?;
    message_of(app, &record).await.map_err(|problem| {
        let NotEnriched { reason, retry_after, outage } = problem;
        if outage { later(&reason, retry_after) } else { error(422, &reason.code.to_string(), reason.detail) }
    })
}

async fn message_of(app: &App, record: &Record) -> Result<Message, NotEnriched> {
    let malformed = |problem: String| NotEnriched {
        reason: Reason::new(ReasonCode::MalformedEvent, problem),
        retry_after: None,
        outage: false,
    };
    record.event.check().map_err(|problem| malformed(problem.to_string()))?;
    let enriched = enrich(&app.commerce, &Customers::default(), &record.event).await?;
    let composed = OutgoingMessage::compose(record, enriched.order.as_deref(), enriched.customer.as_deref(), |_| true);
    let body = composed.map(|message| message.body).unwrap_or_default();
    Message::decode(body.as_bytes()).map_err(|problem| malformed(problem.to_string()))
}

/// What one journey would be told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trial<'a> {
    trigger: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_because: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BTreeMap<&'a str, Box<RawValue>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Shows contact and parameters, and changes nothing anywhere.
async fn try_out(app: &App, message: &Message) -> Result<Answer, Answer> {
    let view = View::new(message);
    let person = person_of(&view, &message.event);
    let contact = match person.is_known() {
        true => find(app, &person).await.map_err(|problem| unsuccessful(&message.event, problem.into()))?,
        false => None,
    };
    let id = contact.as_ref().map(|row| row.contactid);
    let trials: BTreeMap<&str, Trial<'_>> = app
        .journeys
        .of_type(&message.event.event_type)
        .map(|journey| {
            let nobody = (!person.is_known())
                .then(|| "the event names neither an account number nor an e-mail address".to_owned());
            let skipped_because = nobody.or_else(|| journey.unmet(&view));
            let mut trial = Trial { trigger: &journey.trigger, skipped_because, parameters: None, problem: None };
            if trial.skipped_because.is_none() {
                match journey.fill(&view, id.unwrap_or(Uuid::nil()), app.clock.now()) {
                    Ok(parameters) => trial.parameters = Some(parameters),
                    Err(missing) => trial.problem = Some(missing.to_string()),
                }
            }
            (journey.name.as_str(), trial)
        })
        .collect();
    let contact = match id {
        Some(id) => json!({"id": id, "found": true}),
        None => json!({"id": null, "found": false, "wouldBeCreated": person.is_known()}),
    };
    let body = json!({"eventId": message.event.id(), "dryRun": true, "contact": contact, "journeys": trials});
    Ok(Answer { status: 200, body, retry_after: None })
}

/// Takes messages from the dead-letter queue through the usual path. What succeeds leaves the queue; what fails stays
/// on it, with its reason in the record.
async fn redrive(app: &App, max: usize, force: bool) -> Result<Answer, Answer> {
    let mut kept = Vec::new();
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    while succeeded.len() + failed.len() < max {
        let next = app.bus.next_dead_letter().await;
        let next =
            next.map_err(|problem| later(&Reason::new(ReasonCode::ServiceBusUnavailable, problem.to_string()), None))?;
        let Some(letter) = next else { break };
        match redrive_one(app, &letter.body(), force).await {
            Ok(record) => {
                if let Err(problem) = letter.complete().await {
                    // Its event is done; another redrive finds that out and takes it off.
                    LogEvent::DeadLetterKept { event_id: Some(&record.id), detail: &problem.to_string() }.log();
                }
                succeeded.push(record.id);
            }
            Err(reason) => {
                failed.push(reason);
                // Released at the end: a message that is given back now would be the next one again.
                kept.push(letter);
            }
        }
    }
    for letter in &kept {
        if let Err(problem) = letter.release().await {
            LogEvent::DeadLetterKept { event_id: None, detail: &problem.to_string() }.log();
        }
    }
    let status = if failed.is_empty() { 200 } else { 422 };
    invocation::note(|facts| facts.dead_letters = Some(succeeded.len() + failed.len()));
    let body = json!({"taken": succeeded.len() + failed.len(), "succeeded": succeeded, "failed": failed});
    Ok(Answer { status, body, retry_after: None })
}

async fn redrive_one(app: &App, body: &str, force: bool) -> Result<Record, Value> {
    let failed = |event: Option<EventId>, reason: Reason| json!({"eventId": event, "reason": reason});
    let message = Message::decode(body.as_bytes())
        .map_err(|problem| failed(None, Reason::new(ReasonCode::MalformedEvent, problem.to_string())))?;
    let id = message.event.id();
    let message = complete_message(app, message).await.map_err(|reason| failed(Some(id.clone()), reason))?;
    let terms = Terms { look_first: true, reopen: true, force, ..Terms::default() };
    start_journeys(app, &message, &terms).await.map_err(|setback| match setback {
        Setback::Never { reason, .. } | Setback::Retry { reason, .. } => failed(Some(id), reason),
    })
}

/// A message that was dead-lettered without its order gets it now, if the order is there now.
async fn complete_message(app: &App, message: Message) -> Result<Message, Reason> {
    if message.order.is_some() || !needs_order(&message.event) {
        return Ok(message);
    }
    let now = app.clock.now();
    message_of(app, &Record::new(message.event, Uuid::nil(), now, now)).await.map_err(|problem| problem.reason)
}
