//! `trigger-journey`: what an operator works with. It finds events, replays and dismisses them, redrives dead letters, and
//! shows dry runs.

mod answer;
mod dead_letter;
mod dismiss;
mod dry_run;
mod find;
mod letters;
mod redrive;
mod request;
mod start;

use super::Services;
use super::enrich::EnrichError;
use super::event_log::record_event;
use super::on_heap::on_heap;
use super::reread::{Reread, reread};
use super::start_journeys::StartOptions;
use crate::events::{Reason, Record};
pub use answer::Answer;
use answer::{error, retry_later};
use dismiss::dismiss;
use dry_run::dry_run;
use find::find;
use redrive::redrive;
use request::{Action, Key, Subject, read_request};
use start::start;

/// Fulfils the request in `body`.
pub async fn trigger_journey(services: &Services, body: &[u8]) -> Answer {
    match fulfil(services, body).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn fulfil(services: &Services, body: &[u8]) -> Result<Answer, Answer> {
    match read_request(body)? {
        Action::Start { subject, options } => {
            let Reread { message, note } = on_heap(|| message_for(services, subject)).await?;
            let options = StartOptions { note, ..options };
            on_heap(|| start(services, &message, &options)).await
        }
        Action::DryRun(subject) => {
            let Reread { message, .. } = on_heap(|| message_for(services, subject)).await?;
            on_heap(|| dry_run(services, &message)).await
        }
        Action::Dismiss { key, detail } => on_heap(|| dismiss(services, &key, &detail)).await,
        Action::Redrive { max, force } => Ok(on_heap(|| redrive(services, max, force)).await),
        Action::Find(query) => on_heap(|| find(services, &query)).await,
    }
}

/// The message to process: the posted one, or that of a recorded event with new data from the Scale Unit.
async fn message_for(services: &Services, subject: Subject) -> Result<Reread, Answer> {
    let reread = match subject {
        Subject::Posted(message) => Reread::complete(*message),
        Subject::Recorded(key) => {
            let record = recorded(services, &key).await?;
            reread(services, &record, true).await.map_err(|problem| {
                let EnrichError { reason, retry_after, is_outage, .. } = problem;
                let refused = |reason: Reason| error(422, &reason.code.to_string(), reason.detail);
                if is_outage { retry_later(&reason, retry_after) } else { refused(reason) }
            })?
        }
    };
    record_event(&reread.message.event);
    Ok(reread)
}

async fn recorded(services: &Services, Key { id, channel_id }: &Key) -> Result<Record, Answer> {
    let found = services.store.record(channel_id, id).await.map_err(|error| answer::store_error(&error))?;
    found.ok_or_else(|| {
        let text = format!(
            "there is no record {id} in channel {channel_id}; a record expires after RecordTimeToLive, and then only the \
             message itself can be sent, with force"
        );
        error(404, "eventNotFound", text)
    })
}
