//! `process-message`: from the subscription to the journeys.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::setback::{Setback, Terms};
use super::start_journeys::start_journeys;
use crate::app::App;
use crate::clients::bus::Outgoing;
use crate::clients::milliseconds;
use crate::clients::store::StoreError;
use crate::events::{Message, Reason, ReasonCode, Status};
use crate::telemetry::{LogEvent, invocation, traces};

/// A message as the Functions host hands it over.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The body.
    pub body: Vec<u8>,
    /// How many times Service Bus has delivered it, this time included.
    pub delivery_count: u32,
    /// What an earlier attempt left in the properties of its copy.
    pub history: History,
    /// The trace that it is part of, as its property tells.
    pub traceparent: Option<String>,
}

/// The failures behind a message that is a copy of an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Attempts that were put off so far.
    pub attempts: u32,
    /// When the first of them was.
    pub failing_since: Option<DateTime<Utc>>,
    /// Journeys that have started although the record could not be told.
    pub started: BTreeMap<String, DateTime<Utc>>,
}

/// What became of a delivery, and so what the host is told.
#[derive(Debug)]
pub enum Verdict {
    /// The event is done; the message is completed.
    Done,
    /// A copy will be delivered later; this message is completed.
    PutOff(Reason),
    /// The event has failed for good. The host is told of a failure, so that Service Bus delivers the message again,
    /// which is refused at the cost of one read, until it dead-letters it: a custom handler cannot do that itself.
    Rejected(Reason),
    /// Neither the event nor its retry could be dealt with; Service Bus delivers the message again.
    Undelivered(Reason),
}

/// Attempts within one delivery; a lock lasts a minute and is renewed by the host for five.
const ROUNDS: u32 = 3;

/// Waits within a delivery are no longer than this; anything longer is a copy's.
const SOON: Duration = Duration::from_secs(5);

/// Pauses between attempts to schedule a copy. Together they stay below the host's lock renewal of five minutes and
/// spend one delivery of ten on every three and a half minutes of an outage of everything.
const PUT_OFF_PAUSES: [u64; 6] = [5, 10, 20, 40, 60, 60];

/// Names of the properties that a copy carries.
pub(crate) const ATTEMPTS: &str = "RetryAttempts";
pub(crate) const FAILING_SINCE: &str = "RetryFailingSince";
pub(crate) const STARTED: &str = "RetryJourneysStarted";

/// Starts the journeys of a delivered message, or sees to it that somebody will.
pub async fn process_message(app: &App, delivery: Delivery) -> Verdict {
    invocation::note(|facts| facts.delivery_count = Some(delivery.delivery_count));
    let message = match Message::decode(&delivery.body) {
        Ok(message) => message,
        // There is no record to write this to; the dead-letter queue keeps the message.
        Err(problem) => {
            return rejected(None, &delivery, Reason::new(ReasonCode::MalformedEvent, problem.to_string()));
        }
    };
    traces::tell_event(&message.event);
    invocation::note(|facts| {
        facts.about(&message.event);
        facts.attempts = Some(delivery.history.attempts);
    });
    let mut terms = Terms {
        look_first: delivery.delivery_count > 1,
        started: delivery.history.started.clone(),
        ..Terms::default()
    };
    let mut round = 1;
    loop {
        let setback = match start_journeys(app, &message, &terms).await {
            Ok(_) => return Verdict::Done,
            Err(setback) => setback,
        };
        match setback {
            Setback::Never { reason, recorded: true } => return rejected(Some(&message), &delivery, reason),
            Setback::Never { reason, recorded: false } => return reject(app, &message, &delivery, reason).await,
            Setback::Retry { reason, retry_after, not_before, started } => {
                terms.started.extend(started);
                let pause = Duration::from_secs(u64::from(round)).max(retry_after.unwrap_or_default());
                if round >= ROUNDS || pause > SOON || terms.started.len() > delivery.history.started.len() {
                    let history = History { started: terms.started, ..delivery.history.clone() };
                    return put_off(app, &message, &delivery, history, PutOff { reason, retry_after, not_before })
                        .await;
                }
                app.clock.sleep(pause).await;
                round += 1;
            }
        }
    }
}

fn rejected(message: Option<&Message>, delivery: &Delivery, reason: Reason) -> Verdict {
    let event_id = message.map(|message| message.event.id());
    let (event_id, delivery_count) = (event_id.as_ref(), delivery.delivery_count);
    LogEvent::MessageRejected { event_id, reason: reason.code, detail: &reason.detail, delivery_count }.log();
    Verdict::Rejected(reason)
}

fn undelivered(message: &Message, error: &impl ToString, code: ReasonCode) -> Verdict {
    let reason = Reason::new(code, error.to_string());
    let event_id = message.event.id();
    LogEvent::MessageUndelivered { event_id: &event_id, reason: code, detail: &reason.detail }.log();
    Verdict::Undelivered(reason)
}

/// Writes a permanent failure to the record before rejecting the message.
async fn reject(app: &App, message: &Message, delivery: &Delivery, reason: Reason) -> Verdict {
    match record_failure(app, message, &reason).await {
        Ok(()) => rejected(Some(message), delivery, reason),
        Err(error) => {
            let put_off_because = Reason::new(ReasonCode::StoreUnavailable, error.to_string());
            let put = PutOff { reason: put_off_because, retry_after: None, not_before: None };
            put_off(app, message, delivery, delivery.history.clone(), put).await
        }
    }
}

async fn record_failure(app: &App, message: &Message, reason: &Reason) -> Result<(), StoreError> {
    let event = &message.event;
    for _ in 0..3 {
        let Some(mut record) = app.store.record(&event.channel_id, &event.id()).await? else {
            LogEvent::RecordMissing { event_id: &event.id(), reason: reason.code, detail: &reason.detail }.log();
            return Ok(());
        };
        if record.status.is_final() {
            return Ok(());
        }
        let now = app.clock.now();
        record.finish(Status::Failed, Some(reason.clone()), now, app.settings.keep_records.as_secs());
        if let Some(written) = app.store.save(vec![record]).await?.written.first() {
            LogEvent::log_final(written, now);
            invocation::note(|facts| facts.journeys(written));
            return Ok(());
        }
    }
    Err(StoreError::Conflict("the record keeps changing".to_owned()))
}

struct PutOff {
    reason: Reason,
    retry_after: Option<Duration>,
    not_before: Option<DateTime<Utc>>,
}

/// Schedules a copy of the message and lets this one go, so that an outage does not burn its deliveries; or gives the
/// event up when it has been failing for too long.
async fn put_off(app: &App, message: &Message, delivery: &Delivery, history: History, put: PutOff) -> Verdict {
    let (now, policy) = (app.clock.now(), &app.settings.retry);
    let failing_since = history.failing_since.unwrap_or(now);
    if policy.is_over(failing_since, now) {
        return match record_failure(app, message, &put.reason).await {
            Ok(()) => rejected(Some(message), delivery, put.reason),
            Err(error) => undelivered(message, &error, ReasonCode::StoreUnavailable),
        };
    }
    let attempts = history.attempts + 1;
    let delay = policy.delay(attempts, app.clock.chance(), put.retry_after);
    let at = put.not_before.unwrap_or(now).max(now + delay);
    let id = message.event.id();
    // Unlike the event's id, never used before: duplicate detection must not drop it.
    let unique = Uuid::new_v4().simple().to_string();
    let copy_id = format!("{id}~~{}", &unique[..8]);
    let body = String::from_utf8_lossy(&delivery.body);
    let mut properties = copy_properties(message, attempts, failing_since, &history.started);
    let traceparent = traces::current_traceparent().or_else(|| delivery.traceparent.clone());
    properties.extend(traceparent.map(|traceparent| ("traceparent", traceparent)));
    let copy = Outgoing { id: &copy_id, body: &body, properties: &properties, scheduled: Some(at) };
    let mut pauses = PUT_OFF_PAUSES.into_iter();
    while let Err(error) = app.bus.send(std::slice::from_ref(&copy)).await {
        LogEvent::CopyNotScheduled { event_id: &id, detail: &error.to_string() }.log();
        match pauses.next() {
            Some(pause) => app.clock.sleep(Duration::from_secs(pause)).await,
            None => return undelivered(message, &error, ReasonCode::ServiceBusUnavailable),
        }
    }
    LogEvent::MessagePutOff {
        event_id: &id,
        event_type: &message.event.event_type,
        reason: put.reason.code,
        detail: &put.reason.detail,
        attempts,
        delay_ms: milliseconds((at - now).to_std().unwrap_or_default()),
    }
    .log();
    if attempts == 1 && put.reason.code != ReasonCode::InProgress {
        note_setback(app, message, &put.reason).await;
    }
    Verdict::PutOff(put.reason)
}

fn copy_properties(
    message: &Message,
    attempts: u32,
    failing_since: DateTime<Utc>,
    started: &BTreeMap<String, DateTime<Utc>>,
) -> Vec<(&'static str, String)> {
    let event = &message.event;
    let mut properties = vec![
        ("EventType", event.event_type.clone()),
        ("EventChannelId", event.channel_id.clone()),
        ("EventDataAreaId", event.data_area_id.clone()),
        (ATTEMPTS, attempts.to_string()),
        // Numbers of milliseconds rather than dates, which the host rewrites.
        (FAILING_SINCE, failing_since.timestamp_millis().to_string()),
    ];
    if !started.is_empty() {
        let started: BTreeMap<_, _> = started.iter().map(|(name, at)| (name, at.timestamp_millis())).collect();
        properties.extend(serde_json::to_string(&started).ok().map(|text| (STARTED, text)));
    }
    properties
}

/// Shows an operator at the first failure that the event is being retried. The retry does not depend on it.
async fn note_setback(app: &App, message: &Message, reason: &Reason) {
    let event = &message.event;
    let note = async {
        let Some(mut record) = app.store.record(&event.channel_id, &event.id()).await? else { return Ok(()) };
        if record.status == Status::Processing {
            let now = app.clock.now();
            record.retry_at(now + 2 * app.settings.retry.horizon, reason.clone(), now);
            app.store.save(vec![record]).await?;
        }
        Ok::<_, StoreError>(())
    };
    if let Err(error) = note.await {
        LogEvent::SetbackNotNoted { event_id: &event.id(), detail: &error.to_string() }.log();
    }
}
