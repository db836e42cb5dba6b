//! `trigger-journey`: replays an event, redrives dead letters, or shows a dry run.

mod answer;
mod dry_run;
mod redrive;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Services;
use super::enrich::{CustomerCache, EnrichError, enrich};
use super::event_log::record_event;
use super::start_journeys::{StartOptions, start_journeys};
use crate::events::{EventId, Message, OutgoingMessage, Reason, ReasonCode, Record};
use crate::json::read_json;
pub use answer::Answer;
use answer::{bad_request, error, failed, retry_later, succeeded};
use dry_run::dry_run;
use redrive::{MAX_DEAD_LETTERS, redrive};

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

/// Maximum length of an event's id, and of its channel.
const MAX_KEY_BYTES: usize = 128;

/// Fulfils the request in `body`.
pub async fn trigger_journey(services: &Services, body: &[u8]) -> Answer {
    match fulfil(services, body).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn fulfil(services: &Services, body: &[u8]) -> Result<Answer, Answer> {
    let request: Request =
        read_json(body).map_err(|error| bad_request(format!("the body is not a request: {error}")))?;
    let Request { event_id, event_channel_id, message, dead_letters, force, dry_run: is_dry_run } = request;
    let message = match (event_id, event_channel_id, message, dead_letters) {
        (Some(id), _, None, None) if id.as_str().len() > MAX_KEY_BYTES => {
            return Err(bad_request(format!("eventId: is longer than {MAX_KEY_BYTES} bytes")));
        }
        (_, Some(channel), None, None) if channel.len() > MAX_KEY_BYTES => {
            return Err(bad_request(format!("eventChannelId: is longer than {MAX_KEY_BYTES} bytes")));
        }
        (Some(id), Some(channel), None, None) => recorded_message(services, &id, &channel).await?,
        (None, None, Some(message), None) => {
            Message::decode(message.get().as_bytes()).map_err(|error| bad_request(format!("message: {error}")))?
        }
        (None, None, None, Some(DeadLetters { max })) => {
            if is_dry_run {
                return Err(bad_request("dryRun: is not supported for deadLetters; send one of them as \"message\""));
            }
            if max == 0 || max > MAX_DEAD_LETTERS {
                return Err(bad_request(format!("deadLetters.max: must be from 1 to {MAX_DEAD_LETTERS}")));
            }
            return redrive(services, max, force).await;
        }
        (Some(_), None, ..) => {
            return Err(bad_request("eventChannelId: is missing; an event needs eventId and eventChannelId"));
        }
        (None, Some(_), ..) => {
            return Err(bad_request("eventId: is missing; an event needs eventId and eventChannelId"));
        }
        _ => return Err(bad_request("send one of: eventId with eventChannelId, message, deadLetters")),
    };
    record_event(&message.event);
    if is_dry_run {
        return dry_run(services, &message).await;
    }
    start_journeys(services, &message, &operator_options(force))
        .await
        .map(|record| succeeded(&record))
        .map_err(|error| failed(&message.event, error))
}

/// The options of a start that an operator requests.
fn operator_options(force: bool) -> StartOptions {
    StartOptions { check_record_first: true, reopen: true, force, ..StartOptions::default() }
}

/// The message of a recorded event, with new data from the Scale Unit.
async fn recorded_message(services: &Services, id: &EventId, channel_id: &str) -> Result<Message, Answer> {
    let found = services.store.record(channel_id, id).await;
    let record = found
        .map_err(|error| retry_later(&Reason::new(ReasonCode::StoreUnavailable, error.to_string()), None))?
        .ok_or_else(|| error(404, "eventNotFound", format!("there is no record {id} in channel {channel_id}")))?;
    message_of(services, &record).await.map_err(|problem| {
        let EnrichError { reason, retry_after, is_outage } = problem;
        if is_outage { retry_later(&reason, retry_after) } else { error(422, &reason.code.to_string(), reason.detail) }
    })
}

async fn message_of(services: &Services, record: &Record) -> Result<Message, EnrichError> {
    let malformed = |detail: String| EnrichError {
        reason: Reason::new(ReasonCode::MalformedEvent, detail),
        retry_after: None,
        is_outage: false,
    };
    record.event().validate().map_err(|error| malformed(error.to_string()))?;
    let (customers, defaults) = (CustomerCache::default(), &services.settings.default_customers);
    let enriched = enrich(&services.commerce, &customers, defaults, record.event()).await?;
    let composed = OutgoingMessage::compose(record, enriched.order.as_deref(), enriched.customer.as_deref(), |_| true);
    let body = composed.map(|message| message.body).unwrap_or_default();
    Message::decode(body.as_bytes()).map_err(|error| malformed(error.to_string()))
}
