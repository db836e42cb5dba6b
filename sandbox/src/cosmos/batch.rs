//! Transactional batches in JSON: all operations of one logical partition happen, or none does.
//! <https://learn.microsoft.com/azure/cosmos-db/nosql/transactional-batch>

use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::account::Handled;
use super::charges;
use super::headers::wants_content;
use super::items::{Operation, Outcome, Preconditions};
use super::partition_key::PartitionKey;
use super::patch::Patch;
use super::reply::{Reply, ServiceError, ServiceResult};
use super::store::Container;

const MOST_OPERATIONS: usize = 100;
const LARGEST: usize = 2 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    operation_type: Kind,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    resource_body: Option<Value>,
    #[serde(default)]
    if_match: Option<String>,
    #[serde(default)]
    if_none_match: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
enum Kind {
    Create,
    Upsert,
    Replace,
    Patch,
    Read,
    Delete,
}

/// What came of one operation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_status_code: Option<u32>,
    request_charge: f64,
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_body: Option<&'a RawValue>,
}

/// Reads the operations of a batch. The SDK for .NET sends a binary format instead.
fn requests(body: &[u8]) -> ServiceResult<Vec<Request>> {
    if body.len() > LARGEST {
        return Err(ServiceError::too_large());
    }
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        return Err(ServiceError::not_implemented(
            "This account reads transactional batches and bulk requests in JSON only, and not in the binary HybridRow \
             format that the SDK for .NET sends.",
        ));
    }
    let requests: Vec<Request> = serde_json::from_slice(body)
        .map_err(|error| ServiceError::bad_request(format!("The batch is not valid: {error}")))?;
    if requests.is_empty() || requests.len() > MOST_OPERATIONS {
        let message = format!("A batch has between 1 and {MOST_OPERATIONS} operations.");
        return Err(ServiceError::bad_request(message));
    }
    Ok(requests)
}

impl Request {
    fn into_operation(self) -> ServiceResult<(Operation, Preconditions)> {
        let missing = |name: &str| ServiceError::bad_request(format!("A batch operation lacks '{name}'."));
        let id = self.id.ok_or_else(|| missing("id"));
        let body = self.resource_body.ok_or_else(|| missing("resourceBody"));
        let operation = match self.operation_type {
            Kind::Create => Operation::Create(body?),
            Kind::Upsert => Operation::Upsert(body?),
            Kind::Replace => Operation::Replace(id?, body?),
            Kind::Patch => Operation::Patch(id?, Patch::parse(body?)?),
            Kind::Read => Operation::Read(id?),
            Kind::Delete => Operation::Delete(id?),
        };
        Ok((operation, Preconditions { if_match: self.if_match, if_none_match: self.if_none_match }))
    }
}

impl Container {
    /// Carries out a batch.
    pub(super) fn batch(
        &mut self,
        body: &[u8],
        key: &PartitionKey,
        headers: &HeaderMap,
        now: i64,
    ) -> ServiceResult<Handled> {
        let operations: Vec<_> = requests(body)?.into_iter().map(Request::into_operation).collect::<Result<_, _>>()?;
        let inside = operations.iter().map(|(operation, _)| operation.name()).collect();
        let named = operations.iter().filter_map(|(operation, _)| operation.id().map(str::to_owned)).collect();
        let count = operations.len();
        let mut outcomes = Vec::with_capacity(count);
        for (index, (operation, conditions)) in operations.into_iter().enumerate() {
            match self.execute(operation, key, &conditions, now) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    self.undo_all(outcomes);
                    let reply = failed(count, index, &error);
                    return Ok(Handled { reply, inside, ..Handled::default() });
                }
            }
        }
        let reply = succeeded(&outcomes, wants_content(headers));
        let written = outcomes.into_iter().filter_map(|outcome| outcome.written).collect();
        Ok(Handled { reply, inside, written, named })
    }

    fn undo_all(&mut self, outcomes: Vec<Outcome>) {
        for (place, before) in outcomes.into_iter().rev().filter_map(|outcome| outcome.undo) {
            self.undo(&place, before);
        }
    }
}

fn succeeded(outcomes: &[Outcome], wants_content: bool) -> Reply {
    let responses: Vec<_> = outcomes
        .iter()
        .map(|outcome| Response {
            status_code: outcome.status.as_u16(),
            sub_status_code: None,
            request_charge: outcome.charge,
            etag: Some(&outcome.etag),
            resource_body: outcome
                .body
                .as_ref()
                .filter(|_| wants_content || outcome.written.is_none())
                .and_then(|body| serde_json::from_slice(body).ok()),
        })
        .collect();
    reply(StatusCode::OK, &responses)
}

/// One operation failed; the others depended on it.
fn failed(count: usize, index: usize, error: &ServiceError) -> Reply {
    let response = |place| {
        let status = if place == index { error.status } else { StatusCode::FAILED_DEPENDENCY };
        Response {
            status_code: status.as_u16(),
            sub_status_code: Some(error.sub_status).filter(|sub_status| place == index && *sub_status != 0),
            request_charge: if place == index { charges::REFUSED } else { 0.0 },
            etag: None,
            resource_body: None,
        }
    };
    reply(StatusCode::MULTI_STATUS, &(0..count).map(response).collect::<Vec<_>>())
}

fn reply(status: StatusCode, responses: &[Response<'_>]) -> Reply {
    let charge = responses.iter().map(|response| response.request_charge).sum();
    Reply::new(status, charge, serde_json::to_vec(responses).unwrap_or_default())
}
