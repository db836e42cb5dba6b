//! Dismisses an event: it is closed, and its dead letter is removed.

use serde_json::json;

use super::answer::{Answer, error, error_of, event_fields};
use super::dead_letter::remove_dead_letter;
use super::recorded;
use super::request::Key;
use crate::events::{Reason, ReasonCode, Record, Status};
use crate::functions::Services;
use crate::functions::event_log::record_event;
use crate::functions::start_journeys;
use crate::telemetry::LogEvent;

/// Closes the event for good. Dismissing it again only looks for its dead letter again.
pub(super) async fn dismiss(services: &Services, key: &Key, detail: &str) -> Result<Answer, Answer> {
    let record = recorded(services, key).await?;
    record_event(record.event());
    if record.status() == Status::Processed && !is_dismissed(&record) {
        let detail = "every journey of the event has started or is skipped: there is nothing to dismiss";
        return Err(error(422, "alreadyProcessed", detail));
    }
    let record = match is_dismissed(&record) {
        true => record,
        false => close(services, &record, detail.trim()).await?,
    };
    let dead_letter = remove_dead_letter(services, record.id()).await;
    let mut answer = Answer::ok(json!({"deadLetter": dead_letter.name()}));
    answer.add(event_fields(&record));
    Ok(answer)
}

async fn close(services: &Services, record: &Record, detail: &str) -> Result<Record, Answer> {
    let dismissed = start_journeys::dismiss(services, record, detail).await.map_err(error_of)?;
    let event_id = dismissed.id().as_str();
    LogEvent::EventDismissed { event_id, event_type: &dismissed.event().event_type }.log();
    Ok(dismissed)
}

fn is_dismissed(record: &Record) -> bool {
    matches!(record.reason(), Some(Reason { code: ReasonCode::Dismissed, .. }))
}
