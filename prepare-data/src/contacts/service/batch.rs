//! Writes many contacts in one request.

use std::sync::{Mutex, PoisonError};

use commerce_journeys::clients::Reply;
use commerce_journeys::clients::dataverse::{ConflictKind, ContactColumns, DataverseError, expect, expect_written};
use reqwest::{Method, RequestBuilder, StatusCode};
use uuid::Uuid;

use super::Service;
use super::retry::Failure;
use crate::contacts::error::SyncError;
use crate::contacts::multipart::{self, Patch};

/// A change to one contact.
pub(in crate::contacts) struct Write {
    pub(in crate::contacts) contact: Uuid,
    /// The version to change; `None` for a contact that must not exist yet.
    pub(in crate::contacts) etag: Option<String>,
    pub(in crate::contacts) columns: ContactColumns,
}

/// The result of a change.
#[derive(Debug)]
pub(in crate::contacts) enum Written {
    Done,
    /// The contact changed since it was read. Nothing was written.
    Conflict,
    /// Another contact has a value that must be unique.
    KeyTaken(String),
    /// Dataverse refuses the values, or a plug-in has failed.
    Refused(String),
}

impl Service {
    /// Makes the changes, each by itself; returns one result for each.
    pub(in crate::contacts) async fn write(&self, writes: &[Write]) -> Result<Vec<Written>, SyncError> {
        let mut written: Vec<Option<Written>> = writes.iter().map(|_| None).collect();
        for (chunk, results) in
            writes.chunks(multipart::MOST_REQUESTS).zip(written.chunks_mut(multipart::MOST_REQUESTS))
        {
            self.write_batch(chunk, results).await?;
        }
        Ok(written.into_iter().map(|written| written.unwrap_or(Written::Conflict)).collect())
    }

    async fn write_batch(&self, writes: &[Write], results: &mut [Option<Written>]) -> Result<(), SyncError> {
        let results = Mutex::new(results);
        let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
        self.with_retry(|| async {
            let open: Vec<usize> = lock().iter().enumerate().filter(|(_, it)| it.is_none()).map(|(at, _)| at).collect();
            let batch: Vec<&Write> = open.iter().filter_map(|at| writes.get(*at)).collect();
            let replies = self.send_batch(&batch).await?;
            let mut passing = None;
            for (at, reply) in open.into_iter().zip(replies) {
                let Some(contact) = writes.get(at).map(|write| write.contact) else { continue };
                match outcome(reply, contact) {
                    Ok(written) => {
                        if let Some(slot) = lock().get_mut(at) {
                            *slot = Some(written);
                        }
                    }
                    Err(Failure::Permanent(error)) => return Err(Failure::Permanent(error)),
                    Err(failure) => passing = Some(failure),
                }
            }
            passing.map_or(Ok(()), Err)
        })
        .await
    }

    async fn send_batch(&self, writes: &[&Write]) -> Result<Vec<Reply>, Failure> {
        let paths: Vec<String> = writes
            .iter()
            .map(|write| self.dataverse.url(&format!("contacts({})", write.contact)).path().to_owned())
            .collect();
        let bodies = writes.iter().map(|write| serde_json::to_string(&write.columns)).collect::<Result<Vec<_>, _>>();
        let bodies = bodies
            .map_err(|error| Failure::Permanent(SyncError::Dataverse(DataverseError::Refused(error.to_string()))))?;
        let patches: Vec<Patch<'_>> = writes
            .iter()
            .zip(&paths)
            .zip(&bodies)
            .map(|((write, path), body)| {
                let guard = write.etag.as_deref().map_or(("If-None-Match", "*"), |etag| ("If-Match", etag));
                Patch { path, guard, body }
            })
            .collect();
        let boundary = format!("batch_{}", Uuid::new_v4());
        let body = multipart::compose(&patches, &boundary);
        let kind = format!("multipart/mixed; boundary=\"{boundary}\"");
        let complete = |request: RequestBuilder| {
            let request = request.header("content-type", &kind).header("if-none-match", "null");
            // Without this header, the first error would end the batch.
            request.header("prefer", "odata.continue-on-error").body(body.clone())
        };
        let reply = self.dataverse.send(Method::POST, "$batch", complete).await.map_err(DataverseError::from)?;
        let now = self.clock.now();
        let kind = reply.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let body = expect(reply, "batch")?;
        let replies = multipart::read(&kind, &body, now).filter(|replies| replies.len() == writes.len());
        replies.ok_or_else(|| DataverseError::AnswerLost("the batch's reply cannot be read".to_owned()).into())
    }
}

fn outcome(reply: Reply, contact: Uuid) -> Result<Written, Failure> {
    // In the reply of a batch, this concerns one row, mostly by a plug-in. It must not stop the other rows.
    let concerns_one_row = reply.status == StatusCode::INTERNAL_SERVER_ERROR;
    match expect_written(reply, contact) {
        Err(DataverseError::Unavailable { cause, .. }) if concerns_one_row => Ok(Written::Refused(cause)),
        Ok(_) => Ok(Written::Done),
        Err(DataverseError::Conflict { kind: ConflictKind::KeyTaken, cause }) => Ok(Written::KeyTaken(cause)),
        Err(DataverseError::Conflict { .. } | DataverseError::NotFound { .. }) => Ok(Written::Conflict),
        Err(DataverseError::Refused(cause) | DataverseError::Failed(cause)) => Ok(Written::Refused(cause)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;

    #[test]
    fn every_status_in_a_batch_has_its_result() {
        let result = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            outcome(Reply::new(status, Default::default(), body.into(), Utc::now()), Uuid::nil())
        };
        assert!(matches!(result(204, ""), Ok(Written::Done)));
        assert!(matches!(result(412, ""), Ok(Written::Conflict)));
        assert!(matches!(result(404, ""), Ok(Written::Conflict)));
        let plug_in = r#"{"error":{"code":"0x80040265","message":"No."}}"#;
        assert!(matches!(result(400, plug_in), Ok(Written::Refused(cause)) if cause.starts_with("400 0x80040265")));
        assert!(matches!(result(500, plug_in), Ok(Written::Refused(cause)) if cause.starts_with("500 0x80040265")));
        let key = r#"{"error":{"code":"0x80060892","message":"Entity Key violated."}}"#;
        assert!(matches!(result(412, key), Ok(Written::KeyTaken(_))));
        assert!(matches!(result(200, "<html>"), Err(Failure::Transient(..))));
        assert!(matches!(result(429, ""), Err(Failure::Transient(..))));
        assert!(matches!(result(503, ""), Err(Failure::Transient(..))));
        assert!(matches!(result(403, ""), Err(Failure::Permanent(_))));
    }
}
