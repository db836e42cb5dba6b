//! Starts the journeys of one event, each once. `process-message` and `trigger-journey` use it.
//!
//! The order of effects is the guarantee. First the contact is found or created, which may be repeated. Then one write
//! claims the event and names the journeys to trigger. Then their triggers are invoked. Then one write records the
//! outcomes and releases the claim. So an expired claim means: its journeys are uncertain, and no other journey was
//! invoked.

mod claim;
mod frequency;
mod invoke;
mod plan;
mod prospect;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use super::Services;
use super::contacts::{ContactError, ContactResolution, NotWritten, ResolvedContact, resolve};
use super::event_log::{log_final, log_undue, record_journeys, traced};
use super::on_heap::on_heap;
use super::person::view_and_person;
use super::start_error::StartError;
use crate::clients::store::Added;
use crate::events::{Message, Reason, ReasonCode, Record, Status};
use crate::telemetry::{LogEvent, invocation, traces};
use claim::ClaimedEvent;
pub(super) use claim::Settled;
use frequency::{return_markers, take_markers};
use invoke::invoke_all;
use plan::JourneyPlan;
pub(super) use plan::{Force, StartOptions, skip_reason};
use prospect::Prospect;
pub(super) use prospect::prevented;

/// Starts the journeys of `message`. On success every journey has started or is skipped, and the record contains that.
pub(super) async fn start_journeys(
    services: &Services,
    message: &Message,
    options: &StartOptions,
) -> Result<Record, StartError> {
    let Settled { record, error, .. } = start_and_report(services, message, options).await?;
    error.map_or(Ok(record), Err)
}

/// The same with a report of what was started now. A failure that is recorded is part of the report.
pub(super) async fn start_and_report(
    services: &Services,
    message: &Message,
    options: &StartOptions,
) -> Result<Settled, StartError> {
    let (id, event_type) = (message.event.id(), &message.event.event_type);
    let settled = traces::replay(traced(&id, event_type)).in_scope(on_heap(|| start(services, message, options))).await;
    if let Ok(Settled { record, error: None, .. }) = &settled {
        record_journeys(record);
    }
    settled
}

async fn start(services: &Services, message: &Message, options: &StartOptions) -> Result<Settled, StartError> {
    let event = &message.event;
    if services.journeys.event_type(&event.event_type).needs_details() && message.order.is_none() {
        let detail = "the message contains no order; redrive it when the order exists";
        return Err(StartError::permanent(ReasonCode::OrderNotFound, detail));
    }
    let mut prospect = Prospect::new(services, event, options);
    if let Some(settled) = on_heap(|| prospect.look_up(services, event, options)).await? {
        return Ok(settled);
    }
    let reread = on_heap(|| prospect.reread(services, event, options)).await?;
    let (message, note) = reread.as_ref().map_or((message, &options.note), |reread| (&reread.message, &reread.note));
    let (view, person) = view_and_person(message, &services.settings.default_customers);
    on_heap(|| prospect.look_up_customer(services, event, &person, options)).await?;
    let mut plan = JourneyPlan::new(&prospect, &view, &person);
    let markers = on_heap(|| take_markers(services, event, &person, options, &prospect, &mut plan)).await?;
    if plan.wanted.is_empty() {
        return on_heap(|| start_nothing(services, message, options, &plan, note.clone())).await;
    }
    let contact = match on_heap(|| resolve(services, &person, options.may_skip_update)).await {
        Err(error @ ContactError::Inactive(_)) => {
            let settled = on_heap(|| skip_unusable(services, message, options, plan, error)).await?;
            return_markers(services, &settled.record, markers).await;
            return Ok(settled);
        }
        other => other?,
    };
    record_contact(message, &contact);
    let mut claimed = on_heap(|| ClaimedEvent::begin(services, message, options, &plan)).await?;
    if claimed.record.status().is_final() {
        return on_heap(|| finished_earlier(claimed, options)).await;
    }
    claimed.set_note(note.clone().or_else(|| contact.not_written.as_ref().map(NotWritten::reason)));
    claimed.record.set_contact(contact.id);
    let invoked = on_heap(|| invoke_all(services, &claimed, &view, contact.id)).await;
    claimed.apply_outcomes(invoked);
    on_heap(|| claimed.settle()).await
}

/// No journey is to be triggered now: records why, or until when.
async fn start_nothing(
    services: &Services,
    message: &Message,
    options: &StartOptions,
    plan: &JourneyPlan<'_>,
    note: Option<Reason>,
) -> Result<Settled, StartError> {
    if plan.needs_claim {
        // An expired claim shows that a journey may have started before it became superfluous.
        return settle_unstarted(services, message, options, plan, note).await;
    }
    skip_all(services, message, options, plan).await.map(Settled::unchanged)
}

/// Claims the event and records the outcomes of a plan without journeys to trigger. `note` is what the record says if the
/// event is completed.
async fn settle_unstarted(
    services: &Services,
    message: &Message,
    options: &StartOptions,
    plan: &JourneyPlan<'_>,
    note: Option<Reason>,
) -> Result<Settled, StartError> {
    let mut claimed = ClaimedEvent::begin(services, message, options, plan).await?;
    if claimed.record.status().is_final() {
        return finished_earlier(claimed, options).await;
    }
    claimed.set_note(note);
    claimed.settle().await
}

/// Closes an event for good, because an operator decided so.
pub(super) async fn dismiss(services: &Services, record: &Record, detail: &str) -> Result<Record, StartError> {
    let message = Message::without_details(record.event().clone());
    let nothing = JourneyPlan::default();
    ClaimedEvent::begin(services, &message, &StartOptions::default(), &nothing).await?.dismiss(detail).await
}

fn record_contact(message: &Message, contact: &ResolvedContact) {
    invocation::record(|facts| facts.contact = Some(contact.resolution.name()));
    let (id, contact_id) = (message.event.id(), contact.id);
    let event_id = id.as_str();
    if contact.resolution == ContactResolution::Created {
        LogEvent::ContactCreated { event_id, contact_id }.log();
    }
    if let Some(NotWritten { columns, cause }) = &contact.not_written {
        LogEvent::ContactNotUpdated { event_id, contact_id, columns, detail: cause }.log();
    }
}

/// The person's contact must not be used: completes the record, and triggers no journey.
async fn skip_unusable(
    services: &Services,
    message: &Message,
    options: &StartOptions,
    plan: JourneyPlan<'_>,
    error: ContactError,
) -> Result<Settled, StartError> {
    invocation::record(|facts| facts.contact = Some("inactive"));
    let reason = Reason::new(ReasonCode::ContactInactive, error.to_string());
    let plan = plan.without_contact(reason.clone());
    settle_unstarted(services, message, options, &plan, Some(reason)).await
}

/// An earlier delivery has finished the event.
async fn finished_earlier(claimed: ClaimedEvent<'_>, options: &StartOptions) -> Result<Settled, StartError> {
    let record = claimed.release().await?;
    check_not_failed(&record, options)?;
    Ok(Settled::unchanged(record))
}

/// No journey to trigger: completes the record without a claim, a contact or an invocation.
async fn skip_all(
    services: &Services,
    message: &Message,
    options: &StartOptions,
    plan: &JourneyPlan<'_>,
) -> Result<Record, StartError> {
    let event = &message.event;
    let now = services.clock.now();
    let mut record = match services.store.record(&event.channel_id, &event.id()).await? {
        Some(record) => record,
        None => add_record(services, message, plan).await?,
    };
    if record.status().is_final() {
        return Ok(record);
    }
    if let (Status::New, Some(reason)) = (record.status(), record.rejection()) {
        return Err(StartError::Permanent { reason: reason.clone(), recorded: false });
    }
    let before = record.journeys().clone();
    record.set_numbers(plan.numbers_of(event));
    plan.record_undue(&mut record);
    if options.reopens() {
        record.mark_replayed(now);
    }
    let note = record.reason().cloned();
    record.complete(note, now, services.settings.keep_records.as_secs());
    match services.store.save(vec![record]).await?.written.into_iter().next() {
        Some(record) => {
            log_undue(&before, &record, now);
            log_final(&record, now);
            Ok(record)
        }
        None => Err(StartError::transient(ReasonCode::InProgress, "the record has changed in the meantime")),
    }
}

/// Fails if the event is so old that its record may have expired. Then nobody knows which journeys have started.
fn check_not_expired(services: &Services, message: &Message, options: &StartOptions) -> Result<(), StartError> {
    let Some(occurred_at) = message.event.occurred_at().filter(|_| !options.repeats()) else { return Ok(()) };
    if !services.settings.may_have_expired(occurred_at, services.clock.now()) {
        return Ok(());
    }
    Err(StartError::permanent(
        ReasonCode::RecordExpired,
        "the event is older than RecordTimeToLive and has no record, so its journeys may have started; look in Customer \
         Insights - Journeys, and send the message to trigger-journey with force to start them",
    ))
}

/// Adds the record of an event that another system has published, or whose record was deleted or has expired.
async fn add_record(services: &Services, message: &Message, plan: &JourneyPlan<'_>) -> Result<Record, StartError> {
    let now = services.clock.now();
    let mut record = Record::new(message.event.clone(), Uuid::new_v4(), now, now + services.settings.lease);
    record.set_numbers(plan.numbers_of(&message.event));
    record.publish(now, now + 2 * services.settings.retry.horizon);
    let Added { created, refused } = services.store.add(vec![record]).await?;
    if let Some((_, error)) = refused.into_iter().next() {
        return Err(StartError::permanent(ReasonCode::MalformedEvent, error.to_string()));
    }
    created
        .into_iter()
        .next()
        .ok_or_else(|| StartError::transient(ReasonCode::InProgress, "the record was added in the meantime"))
}

/// Fails if the record has failed and is not to be reopened.
fn check_not_failed(record: &Record, options: &StartOptions) -> Result<(), StartError> {
    if record.status() == Status::Failed && !options.reopens() {
        let reason = record.reason().cloned().unwrap_or_else(Reason::unknown);
        return Err(StartError::Permanent { reason, recorded: true });
    }
    Ok(())
}
