//! Reads the request: exactly one action, and the options that go with it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{Answer, bad_request};
use super::find::Find;
use super::redrive::MAX_DEAD_LETTERS;
use crate::events::{EventId, Message};
use crate::functions::start_journeys::{Force, StartOptions};
use crate::json::read_json;

/// What is requested.
pub(super) enum Action {
    /// Start the journeys of one event.
    Start { subject: Subject, options: StartOptions },
    /// Show what a start would do.
    DryRun(Subject),
    /// Close an event without starting the rest of its journeys.
    Dismiss { key: Key, detail: String },
    /// Process dead letters again.
    Redrive { max: usize, force: Force },
    /// List events.
    Find(Find),
}

/// The event that an action is about.
pub(super) enum Subject {
    Recorded(Key),
    Posted(Box<Message>),
}

/// The key of a record.
pub(super) struct Key {
    pub(super) id: EventId,
    pub(super) channel_id: String,
}

/// The body. `docs/operations.md` describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    event_id: Option<EventId>,
    event_channel_id: Option<String>,
    message: Option<Box<RawValue>>,
    dead_letters: Option<DeadLetters>,
    find: Option<Find>,
    dismiss: Option<String>,
    journeys: Option<BTreeSet<String>>,
    #[serde(default)]
    release: bool,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
}

/// The fields of [`Body`], and `check`, which the host answers.
const FIELDS: [&str; 11] = [
    "eventId",
    "eventChannelId",
    "message",
    "deadLetters",
    "find",
    "check",
    "journeys",
    "release",
    "force",
    "dismiss",
    "dryRun",
];

#[derive(Deserialize)]
struct DeadLetters {
    #[serde(default = "most_dead_letters")]
    max: usize,
}

fn most_dead_letters() -> usize {
    20
}

/// Maximum length of an event's id, and of its channel.
const MAX_KEY_BYTES: usize = 128;

/// Maximum length of the reason for a dismissal.
const MAX_DISMISS_CHARACTERS: usize = 200;

const ACTIONS: &str =
    "send one of: eventId with eventChannelId, message, deadLetters, find, check; docs/operations.md describes them";

/// Reads the body of a request.
pub(super) fn read_request(body: &[u8]) -> Result<Action, Answer> {
    let invalid = |error| bad_request(format!("the request cannot be read: {error}"));
    check_names(&read_json::<Value>(body).map_err(invalid)?)?;
    let body: Body = read_json(body).map_err(invalid)?;
    check_lengths(&body)?;
    let force = body.force()?;
    let event = match (body.event_id, body.event_channel_id) {
        (Some(id), Some(channel_id)) => Some(Key { id, channel_id }),
        (Some(_), None) => {
            return Err(bad_request("eventChannelId: is missing; an event needs eventId and eventChannelId"));
        }
        (None, Some(_)) => return Err(bad_request("eventId: is missing; an event needs eventId and eventChannelId")),
        (None, None) => None,
    };
    let options = StartOptions { only: body.journeys, early: true, is_current: true, ..operator_options(force) };
    let is_plain = options.only.is_none() && force == Force::No && !body.dry_run;
    match (event, body.message, body.dead_letters, body.find, body.dismiss) {
        (Some(key), None, None, None, Some(detail)) if is_plain => Ok(Action::Dismiss { key, detail }),
        (_, _, _, _, Some(_)) => Err(bad_request("dismiss: needs eventId and eventChannelId, and no other field")),
        (Some(key), None, None, None, None) => Ok(start(Subject::Recorded(key), options, body.dry_run)),
        (None, Some(message), None, None, None) => {
            let message = Message::decode_value(&message).map_err(|error| bad_request(format!("message: {error}")))?;
            Ok(start(Subject::Posted(Box::new(message)), options, body.dry_run))
        }
        (None, None, Some(_), None, None) if body.dry_run => {
            Err(bad_request("dryRun: is not supported for deadLetters; find the event and send its eventId"))
        }
        (None, None, Some(_), None, None) if options.only.is_some() => {
            Err(bad_request("journeys: is not supported for deadLetters; find the event and send its eventId"))
        }
        (None, None, Some(DeadLetters { max: max @ 1..=MAX_DEAD_LETTERS }), None, None) => {
            Ok(Action::Redrive { max, force })
        }
        (None, None, Some(_), None, None) => {
            Err(bad_request(format!("deadLetters.max: must be from 1 to {MAX_DEAD_LETTERS}")))
        }
        (None, None, None, Some(find), None) if is_plain => Ok(Action::Find(find.checked().map_err(bad_request)?)),
        (None, None, None, Some(_), None) => Err(bad_request("find: takes no other field beside it")),
        _ => Err(bad_request(ACTIONS)),
    }
}

fn start(subject: Subject, options: StartOptions, dry_run: bool) -> Action {
    if dry_run { Action::DryRun(subject) } else { Action::Start { subject, options } }
}

/// The options of a start that an operator requests.
pub(super) fn operator_options(force: Force) -> StartOptions {
    StartOptions { check_record_first: true, reopen: true, force, may_skip_update: true, ..StartOptions::default() }
}

impl Body {
    fn force(&self) -> Result<Force, Answer> {
        match (self.force, self.release) {
            (true, true) => Err(bad_request("release, force: send one of them")),
            (true, false) => Ok(Force::Started),
            (false, true) => Ok(Force::Held),
            (false, false) => Ok(Force::No),
        }
    }
}

/// Names a misspelt field, because a mistake like `dryrun` must not start anything.
fn check_names(body: &Value) -> Result<(), Answer> {
    let Some(fields) = body.as_object() else { return Err(bad_request("the request is not a JSON object")) };
    let unknown = fields.keys().find(|name| !FIELDS.contains(&name.as_str()));
    unknown.map_or(Ok(()), |name| {
        let name: String = name.chars().take(40).collect();
        Err(bad_request(format!("{name}: unknown field; known are {}", FIELDS.join(", "))))
    })
}

fn check_lengths(body: &Body) -> Result<(), Answer> {
    let too_long = |name: &str, most: usize| Err(bad_request(format!("{name}: is longer than {most} bytes")));
    if body.event_id.as_ref().is_some_and(|id| id.as_str().len() > MAX_KEY_BYTES) {
        return too_long("eventId", MAX_KEY_BYTES);
    }
    if body.event_channel_id.as_ref().is_some_and(|channel| channel.len() > MAX_KEY_BYTES) {
        return too_long("eventChannelId", MAX_KEY_BYTES);
    }
    let detail = body.dismiss.as_deref().map(str::trim);
    if detail.is_some_and(|detail| detail.is_empty() || detail.chars().count() > MAX_DISMISS_CHARACTERS) {
        let expected = "must say why, for example \"the customer was called\"";
        return Err(bad_request(format!("dismiss: {expected}; at most {MAX_DISMISS_CHARACTERS} characters")));
    }
    if body.journeys.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(bad_request("journeys: is empty; name the journeys, or leave the field out for all"));
    }
    Ok(())
}
